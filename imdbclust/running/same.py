"""Alias for code that imports `comparable` from here; see :mod:`imdbclust.running.diff`."""

from imdbclust.running.diff import comparable  # noqa: F401
