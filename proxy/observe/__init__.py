"""What the proxy says of itself: its events, and the metrics, the log and the live view that are made of them."""
