"""Runs: what is refused, what is shared, what a failure leaves, the same bytes twice."""

import contextlib
import html
import inspect
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import SMALL

from imdbclust.base.paths import NOTEBOOKS
from imdbclust.commands import cli
from imdbclust.datasets.find import find_dataset, made_up
from imdbclust.load import Corpus
from imdbclust.running import publish
from imdbclust.running import run as running
from imdbclust.running.execute import DatasetRef, ExecutionOptions, StageFailed, execute_stage
from imdbclust.running.pages.report import render_run
from imdbclust.running.parameters import (
    ALONE,
    ParameterError,
    declared,
    declared_in,
    parse_values,
    presets,
    settings,
)
from imdbclust.running.plan import plan_stages
from imdbclust.running.stages import STAGES
from imdbclust.running.store import RECORD, Store, hashes

PAGES = ["01_load", "02_matrix", "03_reduction", "04_clustering", "05_probabilities"]


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def metrics_of(folder):
    stages = [stage["metrics"] for stage in manifest_of(folder)["stages"]]
    return {name: value for metrics in stages for name, value in metrics.items()}


def small_arguments():
    return [word for name, value in SMALL.items() for word in ("-p", name, str(value))]


# what a run leaves


def test_a_run_leaves_pages_tables_notebooks_and_a_manifest(finished_run):
    manifest = manifest_of(finished_run)
    assert manifest["status"] == "done"
    assert [entry["stage"] for entry in manifest["stages"]] == PAGES
    for page in PAGES:
        assert (finished_run / f"{page}.html").stat().st_size > 10_000
        assert (finished_run / "notebooks" / f"{page}.ipynb").is_file()
    for entry in manifest["stages"]:
        for table in entry["tables"]:
            frame = pd.read_csv(finished_run / "tables" / f"{table['name']}.csv")
            assert len(frame) == table["rows"]


def test_movie_to_cluster_has_every_movie_once(finished_run, films):
    table = pd.read_csv(finished_run / "movie_to_cluster.csv")
    assert list(table.columns) == ["movie_id", "cluster"]
    assert table["movie_id"].tolist() == find_dataset(str(films)).read().movies["movie_id"].tolist()
    assert set(table["cluster"]) <= set(range(SMALL["n_clusters"]))


def test_each_preset_leaves_an_index_that_compares_both(finished_run, recommended_run):
    for folder, other in ((finished_run, "small-recommended"), (recommended_run, "small")):
        index = (folder / "index.html").read_text(encoding="utf-8")
        assert "Comparison with other presets" in index
        assert f'href="../{other}/index.html"' in index
        rows = re.findall(r'<tr><th scope="row" class="wide">(.*?)</th>(.*?)</tr>', index)
        values = {
            label: re.findall(r'<td class="number">(.*?)</td>', cells) for label, cells in rows
        }
        agreement = values["agreement between random subsamples (ARI)"]
        metrics = [metrics_of(run)["ari_subsamples"] for run in (recommended_run, finished_run)]
        assert [float(value) for value in agreement] == pytest.approx(metrics, abs=5e-5)


def test_runs_of_other_films_or_parameters_are_not_compared(finished_run, recommended_run):
    mine, other = manifest_of(finished_run), manifest_of(recommended_run)
    folder, written = recommended_run, recommended_run / "manifest.json"
    before = written.read_text(encoding="utf-8")
    try:
        assert [one["name"] for one in publish._siblings(finished_run, mine)] == [folder.name]
        for change in (
            {"dataset": other["dataset"] | {"sha256": "0" * 64}},
            {"given": other["given"] | {"n_clusters": 7}},
            {"status": "failed"},
            {"preset": mine["preset"]},
        ):
            written.write_text(json.dumps(other | change), encoding="utf-8")
            assert publish._siblings(finished_run, mine) == []
        written.write_text("no json", encoding="utf-8")
        assert publish._siblings(finished_run, mine) == []
    finally:
        written.write_text(before, encoding="utf-8")


def test_unplaced_movies_are_a_group_of_their_own(recommended_run, films):
    clusters = pd.read_csv(recommended_run / "movie_to_cluster.csv")["cluster"]
    corpus = find_dataset(str(films)).read()
    unplaced = clusters == -1
    assert unplaced[corpus.cast_sizes() == 0].all()
    assert set(clusters[~unplaced]) == set(range(SMALL["n_clusters"]))
    prior = pd.read_csv(recommended_run / "tables" / "p_cluster.csv").set_index("cluster")
    assert prior["movies"].sum() == corpus.n_movies
    assert prior["movies"][-1] == unplaced.sum()
    assert prior["p_cluster"].sum() == pytest.approx(1, abs=1e-9)
    assert "unplaced" in (recommended_run / "05_probabilities.html").read_text(encoding="utf-8")


def test_the_run_says_how_stable_its_clusters_are_and_what_the_era_explains(recommended_run):
    stages = manifest_of(recommended_run)["stages"]
    said = [text for kind in ("headlines", "findings") for text in stages[3][kind]]
    index = (recommended_run / "index.html").read_text(encoding="utf-8")
    assert "The era explains" in index
    assert said[0].startswith("The median year of the clusters runs from")
    assert said[0] in index.partition("Step by step</h2>")[0]
    for text in said:
        assert html.escape(text, quote=False) in index.replace("&#39;", "'")
    metrics = metrics_of(recommended_run)
    assert metrics["genre_bits_of_era"] < metrics["genre_bits"]
    assert 0.9 < metrics["coverage_randomised"] < 1


def test_without_evaluation_the_run_says_so(films, finished_run):
    folder = running.run(
        dataset=str(films),
        parameters=SMALL | {"evaluation": "off"},
        name="small-off",
        out=finished_run.parent,
    )
    assert "not evaluated" in (folder / "index.html").read_text(encoding="utf-8")
    assert "ari_subsamples" not in metrics_of(folder)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"n_clusters": 295, "algorithm": "KMeans", "weighting": "degree"}, "movies to cluster"),
        ({"algorithm": "kmeans"}, "algorithm must be one of"),
        ({"evaluation": "thorough"}, "evaluation must be one of"),
        ({"regularization": -0.5}, "regularization must be at least 0"),
        ({"prior": 0.0}, "prior must be 0.001 to 1000"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_anything_starts(
    given, sentence, films, tmp_path
):
    with pytest.raises(ParameterError, match=sentence):
        running.run(dataset=str(films), parameters=given, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_written_probabilities_are_consistent(finished_run):
    tables = finished_run / "tables"
    prior = pd.read_csv(tables / "p_cluster.csv").set_index("cluster")["p_cluster"]
    likelihood = pd.read_csv(tables / "p_genre_given_cluster.csv").set_index("genre")
    posterior = pd.read_csv(tables / "p_cluster_given_genre.csv").set_index("genre")
    genre = pd.read_csv(tables / "p_genre.csv").set_index("genre")["p_genre"]
    likelihood.columns = likelihood.columns.astype(int)
    total = likelihood.mul(prior, axis=1).sum(axis=1)
    assert prior.sum() == pytest.approx(1, abs=1e-10)
    assert (posterior.sum(axis=1) - 1).abs().max() < 1e-10
    assert (total - genre[total.index]).abs().max() < 1e-10


def test_nothing_of_this_machine_is_in_a_run(finished_run, films):
    for path in finished_run.rglob("*"):
        if path.is_file() and path.suffix in (".html", ".json", ".ipynb", ".csv"):
            text = path.read_text(encoding="utf-8")
            assert str(films.parent) not in text, path
            assert str(finished_run.parent) not in text, path


def test_the_same_run_elsewhere_gives_the_same_csv_bytes(finished_run, films, tmp_path):
    again = running.run(
        dataset=str(films), preset="seed", parameters=SMALL, name="again", out=tmp_path
    )
    names = sorted(path.relative_to(again) for path in again.rglob("*.csv"))
    assert len(names) > 30
    assert names == sorted(path.relative_to(finished_run) for path in finished_run.rglob("*.csv"))
    for name in names:
        assert (again / name).read_bytes() == (finished_run / name).read_bytes(), name
    assert manifest_of(again)["stages"][0]["reused"] is False


def test_the_same_run_again_computes_nothing(finished_run, films):
    out = finished_run.parent
    again = running.run(
        dataset=str(films), preset="seed", parameters=SMALL, name="once-more", out=out
    )
    assert all(entry["reused"] for entry in manifest_of(again)["stages"])
    assert not [path for path in out.rglob(".*") if path.name.startswith(".")]


def test_another_number_of_clusters_shares_the_stages_before(films):
    dataset = find_dataset(str(films))
    one = plan_stages(settings("seed", {"n_clusters": 6}), dataset)
    other = plan_stages(settings("seed", {"n_clusters": 7}), dataset)
    same = [a.key == b.key for a, b in zip(one, other, strict=True)]
    assert same == [True, True, True, False, False]


def test_made_up_films_are_announced_with_the_reason(finished_run, tmp_path, monkeypatch, capsys):
    dataset = made_up(why="No real films are available: no connection")
    monkeypatch.setattr(running, "find_dataset", lambda _: dataset)
    monkeypatch.setattr(running, "films_of", lambda *_: None)
    monkeypatch.setattr(running, "check_possible", lambda *_: None)
    monkeypatch.setattr(running, "execute_locally", lambda *_: None)
    monkeypatch.setattr(running, "publish", lambda folder, *_, **__: folder)
    running.run(out=tmp_path, name="none", options=ExecutionOptions(engine="plain"))
    assert "ARE MADE UP. No real films are available" in capsys.readouterr().err
    manifest = manifest_of(finished_run) | {"dataset": dataset.describe()}
    folder = tmp_path / "run"
    folder.mkdir()
    render_run(folder, manifest)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "No real films are available: no connection" in page
    values = settings("seed", {})
    assert plan_stages(values, dataset) == plan_stages(values, find_dataset("sample"))


def test_keys_follow_the_films_not_their_place(films, tmp_path):
    copy = tmp_path / films.name
    shutil.copyfile(films, copy)
    values = settings("seed", {})
    assert plan_stages(values, find_dataset(str(films))) == plan_stages(
        values, find_dataset(str(copy))
    )
    copy.write_bytes(copy.read_bytes() + b"\n")
    assert (
        plan_stages(values, find_dataset(str(films)))[0].key
        != plan_stages(values, find_dataset(str(copy)))[0].key
    )


# text cells


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """A copy of the notebooks, in which they may be edited."""
    from imdbclust.running import parameters, stages

    folder = shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    monkeypatch.setattr(stages, "NOTEBOOKS", folder)
    monkeypatch.setattr(parameters, "NOTEBOOKS", folder)
    stages.notebook_of.cache_clear()
    yield folder
    stages.notebook_of.cache_clear()


def edit(path, change):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook["cells"])
    path.write_text(json.dumps(notebook), encoding="utf-8")


def test_an_edited_text_cell_is_published_and_no_stage_is_executed(finished_run, films, notebooks):
    def change(cells):
        texts = [cell for cell in cells if cell["cell_type"] == "markdown"]
        texts[1]["source"] = ["## A heading of today\n", "\n", "And a *new* sentence."]
        added = {"cell_type": "markdown", "id": "added", "metadata": {}, "source": "One more cell."}
        cells.insert(cells.index(texts[2]), added)

    edit(notebooks / "04_clustering.ipynb", change)
    own = {"preset": "seed", "parameters": SMALL, "name": "reworded"}
    folder = running.run(dataset=str(films), **own, out=finished_run.parent)
    assert all(entry["reused"] for entry in manifest_of(folder)["stages"])
    page = (folder / "04_clustering.html").read_text(encoding="utf-8")
    assert "A heading of today" in page
    assert "And a <em>new</em> sentence." in page
    assert "One more cell." in page
    cells = json.loads((folder / "notebooks" / "04_clustering.ipynb").read_text())["cells"]
    before = finished_run / "notebooks" / "04_clustering.ipynb"
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    executed = json.loads(before.read_text(encoding="utf-8"))["cells"]
    assert code == [cell for cell in executed if cell["cell_type"] == "code"]
    tags = [cell["metadata"].get("tags", []) for cell in cells]
    assert tags.index(["injected-parameters"]) == tags.index(["parameters"]) + 1
    source = json.loads((notebooks / "04_clustering.ipynb").read_text())["cells"]
    assert [cell for cell in cells if cell["cell_type"] == "markdown"] == [
        cell for cell in source if cell["cell_type"] == "markdown"
    ]


def test_text_is_merged_around_the_cells_that_papermill_added():
    def cell(kind, name, *tags):
        return {"cell_type": kind, "id": name, "source": name, "metadata": {"tags": list(tags)}}

    source = [cell("markdown", "new title"), cell("code", "a", "parameters")]
    source += [cell("markdown", "new text"), cell("code", "b")]
    executed = [
        cell("markdown", "mark", "papermill-error-cell-tag"),
        cell("markdown", "old title"),
        cell("code", "a", "parameters"),
        cell("code", "given", "injected-parameters"),
        cell("markdown", "old text"),
        cell("markdown", "error", "papermill-error-cell-tag"),
        cell("code", "b"),
    ]
    merged = [one["id"] for one in publish.with_current_text(executed, source)]
    assert merged == ["new title", "mark", "a", "given", "new text", "error", "b"]
    assert publish.with_current_text(executed[:-1], source) == executed[:-1]


# what is kept is believed only while its hashes hold


@pytest.fixture
def stored(finished_run, films, tmp_path):
    """The store of the finished run, copied, and its plan."""
    shutil.copytree(finished_run.parent / "stages", tmp_path / "stages")
    return Store(tmp_path), plan_stages(settings("seed", SMALL), find_dataset(str(films)))


def test_a_flipped_byte_is_noticed(stored):
    store, planned = stored
    victim = store.path(planned[3]) / "artifact" / "movie_to_cluster.csv"
    content = bytearray(victim.read_bytes())
    content[-2] ^= 1
    victim.write_bytes(content)
    assert store.record(planned[3]) is None
    assert store.record(planned[2]) is not None


@pytest.mark.parametrize("harm", ["truncate", "remove", "add", "no record", "bad record"])
def test_any_other_harm_is_noticed(stored, harm):
    store, planned = stored
    folder = store.path(planned[0])
    movies = folder / "artifact" / "movies.parquet"
    if harm == "truncate":
        movies.write_bytes(movies.read_bytes()[:-1])
    elif harm == "remove":
        movies.unlink()
    elif harm == "add":
        (folder / "extra").touch()
    elif harm == "no record":
        (folder / RECORD).unlink()
    else:
        (folder / RECORD).write_text("{")
    assert store.record(planned[0]) is None


def test_a_damaged_stage_is_replaced_when_published(stored):
    store, planned = stored
    folder = store.path(planned[0])
    kept = json.loads((folder / RECORD).read_text())
    before = sorted(store.folder.iterdir())
    (folder / "notebook.ipynb").unlink()
    with store.attempt(planned[0]) as attempt:
        (attempt / "notebook.ipynb").write_text("{}")
        store.publish(attempt, planned[0], {"stage": kept["stage"]})
    assert store.record(planned[0])["files"] == hashes(folder)
    assert sorted(store.folder.iterdir()) == before


def test_an_attempt_that_fails_leaves_nothing(stored):
    store, planned = stored
    before = sorted(store.folder.iterdir())
    with pytest.raises(ZeroDivisionError), store.attempt(planned[0]):
        raise ZeroDivisionError
    assert sorted(store.folder.iterdir()) == before


# parameters


def test_parameters_are_read_from_the_notebooks():
    clusters = declared()["n_clusters"]
    assert (clusters.type, clusters.default, clusters.low) == (int, 16, 1)
    assert declared()["random_state"].stages == (
        "03_reduction",
        "04_clustering",
        "05_probabilities",
    )
    assert declared()["on_problem"].choices == ("stop", "skip")


def test_the_seed_preset_is_the_recipe_of_the_course():
    values = settings("seed", {})
    recipe = {
        "n_components": 32,
        "n_clusters": 16,
        "n_init": 128,
        "max_iter": 2048,
        "tol": 0.5,
        "reassignment_ratio": 0.5,
        "random_state": 31337,
    }
    assert {name: values[name] for name in recipe} == recipe
    assert "seed" in presets()


@pytest.mark.parametrize(
    ("name", "text", "pattern"),
    [
        ("n_cluster", "8", "did you mean n_clusters"),
        ("from_run", "x", "unknown parameter"),
        ("n_clusters", "eight", "whole number, not 'eight'"),
        ("n_clusters", "8.0", "whole number"),
        ("n_clusters", "1_000", "whole number"),
        ("n_clusters", "٨", "whole number"),
        ("n_clusters", "0", "at least 1, not 0"),
        ("n_clusters", "-3", "at least 1, not -3"),
        ("tol", "nan", "a number"),
        ("tol", "inf", "a number"),
        ("random_state", "4294967296", "0 to 4294967295, not"),
        ("on_problem", "ignore", "one of stop, skip"),
        ("target_genre", "x" * 5000, "must be at most 4,000 characters"),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(name, text, pattern):
    with pytest.raises(ParameterError, match=pattern):
        parse_values([(name, text)])


def test_a_parameter_given_twice_is_refused():
    with pytest.raises(ParameterError, match="twice"):
        parse_values([("tol", "1"), ("tol", "2")])


def test_a_whole_number_will_do_for_a_number_but_not_true_for_one():
    assert declared()["tol"].check(1) == 1.0
    with pytest.raises(ParameterError):
        declared()["n_clusters"].check(True)


def test_a_declaration_without_a_type_is_refused(tmp_path):
    cell = {"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "outputs": []}
    cell |= {"execution_count": None, "source": "k = 3  # number"}
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "01_bad.ipynb"
    path.write_text(json.dumps(notebook))
    with pytest.raises(ParameterError, match=r"01_bad.ipynb: k needs one of the types"):
        declared_in(path)


# refused before any kernel starts


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (
            ["--preset", "seed", "-p", "n_clusters", "301"],
            "n_clusters = 301 is impossible: there are 300 movies",
        ),
        (["-p", "n_components", "241"], "n_components = 241 is impossible"),
        (["-p", "n_clutsers", "3"], "did you mean n_clusters?"),
        (["-p", "target_genre", "Space Opera"], "no movie has the genre 'Space Opera'"),
        (["-p", "target_actor", "Nobody Atall"], "no actor has the id or the name"),
        (["--preset", "best"], "unknown preset 'best'; choose seed or recommended or nested"),
        (["--name", "../up"], "cannot be the name of a run"),
        (["--name", "stages"], "cannot be the name of a run"),
        (["--name", "CON"], "cannot be the name of a run"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(
    arguments, pattern, films, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(running, "execute_once", None)
    call = ["run", "--dataset", str(films), "--out", str(tmp_path / "reports"), *arguments]
    assert cli.main(call) == cli.WRONG
    message = capsys.readouterr().err
    assert pattern in message
    assert len(message.splitlines()) == 1
    assert not (tmp_path / "reports").exists()


def test_films_with_bad_records_are_refused_with_file_line_and_field(films, tmp_path, capsys):
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(films.read_bytes() + b'{"imdb_id": "x", "title": 5}\nnot json\n')
    assert cli.main(["run", "--dataset", str(bad), "--out", str(tmp_path / "r")]) == cli.WRONG
    message = capsys.readouterr().err
    assert "bad.jsonl:301: genres: missing" in message
    assert "bad.jsonl:302: not a JSON object" in message


def test_a_run_takes_the_recommended_preset_unless_told_otherwise(films, capsys, monkeypatch):
    assert inspect.signature(running.run).parameters["preset"].default == "recommended"
    given = []
    monkeypatch.setattr(running, "run", lambda **call: given.append(call) or Path("reports/x"))
    monkeypatch.setattr("imdbclust.commands.common.finished", lambda *_: None)
    for preset in ([], ["--preset", "seed"]):
        assert cli.main(["run", "--dataset", str(films), *preset]) == cli.DONE
    assert [call["preset"] for call in given] == ["recommended", "seed"]
    defaults = {name: one.default for name, one in declared().items() if name not in ALONE}
    assert settings("seed", {}) == defaults


def test_names_of_a_file_become_a_parameter_and_are_checked_first(films, tmp_path, capsys):
    path, call = tmp_path / "names.csv", ["run", "--dataset", str(films), "--out", str(tmp_path)]
    path.write_text("cluster,name\n16,Noir\n")
    assert cli.main([*call, "--names", str(path)]) == cli.WRONG
    assert "names: unknown cluster '16'" in capsys.readouterr().err
    assert cli.main([*call, "--names", str(path), "-p", "names", "{}"]) == cli.WRONG
    assert "names is given twice" in capsys.readouterr().err
    assert cli.main([*call, "--names", str(tmp_path / "none.csv")]) == cli.WRONG
    assert "cannot be read" in capsys.readouterr().err


def test_names_of_ones_own_are_on_all_pages_and_change_nothing_else(finished_run, films, tmp_path):
    own = {"names": '{"2": "Gangsters & co."}', "preset": "seed", "name": "named"}
    few = SMALL | {"evaluation": "off", "names": own.pop("names")}
    folder = running.run(dataset=str(films), parameters=few, out=finished_run.parent, **own)
    for page in ("04_clustering.html", "05_probabilities.html"):
        assert "#2 Gangsters &amp; co." in (folder / page).read_text(encoding="utf-8")
    named = pd.read_csv(folder / "tables" / "cluster_profiles.csv").set_index("cluster")
    before = pd.read_csv(finished_run / "tables" / "cluster_profiles.csv").set_index("cluster")
    assert named.loc[2, "name"] == "Gangsters & co."
    assert named["name"].drop(2).equals(before["name"].drop(2))
    csv = "movie_to_cluster.csv"
    assert (folder / csv).read_bytes() == (finished_run / csv).read_bytes()


def test_a_tiny_corpus_without_years_ratings_and_some_casts_goes_through(tmp_path):
    path = tmp_path / "tiny.jsonl"
    casts = [["a", "b"], ["a", "b"], ["b", "c"], ["c"], [], ["d"]]
    records = [
        {"imdb_id": f"m{n}", "title": "<b>Ca$h $$</b>", "genres": ["War"] * (n % 2)}
        | {"actors": [[actor, "=1+1"] for actor in cast]}
        for n, cast in enumerate(casts)
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    few = {"n_clusters": 2, "n_components": 2, "n_init": 2}
    folder = running.run(dataset=str(path), parameters=few, name="tiny", out=tmp_path)
    assert manifest_of(folder)["status"] == "done"
    for page in PAGES:
        assert "<b>Ca$h" not in (folder / f"{page}.html").read_text(encoding="utf-8")


def test_an_unknown_dataset_is_refused(tmp_path, capsys):
    assert cli.main(["run", "--dataset", "netflix", "--out", str(tmp_path)]) == cli.WRONG
    assert "datasets are auto, imdb, wikipedia, sample" in capsys.readouterr().err


# failure tells the truth


@pytest.fixture
def broken_clustering(monkeypatch, tmp_path):
    """The clustering notebook with a cell in its midst replaced by some code."""
    from imdbclust.running import execute, plan, stages

    original = stages.notebook_of

    def put(code):
        notebook = json.loads(original("clustering").read_text(encoding="utf-8"))
        victim = next(cell for cell in notebook["cells"] if cell["id"] == "check")
        victim["source"] = code
        path = tmp_path / "04_clustering.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")

        def notebook_of(stage):
            return path if stage == "clustering" else original(stage)

        for module in (stages, plan, execute):
            monkeypatch.setattr(module, "notebook_of", notebook_of)
        return path

    return put


@pytest.fixture
def out(finished_run, tmp_path):
    """A folder for reports that already has the stages of the finished run."""
    shutil.copytree(finished_run.parent / "stages", tmp_path / "out" / "stages")
    return tmp_path / "out"


def test_a_failing_cell_fails_the_run_and_leaves_the_annotated_notebook(
    broken_clustering, films, out, capsys
):
    broken_clustering("1 / 0")
    call = ["run", "--dataset", str(films), "--out", str(out), "--name", "bad"]
    assert cli.main([*call, *small_arguments()]) == cli.FAILED
    assert "04_clustering: ZeroDivisionError: division by zero" in capsys.readouterr().err
    manifest = manifest_of(out / "bad")
    assert manifest["status"] == "failed"
    assert manifest["error"]["cell"] == "check"
    states = [entry["status"] for entry in manifest["stages"]]
    assert states == ["done", "done", "done", "failed", "pending"]
    notebook = json.loads((out / "bad" / "notebooks" / "04_clustering.ipynb").read_text())
    of_cells = {cell.get("id"): cell["metadata"].get("papermill", {}) for cell in notebook["cells"]}
    assert of_cells["cluster"]["status"] == "completed"
    assert of_cells["check"]["status"] == "failed"
    assert of_cells["finish"]["status"] == "pending"
    assert 'id="error"' in (out / "bad" / "04_clustering.html").read_text(encoding="utf-8")
    assert not (out / "bad" / "05_probabilities.html").exists()


@pytest.mark.parametrize(
    ("code", "pattern"),
    [
        ("import os; os._exit(0)", "DeadKernelError"),
        ("import os; os.kill(os.getpid(), 9)", "DeadKernelError.*killed, possibly out of mem"),
        ("import os; os.write(2, b'no more\\n'); os._exit(3)", "its last output: no more"),
        ("raise SystemExit(0)", "without finishing"),
        ("n_clusters = 99; stage.parameters['n_clusters'] = 99", "."),
    ],
    ids=["exit", "kill", "last words", "SystemExit", "other parameters"],
)
def test_what_papermill_would_call_completed_is_not_published(
    code, pattern, broken_clustering, films, finished_run, tmp_path
):
    broken_clustering(code)
    dataset = find_dataset(str(films))
    planned = plan_stages(settings("seed", SMALL), dataset)
    store, there = Store(tmp_path), Store(finished_run.parent)
    inputs = {stage.stage: there.path(stage) for stage in planned[:3]}
    with pytest.raises(StageFailed, match=pattern) as failure:
        execute_stage(planned[3], store=store, inputs=inputs, films=DatasetRef.of(dataset))
    assert failure.value.error["stage"] == "04_clustering"
    assert list(store.folder.iterdir()) == []


def test_interruption_keeps_what_is_finished(films, tmp_path, monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "execute_once", interrupt)
    call = ["run", "--dataset", str(films), "--out", str(tmp_path), *small_arguments()]
    assert cli.main(call) == cli.INTERRUPTED
    assert "repeat the command to continue" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_notebook_leaves_no_trace_but_finished_stages(
    signal_number, films, finished_run, tmp_path
):
    out = tmp_path / "out"
    shutil.copytree(
        finished_run.parent / "stages", out / "stages", ignore=shutil.ignore_patterns("0[45]_*")
    )
    before = sorted(path.name for path in (out / "stages").iterdir())
    command = [sys.executable, "-m", "imdbclust", "run", "--dataset", str(films)]
    process = subprocess.Popen(
        [*command, "--out", str(out), *small_arguments()], stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: kernels_of(out))
    time.sleep(1.5)
    process.send_signal(signal_number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("imdbclust: interrupted")
    wait_for(lambda: not kernels_of(out))
    assert sorted(path.name for path in (out / "stages").iterdir()) == before
    assert [path.name for path in out.iterdir()] == ["stages"]


def kernels_of(out):
    """Return the processes that work in a folder below this one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(out):
                found.append(process.name)
    return found


def wait_for(happens, seconds=60):
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


# the command line


def test_help_lists_every_parameter_with_its_help(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name, parameter in declared().items():
        if name not in ("from_run", "preset", "dataset"):
            assert f"{name}: " in text
            assert parameter.help in " ".join(text.split())


def test_sample_writes_a_corpus_that_reads_back(tmp_path, capsys):
    path = tmp_path / "s.jsonl.gz"
    assert cli.main(["sample", "--to", str(path), "--movies", "50", "--actors", "40"]) == cli.DONE
    corpus = find_dataset(str(path)).read()
    assert (corpus.n_movies, corpus.n_actors) == (50, 40)


def test_sample_refuses_what_cannot_be(tmp_path, capsys):
    assert cli.main(["sample", "--to", str(tmp_path / "x"), "--movies", "0"]) == cli.WRONG
    assert cli.main(["sample", "--to", str(tmp_path / "no" / "x.jsonl")]) == cli.FAILED


@pytest.mark.parametrize("evaluation", ["off", pytest.param("quick", marks=pytest.mark.slow)])
def test_the_real_films_go_through_the_whole_run(real_films, tmp_path, evaluation):
    options = {"parameters": {"evaluation": evaluation}, "name": "wiki", "out": tmp_path}
    folder = running.run(dataset=real_films, **options)
    manifest = manifest_of(folder)
    assert manifest["status"] == "done"
    assert manifest["stages"][0]["metrics"]["n_movies"] == 36_115
    assert all((folder / f"{page}.html").stat().st_size < 2_000_000 for page in PAGES)
    corpus = Corpus.load(next((tmp_path / "stages").glob("01_load-*")) / "artifact")
    assert len(pd.read_csv(folder / "movie_to_cluster.csv")) == corpus.n_movies
    assert len(STAGES) == len(manifest["stages"])


def test_the_commit_is_that_of_this_project_alone(tmp_path, monkeypatch):
    from imdbclust.running.publish import commit

    def git(*words, cwd):
        who = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *words], cwd=cwd, capture_output=True, check=True)
        return done.stdout.decode().strip()

    nothing = {"commit": None, "dirty": None}
    project = tmp_path / "theirs" / "project"
    (project / "imdbclust").mkdir(parents=True)
    (project / "imdbclust" / "__init__.py").touch()
    assert commit(project) == nothing
    git("init", "-q", cwd=project.parent)
    assert commit(project) == nothing  # in another repository that has no commit
    git("add", ".", cwd=project.parent)
    git("commit", "-qm", "Keep a copy", cwd=project.parent)
    assert commit(project) == nothing  # another repository has a copy
    git("init", "-q", cwd=project)
    assert commit(project) == nothing
    git("add", ".", cwd=project)
    git("commit", "-qm", "Begin", cwd=project)
    ours = {"commit": git("rev-parse", "HEAD", cwd=project), "dirty": False}
    monkeypatch.setenv("GIT_DIR", str(project.parent / ".git"))  # as in a hook of another one
    assert commit(project) == ours
    (project / "new\udcff.txt").touch()
    assert commit(project) == ours | {"dirty": True}


def test_kernels_load_their_libraries_while_the_first_run_finds_its_films(monkeypatch, tmp_path):
    from imdbclust.commands import cli
    from imdbclust.running.kernels import warm

    started = []
    monkeypatch.setattr(warm, "start_early", lambda: started.append(True))
    monkeypatch.setenv("IMDBCLUST_ENGINE", "auto")
    words = ["run", "--out", str(tmp_path), "-p", "n_clusters=none"]
    for expected in (1, 1):  # the second time there are finished stages, which may be enough
        assert cli.main(words) == 2
        assert len(started) == expected
        (tmp_path / "stages").mkdir(exist_ok=True)
