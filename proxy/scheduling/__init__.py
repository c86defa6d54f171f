"""Which miner works on which pool, and when: control, timetable, rates, ledger, slicing and packing, simulation."""
