"""site.toml -> frozen slices, one for each part; every fault with its key path."""
