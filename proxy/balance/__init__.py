"""Auto-balance: measures the hash rate of each chain and derives the weights of the pools from it."""
