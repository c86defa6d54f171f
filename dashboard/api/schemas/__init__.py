"""What the API says and takes, a file for each kind of its operations."""
