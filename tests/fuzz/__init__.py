"""Mutated input to everything that others write: miners' and pools' lines, files that are imported, configurations.

``make fuzz MINUTES=10`` goes on for so long; the suite takes a few hundred cases of each. What is found goes into
``corpus/`` as a file of its own, which every run tries first, and what a run found lies in ``DPMP_FUZZ_FINDINGS``.
"""
