"""The sources on which a notebook's results depend: its code cells and the modules they import.

Modules are found from imports, at the top of a module and in functions, except those for type
checkers. Names that an ``__init__.py`` re-exports lazily, by a table, lead to their modules.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from imdbclust.base.disk import cached_by_file
from imdbclust.base.paths import NOTEBOOKS

PACKAGE = Path(__file__).resolve().parent.parent

_NO_INFLUENCE = re.compile(r"\w+\.(running\.pages|running\.alone|commands|bench)(\.|$)")
"""Rooms and modules that show results or start executions, but never change a result."""

_SKIPPED = re.compile(
    r'"""[\s\S]*?"""|^(?P<indent> *)if TYPE_CHECKING:\n(?:(?P=indent) +.*\n|\n)+', re.MULTILINE
)
"""Docstrings, and imports for type checkers."""

_IMPORT = re.compile(r"^[ \t]*((?:from|import) (?:[^(\n]*\([^)]*\)|.*))", re.MULTILINE)


@cached_by_file
def code_cells(notebook: Path) -> list[tuple[str, list[str]]]:
    """Return the source of each code cell, and its tags."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [
        ("".join(cell["source"]), cell["metadata"].get("tags", []))
        for cell in cells
        if cell["cell_type"] == "code"
    ]


@cache
def modules_hash(code: str) -> str:
    """Return the hash of the modules on which the results of a notebook's code depend."""
    return _hash(map(_file, modules_of(code)))


def all_sources() -> dict[str, str]:
    """Return the hash of all modules of the package, and that of the code of all notebooks."""
    code = {path.name: code_cells(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    digest = hashlib.sha256(json.dumps(code).encode()).hexdigest()
    return {"sources of imdbclust": _hash(sorted(PACKAGE.rglob("*.py"))), "notebooks": digest}


def _hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def modules_of(code: str) -> list[str]:
    """Return the modules of the package that some code imports, directly or through others."""
    found: set[str] = set()
    waiting = {f"{PACKAGE.name}.running.execute", *_imports(code)}  # it executes all notebooks
    while waiting := {module for module in waiting - found if not _NO_INFLUENCE.match(module)}:
        found |= waiting
        waiting = set().union(*map(_imports_of, waiting))
    return sorted(found)


@cache
def _imports_of(module: str) -> set[str]:
    """Return the modules that a module imports, and the package that it is in."""
    parent = {module.rpartition(".")[0]} - {""}
    return parent | set(_imports(_file(module).read_text(encoding="utf-8")))


def _imports(code: str) -> Iterator[str]:
    """Yield the modules of the package that some code imports.

    Only the import statements are parsed: parsing everything takes five times as long.
    """
    for statement in _IMPORT.findall(_SKIPPED.sub("", code)):
        with suppress(SyntaxError):  # code that cannot be executed, either
            for node in ast.parse(statement).body:
                prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for alias in getattr(node, "names", ()):
                    yield from _modules(f"{prefix}{alias.name}")


def _modules(name: str) -> Iterator[str]:
    """Yield the modules that importing a module, or a name from a module, executes."""
    module, _, attribute = name.rpartition(".")
    if _file(name):
        yield name
        yield from _lazy(name).values()
    elif module and _file(module):
        yield _lazy(module).get(attribute, module)


@cache
def _file(module: str) -> Path | None:
    """Return the file of a module of the package; None if it does not exist."""
    package, *parts = module.split(".")
    path = PACKAGE.joinpath(*parts)
    files = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in files if package == PACKAGE.name and file.is_file()), None)


@cache
def _lazy(module: str) -> dict[str, str]:
    """Return the names that a package re-exports lazily, each with its module."""
    tables = {}
    if _file(module).name == "__init__.py":
        for node in ast.parse(_file(module).read_text(encoding="utf-8")).body:
            if isinstance(getattr(node, "value", None), ast.Dict):
                tables |= ast.literal_eval(node.value)
    return {name: where for name, where in tables.items() if _file(str(where))}
