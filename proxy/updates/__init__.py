"""Tells that a newer version is there. Asks nobody unless it is switched on."""
