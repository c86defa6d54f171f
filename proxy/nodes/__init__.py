"""Several proxies that share one set of miners, pools and settings: who they are, and what only one of them does."""
