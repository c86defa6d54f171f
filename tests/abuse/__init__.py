"""Attacks on a running proxy with honest miners beside: ``python -m tests.abuse``."""
