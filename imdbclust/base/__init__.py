"""Paths, files on disk, text and errors: nothing here knows films."""
