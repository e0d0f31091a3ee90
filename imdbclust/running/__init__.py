"""Execute the notebooks: parameters, keys, kernels, records, runs, sweeps and their reports.

A notebook needs only :func:`open_stage`, or :func:`open_sweep`, from here.
"""

_LAZY = {"open_stage": "imdbclust.running.notebook", "open_sweep": "imdbclust.running.notebook"}


def __getattr__(name: str) -> object:
    """Import a re-exported function when it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
