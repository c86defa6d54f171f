"""The dashboard's own template tags and filters."""
