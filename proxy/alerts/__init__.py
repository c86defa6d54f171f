"""Alerts: which problems are reported, when, how often, and their delivery."""
