"""What the notebooks 04 and 05 say, step by step: sentences, tables and numbers in one object."""
