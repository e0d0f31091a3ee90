"""Paths of the repository, or of the installed package; nothing is created here.

In a clone, notebooks, downloads and reports are folders of the repository. An installed package has
the notebooks in it, keeps downloads in the user's folder for data, and writes reports below the
working directory.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
REPOSITORY = _PACKAGE.parent
INSTALLED = (_PACKAGE / "notebooks").is_dir()
NOTEBOOKS = (_PACKAGE if INSTALLED else REPOSITORY) / "notebooks"


def _data() -> Path:
    if not INSTALLED:
        return REPOSITORY / "data"
    usual = os.path.expanduser("~/.local/share")  # noqa: PTH111 (Path raises without a home)
    return Path(os.environ.get("XDG_DATA_HOME") or usual) / "imdbclust"


DATA = _data()


def reports() -> Path:
    """Return the folder for runs: ``IMDBCLUST_REPORTS`` if it is set, else ``reports/``."""
    parent = Path() if INSTALLED else REPOSITORY
    return Path(os.environ.get("IMDBCLUST_REPORTS") or parent / "reports").absolute()
