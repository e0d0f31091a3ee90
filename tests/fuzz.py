"""Feed damaged and odd input to the program for a while: ``make fuzz`` (``MINUTES=30``).

Every case is a call of the command line on made-up input that is changed at random: film files of
several kinds, cells of parquet, mappings of columns, IMDb's dumps, merges, specifications of
sweeps, parameters, presets, manifests. A case is wrong if it ends in anything but an exit code from
0 to 2, prints a traceback or an unexpected error, takes longer than `PATIENCE`, or leaves
unfinished files. Wrong cases are kept in a folder, with the seed that repeats them.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from imdb_files import person, principal, title

from imdbclust.base.paths import NOTEBOOKS
from imdbclust.commands import cli
from imdbclust.datasets.imdb_tables import FORMAT
from imdbclust.running import parameters

PATIENCE = 20  # seconds for a case
ODD = ["", "\0", "\ud800", "é", "\u202e", "\x1b[31m", "1e999", "-0", "9" * 400, "NaN", "null",
       "[" * 50, "{", '"', "'", "a=b", "../..", "\t", ";", ",", "\u200b", "true", "1:30", "0x10",
       "1_000", "٣"]  # fmt: skip
MOVIE = {"movie_id": "m1", "title": "A", "year": 1990, "genres": ["Drama"], "rating": 5.5,
         "actors": [{"actor_id": "a1", "name": "X"}, {"actor_id": "a2", "name": "Y"}]}  # fmt: skip
SWEEP = """dataset: sample
preset: recommended
grid:
  n_clusters: [4, 8]
  random_state: {repeats: 2}
"""
MAPPING = {"columns": {"title": ["title"], "actor": ["actor"], "year": ["year"], "genres": []},
           "tables": {"movies.csv": {"movie_id": ["id"], "title": ["title"]},
                      "credits.csv": {"movie_id": ["movie_id"], "actor_id": ["person_id"]}},
           "separator": ",", "quote": '"', "encoding": "utf-8", "actor_separator": "none",
           "genre_separator": "|", "unify": {"actors": {"X  Y": "X Y"}}}  # fmt: skip
TABLES = {"movies.csv": "id,title,year\n1,A,1990\n2,B,1991\n3,C,1992\n",
          "people.csv": "pid,name\n7,X Y\n8,Z W\n",
          "credits.csv": "movie_id,person_id\n1,7\n1,8\n2,7\n3,8\n"}  # fmt: skip
DUMPS = {"title.basics": [title(f"tt{n}") for n in range(4)],
         "title.principals": [principal(f"tt{n}", m, f"nm{m}") for n in range(4) for m in (1, 2)],
         "name.basics": [person(f"nm{m}", f"N{m}") for m in (1, 2)],
         "title.ratings": [["tt1", "7.5", "90"]]}  # fmt: skip
MANIFEST = {"name": "r", "status": "done", "commit": None, "versions": {"python": "3"},
            "preset": "seed", "parameters": {"n_clusters": {"value": 3}},
            "dataset": {"title": "T", "sha256": "0"},
            "stages": [{"stage": "01_load", "key": "ab", "findings": ["F."]}]}  # fmt: skip


def main(minutes: float, seed: int) -> int:
    """Try cases for minutes of processor time or until an interrupt; return the number of wrong."""
    kept = Path(tempfile.mkdtemp(prefix="imdbclust-fuzz-"))
    counts, wrong, began = Counter(), 0, time.process_time()
    while time.process_time() - began < 60 * minutes:
        seed += 1
        chance = random.Random(seed)
        kind = chance.choice(list(KINDS))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            call = KINDS[kind](chance, folder)
            code, reason = tried(call, folder)
            parameters.NOTEBOOKS = NOTEBOOKS
            if code == cli.INTERRUPTED:
                break
            counts[f"{kind} {code}"] += 1
            if reason:
                wrong += 1
                print(f"seed {seed}, {kind}: {call!r:.300}\n  {reason}", flush=True)
                shutil.copytree(folder, kept / str(seed), symlinks=True)
    for name, count in sorted(counts.items()):
        print(f"{name:24} {count:8,}")
    took = (time.process_time() - began) / 60
    print(f"{sum(counts.values()):,} cases in {took:.1f} minutes, {wrong} wrong", end="")
    print(f", kept in {kept}" * bool(wrong))
    if not wrong:
        kept.rmdir()
    return wrong


def tried(call: list[str], folder: Path) -> tuple[int | None, str]:
    """Return the exit code of a call, and what is wrong with how it ended; empty if nothing is."""
    said, code, before = io.StringIO(), None, set(folder.rglob("*"))

    def too_long(*_: object) -> None:
        raise TimeoutError("it takes too long")

    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            signal.signal(signal.SIGVTALRM, too_long)
            signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
            code = cli.main(call)
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = cli.INTERRUPTED
    except BaseException:
        return None, traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    text = said.getvalue()
    left = [path for path in set(folder.rglob("*")) - before if not finished(path, code)]
    if code not in (0, 1, 2) or "Traceback" in text or "unexpected error" in text:
        return code, f"exit code {code}: {text[-600:]}"
    return code, f"unfinished: {left}" if left else ""


def finished(path: Path, code: int | None) -> bool:
    """Return whether a new file is complete, and a corpus comes from a call that succeeded."""
    if path.suffix == ".jsonl":
        *movies, end = path.read_bytes().split(b"\n")
        return code == 0 and bool(movies) and end == b"" and all(map(json.loads, movies))
    return ".part" not in path.name


def damaged(chance: random.Random, text: bytes) -> bytes:
    """Return bytes with a few of them changed, removed, repeated or replaced by odd ones."""
    content = bytearray(text)
    for _ in range(chance.randint(0, 6)):
        at, width = chance.randrange(len(content) + 1), chance.randint(0, 12)
        odd = chance.choice(ODD).encode(errors="surrogatepass")
        new = chance.choice([b"", odd, content[at : at + width] * 3, chance.randbytes(2)])
        content[at : at + width * chance.randint(0, 1)] = new
    return bytes(content)


def odd_value(chance: random.Random, value: object) -> object:
    """Return a JSON value with a random part replaced by an odd one."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        if chance.random() < 0.15:
            return {name: one for name, one in value.items() if name != key}
        return value | {key: odd_value(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.7:
        return [odd_value(chance, one) if chance.random() < 0.6 else one for one in value]
    odd = [None, True, -1, 10**30, 1e300, float("inf"), [], {}, [[]], {"x": {}}, *ODD]
    return chance.choice(odd)


def film_file(chance: random.Random, folder: Path) -> str:
    """Write a film file and return its path."""
    movies = [MOVIE | {"movie_id": f"m{n}", "title": f"T{n}"} for n in range(4)]
    if chance.random() < 0.7:
        movies = [odd_value(chance, movie) for movie in movies]
    kind = chance.choice(["jsonl", "json", "csv", "tsv", "yml", "graphml", "parquet"])
    path = folder / f"films{chance.randint(0, 99)}.{kind}"
    lines = [json.dumps(movie) for movie in movies]
    if kind == "parquet":
        cells = [chance.choice([1, 2.5, None, "a", b"\xff", [1], [["a"]], {"x": 1}, True, 10**30])]
        columns = {"title": ["A"], "actor": ["X Y"]} | {
            chance.choice(
                ["title", "actor", "year", "genres", "rating", "votes", "movie_id"]
            ): cells
        }
        with contextlib.suppress(pa.ArrowException, OverflowError):
            pq.write_table(pa.table(columns), path)
    separator = "\t" if kind == "tsv" else ","
    table = "".join(f"T{n}{separator}X Y{separator}19{n}0\n" for n in range(5))
    if kind != "parquet" or not path.exists():
        text = {"json": f"[{','.join(lines)}]"}.get(kind, "\n".join(lines))
        text = f"title{separator}actor{separator}year\n{table}" if kind in ("csv", "tsv") else text
        path.write_bytes(damaged(chance, text.encode(errors="surrogatepass")))
    if chance.random() < 0.2:
        about = json.dumps(odd_value(chance, {"licence": "free", "url": "x"}))
        Path(f"{path}.source.json").write_bytes(damaged(chance, about.encode()))
    return str(path)


def some_options(chance: random.Random) -> list[str]:
    """Return options for reading a file, some of them odd."""
    names = [
        "separator",
        "quote",
        "encoding",
        "title",
        "actor",
        "genres",
        "year",
        "actor-separator",
    ]
    values = [*ODD, ",", "utf-16", "punycode", "cp1252", "title", "none", "tab"]
    n_options = chance.choice([0, 0, 1, 2])
    return [f"--{chance.choice(names)}={chance.choice(values)}" for _ in range(n_options)]


def of_check(chance: random.Random, folder: Path) -> list[str]:
    """Check a file."""
    return ["check", film_file(chance, folder), *some_options(chance)]


def of_import(chance: random.Random, folder: Path) -> list[str]:
    """Import a file."""
    return ["import", film_file(chance, folder), "--to", str(folder / "new.jsonl"), "--accept"]


def of_mapping(chance: random.Random, folder: Path) -> list[str]:
    """Import, check or use a file or a folder of tables by a damaged mapping of columns."""
    path, kept = folder / "mapping.yml", chance.sample(list(MAPPING), chance.randint(1, 5))
    mapping = {name: MAPPING[name] for name in kept}
    option = chance.choice(("--mapping", "--mapping", "--unify"))
    if option == "--unify":
        mapping = MAPPING["unify"]
    for _ in range(chance.randint(0, 2)):
        mapping = odd_value(chance, mapping)
    content = json.dumps(mapping, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    path.write_bytes(damaged(chance, content) if chance.random() < 0.2 else content)
    films = folder / "films.csv"
    films.write_text("title,actor,year\nA,X Y,1990\nA,Z W,1990\nB,X  Y,1991\n")
    if chance.random() < 0.4:
        films = folder / "tables"
        films.mkdir()
        for name, rows in TABLES.items():
            (films / name).write_bytes(damaged(chance, rows.encode()))
    call = chance.choice(
        (
            ["import", str(films), "--to", str(folder / "new.jsonl"), "--accept"],
            ["import", str(films), "--to", str(folder / "new.jsonl"), "--save-mapping",
             str(folder / "saved.yml")],
            ["check", str(films)],
        )
    )  # fmt: skip
    return [*call, option, str(path)]


def of_dumps(chance: random.Random, folder: Path) -> list[str]:
    """Import damaged dumps of IMDb."""
    for name, rows in DUMPS.items():
        lines = [list(FORMAT[name]), *rows]
        if chance.random() < 0.3:
            lines[1:] = [odd_value(chance, line) for line in rows]
        lines = [line if isinstance(line, list) else [line] for line in lines]
        text = "".join("\t".join(map(str, line)) + "\n" for line in lines)
        content = text.encode(errors="surrogatepass")
        content = damaged(chance, content) if chance.random() < 0.2 else content
        if packed := chance.random() < 0.3:
            content = gzip.compress(content)
            content = damaged(chance, content) if chance.random() < 0.2 else content
        if chance.random() < 0.98:
            (folder / f"{name}.tsv{'.gz' * packed}").write_bytes(content)
    options = [f"--{chance.choice(('type', 'since', 'categories', 'genre', 'min-cast', 'memory'))}",
               chance.choice([*ODD, "all", "1", "2GB"])]  # fmt: skip
    options = options if chance.random() < 0.2 else ["--min-movies", "1"]
    return ["import-imdb", str(folder), "--to", str(folder / "new.jsonl"), *options]


def of_merge(chance: random.Random, folder: Path) -> list[str]:
    """Merge two files."""
    files = [film_file(chance, folder), film_file(chance, folder)]
    return ["merge", *files, "--to", str(folder / "new.jsonl")]


def of_sweep(chance: random.Random, folder: Path) -> list[str]:
    """Plan a sweep that a damaged specification lists; no film is read."""
    path = folder / "sweep.yml"
    path.write_bytes(damaged(chance, SWEEP.encode()))
    return ["sweep", str(path), "--dataset", str(folder / "missing.jsonl"), "--dry-run"]


def of_parameter(chance: random.Random, folder: Path) -> list[str]:
    """Set parameters of a run; the films are missing, so that nothing is executed."""
    (folder / "films.csv").write_text("title,actor\nA,X\n")
    names = [*parameters.declared(), "n_cluster", *ODD]
    pairs = [f"-p={chance.choice(names)}={chance.choice(ODD)}"[:1000] for _ in range(2)]
    words = [word for pair in pairs for word in ("-p", pair[3:])]
    return ["run", "--dataset", str(folder / "films.csv"), *words, "--out", str(folder / "out")]


def of_presets(chance: random.Random, folder: Path) -> list[str]:
    """Use a damaged file of presets."""
    (folder / "presets.yml").write_bytes(damaged(chance, (NOTEBOOKS / "presets.yml").read_bytes()))
    parameters.NOTEBOOKS = folder
    return ["run", "--dataset", str(folder / "missing"), "--preset", "seed"]


def of_manifest(chance: random.Random, folder: Path) -> list[str]:
    """List, compare, open, clean or use runs with damaged manifests."""
    for name in ("one", "two"):
        (folder / name).mkdir()
        text = json.dumps(odd_value(chance, MANIFEST)).encode()
        (folder / name / "manifest.json").write_bytes(damaged(chance, text))
    out = ["--out", str(folder)]
    calls = (
        ["runs"],
        ["runs", "--json"],
        ["diff", "one", "two"],
        ["clean"],
        ["assign", "one", "--genre", "x"],
    )
    return [*chance.choice(calls), *out]


KINDS = {
    "check": of_check,
    "import": of_import,
    "mapping": of_mapping,
    "dumps": of_dumps,
    "merge": of_merge,
    "sweep": of_sweep,
    "parameter": of_parameter,
    "presets": of_presets,
    "manifest": of_manifest,
}

if __name__ == "__main__":
    given = sys.argv[1:]
    minutes, seed = [*given, *("30", "0")[len(given) :]]
    raise SystemExit(bool(main(float(minutes), int(seed))))
