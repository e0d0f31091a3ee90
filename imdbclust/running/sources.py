"""The sources on which a notebook's results depend: its code cells and the modules they import.

Imports are read from the syntax trees, never from a list of names: imports at the top of a module
and in functions, but not those for type checkers. Where an ``__init__.py`` re-exports names lazily,
by a table of names and modules, the modules of the imported names are followed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from imdbclust.base.paths import NOTEBOOKS

PACKAGE = Path(__file__).resolve().parent.parent

_EXECUTES = "running.execute"
"""The module that executes notebooks; the results of all of them depend on it."""

_NO_INFLUENCE = ("running.pages", "running.alone", "commands", "bench")
"""Rooms and modules that show results or start executions, but never change a result."""


def code_cells(notebook: Path) -> list[tuple[str, bool]]:
    """Return the source of each code cell, and whether it is the parameters cell."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [
        ("".join(cell["source"]), "parameters" in cell["metadata"].get("tags", []))
        for cell in cells
        if cell["cell_type"] == "code"
    ]


@cache
def modules_hash(code: str) -> str:
    """Return the hash of the modules on which the results of a notebook's code depend."""
    digest = hashlib.sha256()
    for module in modules_of(code):
        digest.update(f"{module}\0".encode() + _file(module).read_bytes())
    return digest.hexdigest()


def all_sources() -> dict[str, str]:
    """Return the hash of all modules of the package, and that of the code of all notebooks."""
    package, notebooks = hashlib.sha256(), hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        package.update(f"{name}\0".encode() + path.read_bytes())
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebooks.update(json.dumps([path.name, code_cells(path)]).encode())
    return {"sources of imdbclust": package.hexdigest(), "notebooks": notebooks.hexdigest()}


def modules_of(code: str) -> list[str]:
    """Return the modules that some code imports, directly or through others, sorted.

    Parameters
    ----------
    code : str
        Python code; lines with IPython magics are skipped.
    """
    found: set[str] = set()
    waiting = [f"{PACKAGE.name}.{_EXECUTES}", *_imports(re.sub(r"(?m)^\s*[%!].*", "", code))]
    while waiting:
        module = waiting.pop()
        if module not in found and not _has_no_influence(module):
            found.add(module)
            waiting += _imports_of(module)
    return sorted(found)


def _has_no_influence(module: str) -> bool:
    inside = f"{module.partition('.')[2]}."
    return inside.startswith(tuple(f"{name}." for name in _NO_INFLUENCE))


def _file(module: str) -> Path | None:
    """Return the file of a module of the package; None if there is no such module."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    if module.partition(".")[0] != PACKAGE.name:
        return None
    files = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@cache
def _imports_of(module: str) -> set[str]:
    """Return the modules that a module imports, and the package that it is in."""
    parent = {module.rpartition(".")[0]} - {""}
    return parent | set(_imports(_file(module).read_text(encoding="utf-8")))


def _imports(code: str) -> Iterator[str]:
    """Yield the modules of the package that some code imports."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # the code cannot be executed, either
        return
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and _file(node.module or ""):
            table = _lazy(node.module)
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from _whole(full) if _file(full) else (table.get(alias.name, node.module),)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _whole(alias.name) if _file(alias.name) else ()


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements of a syntax tree, without those for type checkers."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        for child in getattr(node, field, ()):
            if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
                continue
            yield child
            yield from _statements(child)


def _whole(module: str) -> Iterator[str]:
    """Yield a module that is imported itself, with all that it re-exports lazily."""
    yield module
    yield from _lazy(module).values()


@cache
def _lazy(module: str) -> dict[str, str]:
    """Return the names that a package re-exports lazily, each with its module."""
    file = _file(module)
    if file.name != "__init__.py":
        return {}
    found = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            for key, value in ast.literal_eval(node.value).items():
                if _file(str(value)):
                    found[key] = value
    return found
