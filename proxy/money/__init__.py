"""What mining earns and costs on average: arithmetic, prices, and a bounded history by day. Never a promise."""
