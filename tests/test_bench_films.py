"""The bench's parts on films: both ways come to the same end, and each step is measured."""

import pytest

from imdbclust.bench import BenchFailed, importing, pandas_importer, recipe, recipe_steps
from imdbclust.bench.timing import Options
from imdbclust.clustering import MOVIE_TO_CLUSTER
from imdbclust.datasets.imdb_dumps import import_dumps
from imdbclust.datasets.made_up.large import LargeSample


@pytest.fixture
def films(tmp_path):
    path = tmp_path / "films.jsonl"
    LargeSample(300, 500).write_corpus(path)
    return path


def timed_into(steps):
    def timed(step, function):
        steps.append(step)
        return function()

    return timed


def test_the_steps_of_the_course_and_ours_give_the_same_table(films, tmp_path):
    tables = []
    for name, run in (("ours", recipe_steps.run_ours), ("course", recipe_steps.run_course)):
        (tmp_path / name).mkdir()
        steps = []
        run(films, tmp_path / name, timed_into(steps))
        assert tuple(steps) == recipe_steps.STEPS
        tables.append((tmp_path / name / MOVIE_TO_CLUSTER).read_bytes())
    assert tables[0] == tables[1]
    assert tables[0].count(b"\n") == 301


def test_the_matrix_of_the_course_is_ours(films):
    from imdbclust.load import read_corpus
    from imdbclust.matrix import build_incidence

    names, _, casts = recipe_steps._read(films)
    ours = build_incidence(read_corpus(films))
    assert list(casts) == ours.movie_ids.tolist()
    assert list(names) == ours.actor_ids.tolist()
    assert (recipe_steps._fill(names, casts).tocsr() != ours.matrix).nnz == 0


def test_pandas_makes_the_same_corpus_of_dumps(tmp_path):
    LargeSample(1_000, 2_000, 8_000).write_dumps(tmp_path / "dumps")
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    import_dumps(tmp_path / "dumps", ours)
    pandas_importer.main(tmp_path / "dumps", theirs)
    importing.check_same(ours, theirs)
    lines = theirs.read_text(encoding="utf-8").splitlines(keepends=True)
    theirs.write_text("".join(lines[1:]), encoding="utf-8")
    with pytest.raises(BenchFailed, match="the two corpora differ in their movies"):
        importing.check_same(ours, theirs)


@pytest.mark.slow
def test_the_part_on_imports_measures_pairs(tmp_path):
    part = importing.measure(Options(runs=1, out=tmp_path), sizes=(500, 900, 3_000))
    (row,) = [comparison.row() for comparison in part.comparisons]
    assert row["pairs"] == 1
    assert row["memory_mb"] > 10
    assert row["seconds"] > 0


@pytest.mark.slow
def test_the_part_on_the_recipe_measures_every_step_at_every_size(tmp_path):
    part = recipe.measure(Options(runs=1, out=tmp_path), sizes=(200, 400))
    rows = [comparison.row() for comparison in part.comparisons]
    assert len(rows) == 2 * (len(recipe.ENDS) + len(recipe_steps.STEPS))
    assert "2.0 times the movies take" in rows[1]["note"]
    whole = [row for row in rows if row["what"].startswith("file to table")]
    assert all(row["memory_mb"] > 10 for row in whole)
