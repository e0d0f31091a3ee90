"""Kernels for notebooks: forked from a process with the libraries imported, or started as usual."""
