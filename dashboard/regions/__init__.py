"""The live regions of the pages; importing this package registers them."""

from dashboard.regions import home, plans, pools, records, workers

__all__ = ["home", "plans", "pools", "records", "workers"]
