"""Imports a configuration: an export of this version, or the files of DPMP v2."""
