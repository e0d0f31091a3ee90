"""The benchmark: `speed` against other ways to the same result, `quality` against other methods."""
