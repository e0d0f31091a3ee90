"""Paths of the repository; nothing is created here."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = REPOSITORY / "notebooks"
DATA = REPOSITORY / "data"


def reports() -> Path:
    """Return the folder for runs: ``IMDBCLUST_REPORTS`` if it is set, else ``reports/``."""
    return Path(os.environ.get("IMDBCLUST_REPORTS") or REPOSITORY / "reports").absolute()
