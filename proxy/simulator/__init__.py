"""Simulated pools and miners, with arithmetic of their own, for tests and the demo."""
