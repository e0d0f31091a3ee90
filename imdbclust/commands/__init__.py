"""The commands of ``imdbclust``, a module each."""
