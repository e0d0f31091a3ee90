"""Alias for code that imports `read_table` from here; see :mod:`imdbclust.display.csv_files`."""

from imdbclust.display.csv_files import read_table  # noqa: F401
