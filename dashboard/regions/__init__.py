"""What the live regions show; importing this package registers them."""

from dashboard.regions import home, pools, records, workers

__all__ = ["home", "pools", "records", "workers"]
