"""HTML pages of runs and sweeps."""
