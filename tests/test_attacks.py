"""Damaged files, odd values and closed streams end in a sentence, never in a traceback."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SMALL
from imdb_files import person, principal, put, title

from imdbclust.base.paths import NOTEBOOKS
from imdbclust.commands import cli
from imdbclust.datasets.imdb_tables import BASICS, NAMES, PRINCIPALS, RATINGS
from imdbclust.running import parameters
from imdbclust.running.parameters import COURSE_PRESET, DEFAULT_PRESET

VALUES = [word for name, value in SMALL.items() for word in ("-p", name, str(value))]

CELLS = {
    "bytes as title": {"title": pa.array([b"\xff\xfe", b"B"], pa.binary())},
    "bytes as actor": {"actor": pa.array([[b"\xff"], [b"Z"]], pa.list_(pa.binary()))},
    "infinite years": {"year": pa.array([float("inf"), 1e300])},
    "infinite ratings": {"rating": pa.array([float("-inf"), 1e300])},
    "votes": {"votes": pa.array([float("nan"), 1e300])},
    "ids": {"movie_id": pa.array([1e300, float("inf")])},
    "numbers as genres": {"genres": pa.array([[1, 2], [3]])},
    "nested genres": {"genres": pa.array([[["a"]], [["b"]]])},
    "records as genres": {"genres": pa.array([{"x": 1}, {"x": 2}])},
    "decimal years": {"year": pa.array([10**30, 5], pa.decimal128(38, 0))},
    "times": {"year": pa.array([2**62, 5], pa.timestamp("us"))},
}


@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS)
def test_cells_of_parquet_are_read_or_refused(cells, tmp_path, capsys):
    usual = {"title": ["A", "B"], "actor": ["X Y", "Z W"]}
    pq.write_table(pa.table(usual | cells), tmp_path / "films.parquet")
    code = cli.main(["check", str(tmp_path / "films.parquet")])
    said = capsys.readouterr()
    assert code in (0, 1, 2)
    assert said.err == ""
    assert "films.parquet: " in said.out
    assert (code == 2) == ("cannot be used" in said.out)


@pytest.mark.parametrize("encoding", ["punycode", "utf-16", "idna", "undefined", "utf-7"])
def test_no_encoding_surprises_the_reader(encoding, tmp_path, capsys):
    film = tmp_path / "films.csv"
    film.write_text("title,actor\nÄ,X Y\nB,Z W\n", encoding="utf-8")
    assert cli.main(["check", str(film), "--separator", ",", "--encoding", encoding]) == 2
    assert capsys.readouterr().out.startswith("cannot be used: ")


@pytest.mark.parametrize("option", ["--separator=\0", "--quote=\0", "--separator=é", "--quote=ab"])
def test_separators_and_quotes_are_one_usable_character(option, tmp_path, capsys):
    film = tmp_path / "films.csv"
    film.write_text("title,actor\nA,X Y\nB,Z W\n", encoding="utf-8")
    assert cli.main(["check", str(film), option]) == 2
    assert capsys.readouterr().out.startswith("cannot be used: ")


@pytest.mark.parametrize("option", ["--genre", "--type", "--categories", "--to"])
def test_texts_that_are_not_utf_8_select_no_titles(option, tmp_path, capsys):
    rows = {BASICS: [title("tt1")], PRINCIPALS: [principal("tt1", 1, "nm1")], RATINGS: []}
    put(tmp_path / "dumps", rows | {NAMES: [person("nm1", "N")]})
    call = ["import-imdb", str(tmp_path / "dumps"), "--to", str(tmp_path / "films.jsonl")]
    odd = str(tmp_path / "\udcff.jsonl") if option == "--to" else "a\udcff"
    assert cli.main([*call, "--min-movies", "1", option, odd]) == 2
    assert "not UTF-8" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["dumps"]


@pytest.mark.parametrize("option", ["actor-separator", "genre-separator", "separator", "title"])
@pytest.mark.parametrize("command", ["check", "import"])
def test_texts_that_are_not_utf_8_read_no_films(command, option, tmp_path, capsys):
    film = tmp_path / "films.csv"
    film.write_text("title,actor\nA,X Y\nA,Z W\n")
    to = ["--to", str(tmp_path / "films.jsonl")] * (command == "import")
    assert cli.main([command, str(film), *to, f"--{option}", "a\udcff"]) == 2
    assert "a text has an unpaired surrogate or is not UTF-8" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [film]


DESCRIPTIONS = {
    "brackets": "[" * 100_000,
    "large": json.dumps({"licence": "x" * 2_000_000}),
    "number": '{"licence": ' + "9" * 5000 + "}",
    "list": "[1]",
}


@pytest.mark.parametrize("text", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_damaged_description_of_films_is_refused(text, films, tmp_path, capsys):
    film = shutil.copy(films, tmp_path)
    Path(f"{film}.source.json").write_text(text)
    assert cli.main(["run", "--dataset", film, "--out", str(tmp_path / "out")]) == cli.WRONG
    assert f"{film}.source.json: " in capsys.readouterr().err


def test_a_licence_is_escaped_where_it_cannot_be_printed(films, tmp_path):
    from imdbclust.films.corpus_files import read_licence

    film = Path(shutil.copy(films, tmp_path))
    Path(f"{film}.source.json").write_text('{"licence": "free\\ud800\\u001b[1m", "url": null}')
    assert read_licence(film) == {"licence": "free\\ud800\\x1b[1m", "url": "None"}


@pytest.mark.parametrize("n_digits", [19, 309, 4300, 4301])
@pytest.mark.parametrize("name", ["n_init", "split_year", "random_state"])
def test_numbers_of_any_length_are_refused(name, n_digits, capsys):
    code = cli.main(["run", "--dataset", "sample", "-p", name, "9" * n_digits])
    said = capsys.readouterr().err
    assert (code, said.count("\n")) == (cli.WRONG, 1)
    assert len(said) < 300


@pytest.mark.parametrize("size", ["9" * 400, "9" * 400 + "GB", "99999999999TB", "1e9GB"])
@pytest.mark.parametrize(
    "call", [("run", "--memory-limit"), ("import-imdb", ".", "--to", "x.jsonl", "--memory")]
)
def test_sizes_of_any_length_are_refused(call, size, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*call, size])
    assert ended.value.code == cli.WRONG
    assert "memory must be" in capsys.readouterr().err


RUN = ["run", "--dataset", "sample"]
PRESETS = {
    "empty": "",
    "list": "- seed",
    "text": "seed",
    "values": "seed: 3\nrecommended: {}",
    "numbers as names": "1: {}\nseed: {}\nrecommended: {}",
    "number as parameter": "seed: {}\nrecommended: {1: 2}",
    "list as value": "seed: {}\nrecommended: {n_clusters: [1]}",
    "unknown parameter": "seed: {}\nrecommended: {n_cluster: 3}",
    "not YAML": "seed: {",
    "huge number": "seed: {}\nrecommended: {n_clusters: " + "9" * 5000 + "}",
    "without seed": "recommended: {}",
    "nested": "[" * 3000,
}


@pytest.mark.parametrize("text", PRESETS.values(), ids=PRESETS)
@pytest.mark.parametrize("call", [RUN, ["run", "--help"]], ids=["run", "help"])
def test_a_damaged_file_of_presets_is_refused(text, call, tmp_path, monkeypatch, capsys):
    (tmp_path / "presets.yml").write_text(text)
    monkeypatch.setattr(parameters, "NOTEBOOKS", tmp_path)
    assert cli.main(call) == cli.WRONG
    assert f"imdbclust: {tmp_path / 'presets.yml'}: " in capsys.readouterr().err


def test_the_presets_that_are_needed_are_in_their_file():
    assert NOTEBOOKS == parameters.NOTEBOOKS
    assert {COURSE_PRESET, DEFAULT_PRESET} <= parameters.presets().keys()


def test_invisible_characters_and_case_of_a_genre_are_reported(tmp_path, capsys):
    spellings = ["Drama", "drama", "DRAMA ", "Drama\u00a0", "Dra\u200bma", "Dr\u00adama"]
    films = [
        {"imdb_id": f"t{n}", "title": f"T{n}", "genres": [one], "actors": [["a", "A"], ["b", "B"]]}
        for n, one in enumerate(spellings)
    ]
    path = tmp_path / "films.jsonl"
    path.write_text("".join(f"{json.dumps(film)}\n" for film in films))
    assert cli.main(["check", str(path), "--json"]) == 1
    found = {one["kind"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert found["folded_genres"]["count"] == 4  # read as Drama or DRAMA
    assert found["genres_alike"]["count"] == 2
    said = [one["problem"] for one in found["genres_alike"]["examples"]]
    assert all("is spelled like 'DRAMA'" in one for one in said)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_no_title_controls_the_terminal(more, finished_run, tmp_path, capsys):
    film = {"imdb_id": "t1", "title": "A\x1b[31m\x07\x9b\u202eB", "genres": ["Drama"], "actors": []}
    path = tmp_path / "new.jsonl"
    path.write_text(json.dumps(film) + "\n")
    call = ["assign", finished_run.name, "--out", str(finished_run.parent), "--file", str(path)]
    assert cli.main([*call, *more]) == 0
    said = capsys.readouterr()
    assert "B" in said.out
    assert all(char.isprintable() or char == "\n" for char in said.out + said.err)


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_damaged_neighbours_never_cost_a_run_its_report(every, films, finished_run, tmp_path):
    """Manifests of other runs are damaged in every key and cut off; all stages are reused."""
    shutil.copytree(finished_run.parent / "stages", tmp_path / "stages")
    good = json.loads((finished_run / "manifest.json").read_text())
    texts = ["[" * 100_000, "", "[]", json.dumps(good)[:500], '{"a": ' + "9" * 5000 + "}"]
    for key in good:
        for stage in (None, good["stages"][3]):
            for name in [key] if stage is None else stage:
                damaged = json.loads(json.dumps(good))
                place = damaged if stage is None else damaged["stages"][3]
                place[name] = [{"x": 1}] if stage is None else {"x": [1]}
                texts.append(json.dumps(damaged | {"preset": f"p{len(texts)}"}))
        damaged = {name: value for name, value in good.items() if name != key}
        texts.append(json.dumps(damaged | {"preset": f"p{len(texts)}"}))
    for number, text in enumerate(list(dict.fromkeys(texts))[::every]):
        (tmp_path / f"run-{number}").mkdir()
        text = text.replace('"name": "small"', f'"name": "run-{number}"')
        (tmp_path / f"run-{number}" / "manifest.json").write_text(text)
    call = ["run", "--dataset", str(films), "--preset", "seed", *VALUES, "--out", str(tmp_path)]
    assert cli.main([*call, "--name", "ours"]) == cli.DONE
    assert json.loads((tmp_path / "ours" / "manifest.json").read_text())["status"] == "done"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("call", "code"), [("runs", 0), ("open nope", 2), ("check FILM", 0)])
def test_closed_streams_change_no_exit_code(closed, call, code, tmp_path):
    film = tmp_path / "films.csv"
    film.write_text("title,actor\nA,X Y\nB,Z W\n")
    call = call.replace("FILM", str(film))
    command = f"{sys.executable} -m imdbclust {call} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert "2>" not in closed or done.stderr == ""
    assert ("nope" in done.stdout + done.stderr) == (code == 2 and "2>" not in closed)


def test_a_fault_of_the_program_ends_in_a_sentence_and_a_log(tmp_path, monkeypatch, capsys):
    def faulty(call):
        raise ZeroDivisionError("divided\x1b by zero")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(cli.runs, "execute", faulty)
    assert cli.main(["runs"]) == cli.FAILED
    said = capsys.readouterr().err
    [log] = tmp_path.iterdir()
    about = "unexpected error: ZeroDivisionError: divided\\x1b by zero"
    assert said == f"imdbclust: {about}; the traceback is in {log}\n"
    assert "in faulty" in log.read_text()
    assert log.stat().st_mode & 0o77 == 0


INTERRUPTED = """
import importlib.machinery, os, signal, sys
loader = importlib.machinery.ExtensionFileLoader
usual, imported = loader.exec_module, ['those of the program itself']

def interrupted(self, module):
    if not imported:
        print("begins", module.__name__)
        os.kill(os.getpid(), {signal})
    imported.append(module.__name__)
    for _ in range(1000):
        pass
    usual(self, module)
    print("imported", module.__name__)

loader.exec_module = interrupted
from imdbclust.commands import cli
imported.clear()
sys.exit(cli.main(["check", {film!r}]))
"""


@pytest.mark.parametrize("number", ["signal.SIGINT", "signal.SIGTERM"])
def test_an_interrupt_waits_until_a_native_library_is_imported(number, films):
    """An interrupt within the start of such a library makes the library abort the process."""
    code = INTERRUPTED.format(signal=number, film=str(films))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (cli.INTERRUPTED, "imdbclust: interrupted\n")
    name, *later = done.stdout.partition("begins ")[2].splitlines()
    assert f"imported {name}" in later
