"""Start Jupyter kernels: forked from a process that has imported the libraries, or plain ones."""
