"""The pages. Each view renders the full page, or for htmx only the part that changes."""
