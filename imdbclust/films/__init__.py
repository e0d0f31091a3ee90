"""Read and check films: files, problems, frames, JSON lines."""
