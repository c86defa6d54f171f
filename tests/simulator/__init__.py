"""Tests of the simulator, on which the end-to-end tests rely."""
