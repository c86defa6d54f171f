"""The views: each renders a full page, or for htmx only the part that changes."""
