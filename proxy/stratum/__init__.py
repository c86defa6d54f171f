"""Stratum V1 without I/O: protocol endpoints, framing, codec, extranonce, difficulty, share hash, firmware profiles."""
