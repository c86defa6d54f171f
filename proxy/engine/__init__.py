"""Sessions of miners and their pools: jobs, submits, pool links, health, probes, failover, block delivery."""
