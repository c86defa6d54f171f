"""The live regions of the pages; importing this package registers them."""

from dashboard.regions import found, home, plans, pools, records, workers

__all__ = ["found", "home", "plans", "pools", "records", "workers"]
