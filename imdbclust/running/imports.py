"""Import papermill, nbformat and nbconvert without a dependency that takes seconds to load."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = "rfc3987_syntax"
"""Grammar of internationalised addresses, which nbformat loads through ``jsonschema``.

Notebooks have no such addresses to check, and ``jsonschema`` works without it.
"""


@contextmanager
def quick_imports() -> Iterator[None]:
    """Skip `UNUSED` in imports within the context; it can be imported afterwards."""
    if UNUSED in sys.modules:
        yield
        return
    sys.modules[UNUSED] = None
    try:
        yield
    finally:
        del sys.modules[UNUSED]
