"""New movies: the genres that a cast points to, and its cluster."""

from imdbclust.base.lazy import lazy

_LAZY = {
    "AmbiguousActor": "imdbclust.new_movies.actors",
    "Assigner": "imdbclust.new_movies.assigner",
    "Assignment": "imdbclust.new_movies.assigner",
    "GENRE_MODEL": "imdbclust.new_movies.genre_model",
    "LevelModel": "imdbclust.new_movies.levels",
    "find_actor": "imdbclust.new_movies.actors",
    "load_assigner": "imdbclust.new_movies.assigner",
    "match_actors": "imdbclust.new_movies.actors",
    "titled": "imdbclust.new_movies.actors",
}

__getattr__ = lazy(__name__, _LAZY)
