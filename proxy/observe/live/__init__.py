"""The live snapshot, from which pages, gauges and alert rules read, and the signal that there is a new one."""
