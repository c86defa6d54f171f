"""The live regions of the pages; importing this package registers them."""

from dashboard.regions import costly, found, home, listeners, plans, pools, records, workers

__all__ = ["costly", "found", "home", "listeners", "plans", "pools", "records", "workers"]
