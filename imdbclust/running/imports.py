"""Importing papermill, nbformat and nbconvert without what of them takes seconds for nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = "rfc3987_syntax"
"""A grammar of internationalised addresses, built when ``jsonschema`` is imported, which nbformat
imports; notebooks have no such format to check. ``jsonschema`` does without if it is not there."""


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import what is imported within without building `UNUSED`, which can be had afterwards."""
    if UNUSED in sys.modules:
        yield
        return
    sys.modules[UNUSED] = None
    try:
        yield
    finally:
        del sys.modules[UNUSED]
