"""The programming interface ``/api/v1``: what the pages show and do, for the operator's own programs."""
