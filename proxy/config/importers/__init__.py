"""Imports a configuration: an export of our own, the files of DPMP v2, or those of a farm proxy."""
