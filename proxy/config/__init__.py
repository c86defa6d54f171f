"""The configuration: an immutable snapshot, its check and difference, and how it is loaded, watched and exported."""
