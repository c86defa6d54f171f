"""The live regions of the pages; importing this package registers them."""

from dashboard.regions import costly, devices, found, home, listeners, nodes, plans, pools, records, workers

__all__ = ["costly", "devices", "found", "home", "listeners", "nodes", "plans", "pools", "records", "workers"]
