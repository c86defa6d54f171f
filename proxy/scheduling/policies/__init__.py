"""How a fleet keeps its weights: by slicing each miner, or by packing whole miners onto whole pools."""
