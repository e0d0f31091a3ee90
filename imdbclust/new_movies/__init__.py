"""New movies: the genres that a cast points to, and its cluster."""

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


def __getattr__(name: str) -> object:
    """Import a re-exported name when it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
