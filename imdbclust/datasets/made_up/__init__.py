"""Made-up films of any size."""
