"""Where things lie; looked up when asked for, created by nobody here."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
NOTEBOOKS = REPOSITORY / "notebooks"
DATA = REPOSITORY / "data"


def reports() -> Path:
    """Return the folder for runs: ``reports/``, or what ``IMDBCLUST_REPORTS`` names."""
    return Path(os.environ.get("IMDBCLUST_REPORTS") or REPOSITORY / "reports").absolute()
