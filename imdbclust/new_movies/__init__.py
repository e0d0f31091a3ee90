"""New movies: the genres that a cast points to, and its cluster."""

_ACTORS = ("AmbiguousActor", "find_actor", "match_actors", "titled")
_ASSIGNER = ("GENRE_MODEL", "Assigner", "Assignment", "load_assigner")
_LAZY = {
    **dict.fromkeys(_ACTORS, "imdbclust.new_movies.actors"),
    **dict.fromkeys(_ASSIGNER, "imdbclust.new_movies.assigner"),
    "LevelModel": "imdbclust.new_movies.levels",
}


def __getattr__(name: str) -> object:
    """Import a re-exported name when it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
