"""The sources on which a notebook's results depend, found from the imports."""

import ast

import pytest

from imdbclust.base.paths import NOTEBOOKS
from imdbclust.running import sources
from imdbclust.running.sources import all_sources, modules_of
from imdbclust.running.stages import STAGES, notebook_of

STAGE_MODULES = {f"imdbclust.{stage}" for stage in STAGES}


def modules_of_notebook(path):
    return set(modules_of("\n".join(source for source, _ in sources.code_cells(path))))


def imports_in_tree(node):
    """Yield what a whole syntax tree imports, except for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            prefix = f"{child.module}." if isinstance(child, ast.ImportFrom) else ""
            for alias in child.names:
                yield from sources._modules(f"{prefix}{alias.name}")
        yield from imports_in_tree(child)


def test_no_import_of_any_module_or_notebook_is_missed():
    codes = [path.read_text(encoding="utf-8") for path in sources.PACKAGE.rglob("*.py")]
    for path in NOTEBOOKS.glob("*.ipynb"):
        codes += [source for source, _ in sources.code_cells(path)]
    for code in codes:
        assert set(sources._imports(code)) == set(imports_in_tree(ast.parse(code)))


@pytest.mark.parametrize("stage", ["load", "matrix", "reduction"])
def test_a_stage_depends_on_its_own_module_and_those_before(stage):
    expected = {f"imdbclust.{one}" for one in STAGES[: STAGES.index(stage) + 1]}
    assert modules_of_notebook(notebook_of(stage)) & STAGE_MODULES == expected


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_what_executes_and_what_reads_films_counts_for_all_and_pages_and_commands_for_none(path):
    found = modules_of_notebook(path)
    assert {"imdbclust", "imdbclust.load", "imdbclust.films.problems"} <= found
    assert {"imdbclust.running.execute", "imdbclust.running.notebook"} <= found
    room = {".".join(module.split(".")[1:3]) for module in found}
    assert not room & {"running.pages", "running.alone", "running.sweep", "running.run"}
    assert not {module.split(".")[1] for module in found if "." in module} & {"commands", "bench"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of which each file may be written."""
    monkeypatch.setattr(sources, "PACKAGE", tmp_path / "small")
    files = {
        "__init__.py": '_LAZY = {"fit": "small.a.deep"}\n',
        "a/__init__.py": '"""Text\n\nfrom small import c\n"""\n',
        "a/deep.py": "def fit():\n    from small.b import (\n        name,\n    )\n",
        "b.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from small import c\n",
        "c.py": "import small\n",
        "running/__init__.py": "",
        "running/execute.py": "",
        "running/pages/__init__.py": "import small.c\n",
    }
    for name, text in files.items():
        (tmp_path / "small" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "small" / name).write_text(text, encoding="utf-8")
    caches = (sources.modules_hash, sources._imports_of, sources._file, sources._lazy)
    for one in caches:
        one.cache_clear()
    yield tmp_path / "small"
    for one in caches:
        one.cache_clear()


ALWAYS = {"small", "small.running", "small.running.execute"}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import numpy", set()),
        ("from small import fit", {"small.a", "small.a.deep", "small.b"}),
        ("import small", {"small.a", "small.a.deep", "small.b"}),
        ("from small import a", {"small.a"}),
        ("from small.b import name", {"small.b"}),
        ("import small.c", {"small.a", "small.a.deep", "small.b", "small.c"}),
        ("if True:\n    import small.b as b", {"small.b"}),
        ("import small.running.pages", set()),
        ("%matplotlib inline\nfrom small import b", {"small.b"}),
        ("from small import b if", set()),
        ("", set()),
    ],
)
def test_imports_are_followed_lazy_ones_too_but_not_those_for_type_checkers(code, found, package):
    assert set(modules_of(code)) == ALWAYS | found


def test_an_edit_changes_the_hash_of_what_imports_it_and_of_all_sources(package):
    before = sources.modules_hash("from small import b"), all_sources()["sources of imdbclust"]
    sources.modules_hash.cache_clear()
    (package / "c.py").write_text("# edited\n")
    assert sources.modules_hash("from small import b") == before[0]
    assert all_sources()["sources of imdbclust"] != before[1]
    sources.modules_hash.cache_clear()
    (package / "b.py").write_text("# edited\n")
    assert sources.modules_hash("from small import b") != before[0]


def test_text_cells_and_ids_do_not_count(tmp_path):
    path = tmp_path / "a.ipynb"
    text = notebook_of("load").read_text(encoding="utf-8")
    path.write_text(text.replace('"id": "', '"id": "x').replace("# Which", "# What"))
    assert sources.code_cells(path) == sources.code_cells(notebook_of("load"))
    assert sum("parameters" in tags for _, tags in sources.code_cells(path)) == 1
