"""Everything a person can type or feed: an exit code and a sentence, no traceback, nothing left."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
import requests
from conftest import stages_of
from test_bad_films import BAD_RECORDS, GOOD_LINE, REFUSED, TABLES

from imdbclust.commands import cli
from imdbclust.datasets.made_up.large import LargeSample
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.load import write_corpus
from imdbclust.running import run as running
from imdbclust.running import sweep as sweeping

LONG = "x" * 300

RUN = ("run", "--dataset", "films.jsonl", "--out", "reports")
NO_PARAMETER = "unknown parameter"
WHOLE, NUMBER = "must be a whole number, not", "must be a number, not"
NO_NAME = "cannot be the name of a run; use up to 64 letters"
BAD_TEXT = "must be at most 4,000 characters long and free of NUL and unpaired surrogates"
NO_RUN = "no run called"
NO_FACTOR = "must be a positive number"
NO_OUT = "reports cannot be written there: .*; choose another folder with --out"

PARAMETERS = {
    # what is given after -p: name, value, what is said
    "misspelt": ("n_cluster", "8", "did you mean n_clusters"),
    "keyword": ("class", "8", NO_PARAMETER),
    "builtin": ("print", "8", NO_PARAMETER),
    "dunder": ("__class__", "8", NO_PARAMETER),
    "import": ("__import__", "8", NO_PARAMETER),
    "code after the name": ("n_clusters;x=3", "8", NO_PARAMETER),
    "code in the name": ("__import__('os').system('touch x'); x", "8", NO_PARAMETER),
    "lines in the name": ("x\nimport os\ny", "8", r"unknown parameter 'x\\nimport os\\ny'"),
    "hyphen": ("n-clusters", "8", "did you mean n_clusters"),
    "digit first": ("1a", "8", NO_PARAMETER),
    "accent": ("naïve", "8", NO_PARAMETER),
    "empty name": ("", "8", "unknown parameter ''"),
    "space before": (" n_clusters", "8", "did you mean n_clusters"),
    "upper case": ("N_CLUSTERS", "8", NO_PARAMETER),
    "name that reads the other way": ("\u202en", "8", r"unknown parameter '\\u202en'"),
    "endless name": ("n" * 10_000, "8", "unknown parameter 'nnnn"),
    "escape sequence": ("\x1b[31m", "8", r"unknown parameter '\\x1b\[31m'"),
    "films": ("dataset", "sample", "choose the films with --dataset, not with -p dataset"),
    "a notebook's own": (
        "from_run",
        "x",
        "unknown parameter 'from_run'; see `imdbclust run --help`",
    ),
    "another notebook's": ("from_sweep", "x", NO_PARAMETER),
    "empty number": ("n_clusters", "", WHOLE),
    "only a space": ("n_clusters", " ", WHOLE),
    "word": ("n_clusters", "eight", WHOLE),
    "float for int": ("n_clusters", "8.0", WHOLE),
    "exponent": ("n_clusters", "1e1", WHOLE),
    "hexadecimal": ("n_clusters", "0x10", WHOLE),
    "underscore": ("n_clusters", "1_000", WHOLE),
    "comma": ("n_clusters", "1,000", WHOLE),
    "other digits": ("n_clusters", "٨", WHOLE),
    "true for int": ("n_clusters", "True", WHOLE),
    "none": ("n_clusters", "None", WHOLE),
    "list": ("n_clusters", "[8]", WHOLE),
    "two at once": ("n_clusters", "8;9", WHOLE),
    "code": ("n_clusters", "__import__('os')", WHOLE),
    "nan for int": ("n_clusters", "nan", WHOLE),
    "5,000 digits": ("n_clusters", "9" * 5_000, f"{WHOLE} '9{{56}}…$"),
    "30 digits": ("n_clusters", "9" * 30, "n_clusters is too large"),
    "no cluster": ("n_clusters", "0", "at least 1, not 0"),
    "minus none": ("n_clusters", "-0", "at least 1, not 0"),
    "negative": ("n_clusters", "-3", "at least 1, not -3"),
    "more clusters than movies": ("n_clusters", "41", "n_clusters = 41 is .* there are 40 movies"),
    "no component": ("n_components", "0", "at least 1, not 0"),
    "more components than actors": ("n_components", "41", "40 movies and 40 actors has 1 to 40"),
    "huge components": ("n_components", "9" * 18, "is impossible"),
    "no start": ("n_init", "0", "n_init must be 1 to 10000, not 0"),
    "starts without end": ("n_init", "100000000000", "n_init must be 1 to 10000"),
    "passes without end": ("max_iter", "9" * 21, "too large"),
    "more passes than any": ("max_iter", "10000000", "max_iter must be 1 to 1000000"),
    "seed below 0": ("random_state", "-1", "0 to 4294967295, not -1"),
    "seed too large": ("random_state", "4294967296", "0 to 4294967295, not 4294967296"),
    "seed none": ("random_state", "None", WHOLE),
    "seed broken": ("random_state", "1.5", WHOLE),
    "nan": ("tol", "nan", NUMBER),
    "inf": ("tol", "inf", NUMBER),
    "infinity": ("tol", "Infinity", NUMBER),
    "beyond floats": ("tol", "1e400", NUMBER),
    "decimal comma": ("tol", "0,5", NUMBER),
    "negative tolerance": ("tol", "-1", "at least 0, not -1.0"),
    "empty float": ("tol", "", NUMBER),
    "word for a number": ("tol", "small", NUMBER),
    "regularization below 0": ("regularization", "-1", "at least 0, not -1.0"),
    "level of certainty": ("level", "1.0", "0.5 to 0.999"),
    "prior of nothing": ("prior", "0", "0.001 to 1000, not 0.0"),
    "year": ("split_year", "99999", "1 to 9999"),
    "yes": ("explorer", "yes", "true or false, not 'yes'"),
    "1 for true": ("explorer", "1", "true or false, not '1'"),
    "choice": ("algorithm", "kmeans", "one of MiniBatchKMeans, KMeans, nested"),
    "empty choice": ("weighting", "", "one of none, degree"),
    "endless choice": ("algorithm", "k" * 9_000, "not 'kkkkk"),
    "other word": ("on_problem", "ignore", "one of stop, skip"),
    "endless text": ("target_genre", "x" * 4_001, f"target_genre {BAD_TEXT}"),
    "NUL": ("target_genre", "a\0b", f"target_genre {BAD_TEXT}"),
    "no such genre": ("target_genre", "Space Opera", "no movie has the genre 'Space Opera'"),
    "lone surrogate": ("form_tags", "\ud800", f"form_tags {BAD_TEXT}"),
    "no such actor": ("target_actor", "'; import os", "no actor has the id or the name"),
    "markup": ("target_actor", "<script>", "no actor has the id or the name '<script>'"),
}

NAMES = {
    name: (f"--name={name}", NO_NAME)
    for name in (
        "", ".", "..", "../x", "a/b", "/absolute", "a\\b", "C:", "-rf", ".hidden", "_x", "a.", "~",
        "CON", "con.txt", "nul", "LPT1", "COM9.log", "a b", "a\nb", "a\tb", "\x1b[31m", "\u202ex",
        "é", "🎬", "{x}", "%s", "$HOME", "`id`", "a;b", "*", "x" * 65, LONG, "stages", "STAGES",
        "interactive", "bench", "a\0b", "\ud800",
    )
}  # fmt: skip

DATASETS = {
    # what is given as --dataset: what is said
    "nothing": ("", "no dataset and no file is called ''"),
    "unknown": ("netflix", "datasets are auto, imdb, wikipedia, sample"),
    "upper case": ("IMDB", "did you mean imdb?"),
    "no such file": ("nowhere.jsonl", "no file is called 'nowhere.jsonl'"),
    "a folder": (".", "gaps.csv:3: title: missing"),
    "a device": ("/dev/null", "a device"),
    "an address": ("https://example.org/films.jsonl", "no file is called 'https:"),
    "an address of a file": ("file:///etc/passwd", "no file is called 'file:"),
    "home of an unknown user": ("~nobody-here/films.jsonl", "no file is called"),
    "too long": (LONG, "no file is called"),
    "a template": ("{x}", "no file is called '{x}'"),
    "standard input": ("-", "no file is called '-'"),
    "a surrogate": ("\ud800", r"no file is called '\\ud800'"),
    "an escape sequence": ("\x1b[2J", r"no file is called '\\x1b\[2J'"),
    "other content": ("films.dat", "films.dat: "),
    "dumps": ("imdb-dumps", "no dataset and no file"),
    "bad licence": ("odd.jsonl", "odd.jsonl.source.json: not JSON"),
}

PLACES = {
    # what is given as --out: what is said
    "a file": ("films.dat", NO_OUT),
    "below a file": ("films.dat/reports", NO_OUT),
    "where nothing can be written": ("/proc/reports", NO_OUT),
    "a device": ("/dev/null", NO_OUT),
    "too long": (LONG, "File name too long; choose another folder"),
    "a link to nowhere": ("dangling", NO_OUT),
    "a loop of links": ("loop", NO_OUT),
    "with a file for its stages": ("taken", NO_OUT),
    "with a thesis of that name": (
        "precious", "precious/films-recommended exists and is not a run, so it is not replaced"
    ),
    "empty": ("", "the path is empty"),
}  # fmt: skip

GRID = "grid: {n_clusters: [2, 3]}"

SWEEPS = {
    # the text of a specification, the line that is named, what is said
    "empty": ("", "", "is empty"),
    "a comment": ("# nothing", "", "is empty"),
    "a list": ("- 1", 1, "must be a mapping"),
    "a scalar": ("n_clusters", 1, "must be a mapping"),
    "empty grid": ("grid: {}", 1, "grid: is empty"),
    "null grid": ("grid:", 1, "grid: must be a mapping"),
    "empty list": ("grid: {n_clusters: []}", 1, "is an empty list"),
    "scalar for a list": ("grid: {n_clusters: 4}", 1, "must be a list of values"),
    "mapping for a list": ("grid: {n_clusters: {a: 1}}", 1, "must be a list of values"),
    "endless grid": (
        f"grid:\n  n_clusters: {list(range(1, 400))}\n  n_init: {list(range(1, 400))}",
        2,
        "159,201 settings, more than 10,000",
    ),
    "value twice": ("grid: {n_clusters: [4, 4]}", 1, "has a duplicate value"),
    "value twice in other words": ("grid: {tol: [1, 1.0]}", 1, "has a duplicate value"),
    "true for 1": (
        "grid: {n_clusters: [1, true]}",
        1,
        "n_clusters must be a whole number, not True",
    ),
    "seeds twice": ("grid: {random_state: [7, 7]}", 1, "has a duplicate value"),
    "unknown parameter": ("grid:\n  n_cluster: [4]", 2, "did you mean n_clusters"),
    "unknown in the fixed": (f"parameters: {{x: 1}}\n{GRID}", 1, "unknown parameter 'x'"),
    "unknown key": (f"{GRID}\nexclude: [1]", 2, "unknown key 'exclude'"),
    "key twice": (f"{GRID}\n{GRID}", 2, "duplicate key grid"),
    "parameter twice": ("grid:\n n_clusters: [4]\n n_clusters: [8]", 3, "duplicate key n_clusters"),
    "merge key": ("grid:\n  <<: {n_clusters: [4]}", 2, "<<: must be a list of values"),
    "no": ("grid: {explorer: [no, 7]}", 1, "explorer must be true or false, not 7"),
    "no for a text": ("grid: {evaluation: [off]}", 1, "evaluation must be a text, not False"),
    "octal": ("grid: {n_clusters: [010]}", 1, "'010' is not a decimal number"),
    "hexadecimal": ("grid: {n_clusters: [0x10]}", 1, "'0x10' is not a decimal number"),
    "underscore": ("grid: {n_clusters: [1_0]}", 1, "'1_0' is not a decimal number"),
    "exponent": ("grid: {tol: [1e3]}", 1, "tol must be a number, not '1e3'"),
    "sexagesimal": ("grid: {n_clusters: [12:30:45]}", 1, "'12:30:45' is not a decimal number"),
    "date": ("grid: {n_clusters: [2001-01-01]}", 1, "must be a number, a text, true or false"),
    "bad date": ("grid: {n_clusters: [2001-99-99]}", 1, "cannot be read"),
    "binary": ("grid: {n_clusters: [!!binary x]}", 1, "cannot be read"),
    "nan": ("grid: {tol: [.nan]}", 1, "is not finite"),
    "infinity": ("grid: {tol: [-.inf]}", 1, "is not finite"),
    "400 digits": (f"grid: {{tol: [{'9' * 400}]}}", 1, "tol is too large"),
    "4,000 digits": (f"grid: {{n_clusters: [{'9' * 4_000}]}}", 1, "n_clusters is too large"),
    "9,000 digits": (f"grid: {{n_clusters: [{'9' * 9_000}]}}", 1, "'9{56}… cannot be read"),
    "object": ("grid: {n_clusters: [!!python/object/apply:os.getcwd []]}", 1, "must be one value"),
    "name": ("grid: {n_clusters: [!!python/name:os.getcwd x]}", 1, "cannot be read"),
    "object for a grid": ("grid: !!python/object/apply:os.getcwd []", 1, "must be a mapping"),
    "alias bomb": (
        "grid:\n"
        + "".join(
            f"  b{n + 1}: &b{n + 1} [{', '.join([f'*b{n}'] * 9)}]\n" for n in range(1, 9)
        ).replace("*b1", "x"),
        2,
        "unknown parameter 'b2'",
    ),
    "grid of itself": ("grid: &g {n_clusters: *g}", 1, "must be a list of values"),
    "two documents": (f"{GRID}\n---\n{GRID}", "", "invalid YAML"),
    "tab": ("grid:\n\tn_clusters: [4]", 2, "invalid YAML"),
    "open bracket": ("grid: [", "", "invalid YAML"),
    "unknown alias": ("grid: *x", 1, "invalid YAML"),
    "nested without end": ("[" * 600, "", "invalid YAML"),
    "a search": ("search: {draws: 1, ranges: {tol: [1]}}", 1, "unknown key 'search'; choose"),
    "other than repeats": ("grid: {random_state: {low: 1}}", 1, "unknown key 'low'; choose"),
    "no repeats": ("grid: {random_state: {repeats: 0}}", 1, "repeats must be 1 to 10000, not 0"),
    "repeats of 9,000 digits": (
        f"grid: {{random_state: {{repeats: 0x{'9' * 9_000}}}}}",
        1,
        "is not a decimal number",
    ),
    "films in a grid": ("grid: {dataset: [imdb]}", 1, "a sweep has one dataset"),
    "films that are a number": (f"dataset: 3\n{GRID}", 1, "dataset must be a text, not 3"),
    "preset": (f"preset: best\n{GRID}", 1, "unknown preset 'best'"),
    "impossible corner": ("grid: {n_clusters: [2, 41]}", "", "n_clusters 41: n_clusters = 41"),
    "no text": (b"\xff\xfe\0", "", "not UTF-8 text"),
    "control character": ("grid: {n_clusters: ['\x07']}", "", "invalid YAML: special characters"),
}

SWEEP = ("sweep", "sweep.yml", "--dataset", "films.jsonl", "--out", "reports")
IMPORT = ("import-imdb", "dumps", "--to", "new.jsonl")
CREDITS = ("import", "table.csv", "--to")
SAMPLE = ("sample", "--movies", "20", "--actors", "9", "--to")
BENCH = ("bench", "quality", "--dataset", "films.jsonl", "--out", "reports")

CALLS = {
    # the words, the exit code, what is said
    "no command": ((), 2, "required: COMMAND"),
    "no such command": (("fly",), 2, "invalid choice: 'fly'"),
    "no such option": ((*RUN, "--fast"), 2, "unrecognized arguments: --fast"),
    "an escape sequence as a word": ((*RUN, "\x1b[31m"), 2, r"unrecognized arguments: \\x1b\[31m"),
    "a surrogate as a word": ((*RUN, "\udcff"), 2, r"unrecognized arguments: \\udcff"),
    "option without a value": (("run", "--dataset"), 2, "expected at least one argument"),
    "half a parameter": ((*RUN, "-p", "tol"), 2, "expected 2 arguments"),
    "a parameter twice": ((*RUN, "-p", "tol", "1", "-p", "tol", "2"), 2, "tol is given twice"),
    "no such preset": ((*RUN, "--preset", "best"), 2, "unknown preset 'best'; choose seed"),
    "empty preset": ((*RUN, "--preset", ""), 2, "unknown preset ''"),
    "endless preset": ((*RUN, "--preset", "x" * 9_000), 2, "unknown preset 'xxxx"),
    "no time": ((*RUN, "--timeout", "0"), 2, "'0' is not a positive number of seconds"),
    "negative time": ((*RUN, "--timeout", "-1"), 2, "not a positive number of seconds"),
    "nan of time": ((*RUN, "--timeout", "nan"), 2, "not a positive number of seconds"),
    "a word of time": ((*RUN, "--timeout", "1h"), 2, "'1h' is not a positive number"),
    "no such engine": ((*RUN, "--engine", "cold"), 2, "invalid choice: 'cold'"),
    # sweeps
    "no specification": (("sweep",), 2, "required: SPEC.yml"),
    "no such specification": (("sweep", "no.yml"), 2, "no.yml: cannot be read: No such file"),
    "a folder for a specification": (("sweep", "."), 2, "cannot be read: Is a directory"),
    "an endless specification": (("sweep", "/dev/zero"), 2, "longer than 1,048,576 characters"),
    "a specification of a long name": (("sweep", LONG), 2, "cannot be read: File name too long"),
    "workers 0": ((*SWEEP, "--workers", "0"), 2, "--workers must be at least 1, not 0"),
    "workers -1": ((*SWEEP, "--workers", "-1"), 2, "--workers must be at least 1, not -1"),
    "workers many": ((*SWEEP, "--workers", "many"), 2, "invalid int value: 'many'"),
    "workers twice": ((*SWEEP, "--workers", "2", "--scheduler", "tcp://x:1"), 2, "not both"),
    "an empty scheduler": ((*SWEEP, "--scheduler", ""), 2, "--scheduler must be an address"),
    "a fixed axis": ((*SWEEP, "-p", "n_clusters", "3"), 2, "n_clusters: is varied .*; drop -p"),
    "a misspelt fixed parameter": ((*SWEEP, "-p", "n_cluster", "3"), 2, "did you mean"),
    "the films as a parameter": ((*SWEEP, "-p", "dataset", "imdb"), 2, "with --dataset"),
    "a sweep out of the folder": ((*SWEEP, "--name", "../x"), 2, NO_NAME),
    "a sweep without a name": ((*SWEEP, "--name", ""), 2, NO_NAME),
    "a sweep into a file": ((*SWEEP[:-1], "films.dat"), 2, NO_OUT),
    "a sweep over a thesis": ((*SWEEP[:-1], "precious"), 2, "sweep-sweep exists and is not a run"),
    "a sweep of no films": ((*SWEEP, "--dataset", "none.jsonl"), 2, "no file is called"),
    # fetch
    "fetch nothing": (("fetch",), 2, "required: NAME"),
    "fetch the unknown": (("fetch", "netflix"), 2, "no dataset 'netflix' to fetch; choose imdb"),
    "fetch a path": (("fetch", "../x"), 2, "no dataset '../x' to fetch"),
    "fetch what is made up": (("fetch", "sample"), 2, "no dataset 'sample' to fetch"),
    "fetch without a network": (("fetch", "imdb"), 1, "cannot be downloaded"),
    # check
    "check nothing": (("check",), 2, "required: FILE"),
    "check an empty name": (("check", ""), 2, "the path is empty"),
    "check what is not there": (("check", "none.csv"), 2, "no such file"),
    "check an address": (("check", "https://example.org/x.jsonl"), 2, "no such file"),
    "no such column": (("check", "table.csv", "--title", "x"), 2, "missing column 'x'"),
    "separator of two": (("check", "table.csv", "--separator", ";;"), 2, "one character"),
    "no such encoding": (("check", "table.csv", "--encoding", "x"), 2, "unknown encoding 'x'"),
    "a hex encoding": (("check", "table.csv", "--encoding", "hex"), 2, "unknown encoding 'hex'"),
    "an encoding of hosts": (("check", "table.csv", "--encoding", "idna"), 2, "unknown encoding"),
    # import-credits, merge
    "import without a place": (("import", "table.csv"), 2, "required: --to"),
    "import no table": (("import", "no.csv", "--to", "new.jsonl"), 2, "no such file"),
    "import part of what is missing": (
        ("import", "table.csv", "--to", "new.jsonl", "--since", "2005", "--until", "2001"),
        2,
        "must not be after until",
    ),
    "import by no mapping": ((*CREDITS, "n.jsonl", "--mapping", "no"), 2, "no: cannot be read"),
    "import by a table": (
        ("import", "table.csv", "--to", "n.jsonl", "--mapping", "table.csv"),
        2,
        "not a mapping for film files",
    ),
    "run by no mapping": ((*RUN, "--mapping", "no.yml"), 2, "no.yml: cannot be read"),
    "import to a table": ((*CREDITS, "new.csv"), 2, "new.csv: a corpus file ends in"),
    "import to no ending": ((*CREDITS, "new"), 2, "a corpus file ends in"),
    "import to a missing folder": ((*CREDITS, "no/new.jsonl"), 1, "cannot be written: No such"),
    "import below a file": ((*CREDITS, "films.dat/new.jsonl"), 1, "cannot be written: Not a dir"),
    "import to a folder": ((*CREDITS, "folder.jsonl"), 1, "cannot be written: Is a directory"),
    "import to a full disk": ((*CREDITS, "full.jsonl"), 1, "cannot be written: No space left"),
    "import to a long name": ((*CREDITS, f"{LONG}.jsonl"), 1, "cannot be written: File name too"),
    "import where nothing may be": ((*CREDITS, "/proc/new.jsonl"), 1, "cannot be written"),
    "import to nothing": ((*CREDITS, ""), 2, "the path is empty"),
    "import strictly": (("import", "gaps.csv", "--to", "n.jsonl", "--strict"), 2, "gaps.c"),
    "merge nothing": (("merge", "--to", "new.jsonl"), 2, "required: FILE"),
    "merge to nowhere": (("merge", "films.jsonl"), 2, "required: --to"),
    "merge a missing file": (("merge", "films.jsonl", "no.jsonl", "--to", "n.jsonl"), 2, "no such"),
    "merge rubbish": (("merge", "films.jsonl", "films.dat", "--to", "n.jsonl"), 2, "films.dat: "),
    "merge a bad licence": (("merge", "odd.jsonl", "--to", "n.jsonl"), 2, "source.json: not JSON"),
    "merge to a folder": (("merge", "films.jsonl", "--to", "folder.jsonl"), 1, "Is a directory"),
    # sample
    "a sample of no movie": ((*SAMPLE, "s.jsonl", "--movies", "0"), 2, "n_movies must be at least"),
    "a sample of no actor": ((*SAMPLE, "s.jsonl", "--actors", "0"), 2, "n_actors must be from 1"),
    "a sample of -1": ((*SAMPLE, "s.jsonl", "--movies", "-1"), 2, "at least 1, not -1"),
    "a sample without end": ((*SAMPLE, "s.jsonl", "--movies", "9" * 12), 2, "to 1,000,000,000,"),
    "a sample of 30 digits": ((*SAMPLE, "s.jsonl", "--movies", "9" * 30), 2, "to 1,000,000,000,"),
    "a sample of 1e3": ((*SAMPLE, "s.jsonl", "--movies", "1e3"), 2, "invalid int value: '1e3'"),
    "no credits": ((*SAMPLE, "s.jsonl", "--credits", "0"), 2, "0 credits are impossible"),
    "negative credits": ((*SAMPLE, "s.jsonl", "--credits", "-4"), 2, "-4 credits are impossible"),
    "too few credits": ((*SAMPLE, "s.jsonl", "--credits", "3"), 2, "3 credits are impossible"),
    "too many credits": ((*SAMPLE, "s.jsonl", "--credits", "999"), 2, "999 credits are impossible"),
    "a seed of -1": ((*SAMPLE, "s.jsonl", "--random-state", "-1"), 2, "be from 0 to 4,294,967,295"),
    "a seed of 2**32": ((*SAMPLE, "s.jsonl", "--random-state", str(2**32)), 2, "from 0 to 4,294"),
    "no such format": ((*SAMPLE, "s.jsonl", "--format", "xml"), 2, "invalid choice: 'xml'"),
    "a sample as a table": ((*SAMPLE, "s.csv"), 2, "s.csv: a corpus file ends in"),
    "a sample into a folder": ((*SAMPLE, "folder.jsonl"), 1, "cannot be written: Is a directory"),
    "a sample nowhere": ((*SAMPLE, "no/s.jsonl"), 1, "cannot be written: No such file"),
    "dumps into a file": ((*SAMPLE, "films.dat", "--format", "dumps"), 1, "cannot be written"),
    "dumps below a file": ((*SAMPLE, "films.dat/x", "--format", "dumps"), 1, "cannot be written"),
    # import-imdb
    "import without dumps": (("import-imdb",), 2, "required: DIR, --to"),
    "import no folder": (("import-imdb", "no", "--to", "n.jsonl"), 2, "no: no such folder"),
    "import of a long name": (("import-imdb", LONG, "--to", "n.jsonl"), 2, "no such folder"),
    "import a file": (("import-imdb", "table.csv", "--to", "n.jsonl"), 2, "no such folder"),
    "import an empty folder": (("import-imdb", "empty", "--to", "n.jsonl"), 2, "title.basics"),
    "dumps to a text": (("import-imdb", "dumps", "--to", "n.txt"), 2, "a corpus file ends in"),
    "dumps to nowhere": (("import-imdb", "dumps", "--to", "no/n.jsonl"), 1, "cannot be written"),
    "since a word": ((*IMPORT, "--since", "x"), 2, "invalid int value: 'x'"),
    "since before": ((*IMPORT, "--since", "-5"), 2, "since must be a year from 1 to 9999, not -5"),
    "since after": ((*IMPORT, "--since", "2030"), 2, r"since \(2030\) must not be after"),
    "until the far": ((*IMPORT, "--until", "99999"), 2, "until must be a year from 1 to 9999"),
    "movies 0": ((*IMPORT, "--min-movies", "0"), 2, "min-movies must be at least 1 and at most"),
    "cast -1": ((*IMPORT, "--min-cast", "-1"), 2, "min-cast must be at least 0 and at most"),
    "no type": ((*IMPORT, "--type", ""), 2, "--type: the list is empty; use all to select"),
    "no categories": ((*IMPORT, "--categories", " , "), 2, "--categories: the list is empty"),
    "no such type": ((*IMPORT, "--type", "opera"), 2, "no title is left .* other type"),
    "memory of lots": ((*IMPORT, "--memory", "lots"), 2, "memory must be a number and a unit"),
    "memory of 1 byte": ((*IMPORT, "--memory", "1B"), 2, "memory must be at least 1GB, not 1B"),
    "memory of 400 digits": ((*IMPORT, "--memory", "9" * 400), 2, "must be a number and a unit"),
    "memory nan": ((*IMPORT, "--memory", "nanGB"), 2, "memory must be a number and a unit"),
    # assign, diff, bench
    "assign nothing": (("assign",), 2, "give --actor and --genre, or else --file"),
    "assign without evidence": (("assign", "x"), 2, "give --actor and --genre, or else --file"),
    "assign both": (("assign", "x", "--genre", "War", "--file", "f.jsonl"), 2, "or else --file"),
    "assign an empty actor": (("assign", "x", "--actor", ""), 2, "--actor must be an id or a name"),
    "assign an empty file": (("assign", "x", "--file", ""), 2, "the path is empty"),
    "assign of no run": (("assign", "x", "--genre", "War"), 2, "no run called 'x' in"),
    "assign of nothing": (("assign", "", "--genre", "War"), 2, "no run called ''"),
    "assign of a long name": (("assign", LONG, "--genre", "War"), 2, "no run called 'xxx"),
    "assign of a file": (("assign", "films.dat", "--genre", "War"), 2, "no run called 'films"),
    "diff one": (("diff", "x"), 2, "required: RUN"),
    "diff of no run": (("diff", "x", "y"), 2, f"{NO_RUN} 'x' in .*create one with `imdbclust run`"),
    "diff of a long name": (("diff", LONG, "y"), 2, "no run called 'xxx"),
    "diff of an escape sequence": (("diff", "\x1b[31m", "y"), 2, r"no run called '\\x1b\[31m'"),
    # runs, open, clean
    "runs of nothing": (("runs", "--out", ""), 2, "the path is empty"),
    "runs of an option": (("runs", "--all"), 2, "unrecognized arguments: --all"),
    "open without runs": (("open",), 2, "no runs in .*create one with `imdbclust run`"),
    "open no run": (("open", "x"), 2, "'x' in"),
    "open a long name": (("open", LONG), 2, "'xxx"),
    "open an escape sequence": (("open", "\x1b[31m"), 2, r"'\\x1b\[31m'"),
    "open two": (("open", "x", "y"), 2, "unrecognized arguments: y"),
    "clean for a week": (("clean", "--keep-days", "week"), 2, "'week' is not a number of days"),
    "clean for less than 0": (("clean", "--keep-days=-1"), 2, "'-1' is not a number of days"),
    "clean a run": (("clean", "x"), 2, "unrecognized arguments: x"),
    "clean nothing": (("clean", "--out", ""), 2, "the path is empty"),
    # bench
    "no such part": (("bench", "flight"), 2, "unknown part 'flight'; choose from import"),
    "no measurements": (("bench", "--runs", "0"), 2, "--runs must be at least 1, not 0"),
    "no seeds": ((*BENCH, "--seeds", "0"), 2, "--seeds must be at least 1, not 0"),
    "one part": ((*BENCH, "--subsamples", "1"), 2, "--subsamples must be at least 2, not 1"),
    "one cluster": ((*BENCH, "--clusters", "1"), 2, "--clusters must be at least 2, not 1"),
    "no such peer": ((*BENCH, "--peer", "netflix"), 2, "netflix"),
    "the bench of no films": ((*BENCH, "--dataset", "none.jsonl"), 2, "no file is called"),
    "the bench into a file": ((*BENCH[:-1], "films.dat"), 1, "films.dat/bench: Not a directory"),
}  # fmt: skip

VARIABLES = {
    # the variable, its value, the words, the exit code, what is said
    "engine": ("IMDBCLUST_ENGINE", "cold", RUN, 2, "unknown engine 'cold'; choose auto"),
    "engine of spaces": ("IMDBCLUST_ENGINE", " ", RUN, 2, "unknown engine ' '"),
    "reports a file": ("IMDBCLUST_REPORTS", "films.dat", RUN[:3], 2, NO_OUT),
    "reports in /proc": ("IMDBCLUST_REPORTS", "/proc/x", RUN[:3], 2, NO_OUT),
    "reports of a long name": ("IMDBCLUST_REPORTS", LONG, RUN[:3], 2, "File name too long"),
    "data of no one": ("IMDBCLUST_DATA", "~nobody-here", ("run", "--dataset", "imdb"), 2, "nobody"),
    "data a file": ("IMDBCLUST_DATA", "films.dat", ("run", "--dataset", "imdb"), 2, "put imdb_mov"),
    "data nowhere": ("IMDBCLUST_DATA", "nowhere", ("run", "--dataset", "imdb"), 2, "put imdb_mov"),
    "growth a word": ("IMDBCLUST_MAX_EXPANSION", "big", ("check", "f.jsonl.gz"), 2, NO_FACTOR),
    "growth nan": ("IMDBCLUST_MAX_EXPANSION", "nan", ("check", "f.jsonl.gz"), 2, NO_FACTOR),
    "growth below 0": ("IMDBCLUST_MAX_EXPANSION", "-1", ("check", "f.jsonl.gz"), 2, NO_FACTOR),
    "limit a word": ("IMDBCLUST_STAGES_LIMIT", "lots", RUN, 2, "IMDBCLUST_STAGES_LIMIT must be a"),
    "limit below 0": ("IMDBCLUST_STAGES_LIMIT", "-1GB", RUN, 2, "a number and a unit, e.g. 2GB"),
    "limit of digits": ("IMDBCLUST_STAGES_LIMIT", "9" * 400, RUN, 2, "must be a number and a unit"),
    "columns a word": ("COLUMNS", "wide", ("run", "--fast"), 2, "unrecognized arguments"),
    "columns 1": ("COLUMNS", "1", ("fly",), 2, "invalid choice: 'fly'"),
    "columns -1": ("COLUMNS", "-1", ("fly",), 2, "invalid choice: 'fly'"),
    "a dumb terminal": ("TERM", "dumb", (*RUN, "--name", ".."), 2, NO_NAME),
    "an impossible home": ("HOME", "/proc/nobody", (*RUN, "--name", ".."), 2, NO_NAME),
}  # fmt: skip


def table():
    """Return all cases: words, exit code, what is said, a variable, a file to write first."""
    cases = {}
    for name, (parameter, value, says) in PARAMETERS.items():
        cases[f"parameter, {name}"] = ((*RUN, "-p", parameter, value), 2, says)
    for name, (option, says) in NAMES.items():
        cases[f"name, {ascii(name)[:40]}"] = ((*RUN, option), 2, says)
    for name, (dataset, says) in DATASETS.items():
        cases[f"dataset, {name}"] = (("run", f"--dataset={dataset}", "--out", "reports"), 2, says)
    for name, (out, says) in PLACES.items():
        cases[f"out, {name}"] = ((*RUN[:-1], out), 2, says)
    for name, (words, code, says) in CALLS.items():
        cases[f"call, {name}"] = (words, code, says)
    for name, (variable, value, words, code, says) in VARIABLES.items():
        cases[f"variable, {name}"] = (words, code, says, {variable: value})
    for name, (text, line, says) in SWEEPS.items():
        place = rf"bad\.yml:{line}: .*(?:{says})" if line else rf"bad\.yml.*(?:{says})"
        if "is impossible" in says:
            place = says
        words = ("sweep", "bad.yml", "--dataset", "films.jsonl", "--out", "reports")
        cases[f"sweep, {name}"] = (words, 2, place, {}, ("bad.yml", text))
    films = ("run", "--dataset", "bad.jsonl", "--out", "reports")
    for name, (line, field, says, _) in BAD_RECORDS.items():
        content = GOOD_LINE + b"\n" + line + b"\n"
        place = rf"bad\.jsonl:2: {re.escape(field)}.*{re.escape(says)}"
        cases[f"film, {name}"] = (films, 2, place, {}, ("bad.jsonl", content))
    for name, (content, says) in REFUSED.items():
        if says.startswith("none of") and "|" not in says:
            says = r"bad records:\n  bad\.jsonl:1: "
        cases[f"films, {name}"] = (films, 2, says, {}, ("bad.jsonl", content))
    for name, (content, code, _, says) in TABLES.items():
        if code == 2:
            words = ("import", "bad.csv", "--to", "new.jsonl")
            cases[f"table, {name}"] = (words, 2, says, {}, ("bad.csv", content))
    return cases


CASES = table()


def test_there_are_enough_bad_calls():
    assert len(CASES) >= 400
    assert {words[0] for words, *_ in CASES.values() if words} >= {
        "run", "sweep", "fetch", "import-imdb", "sample", "check", "import", "merge",
        "assign", "diff", "bench", "runs", "open", "clean",
    }  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with films, a table, dumps and some things that are in the way."""
    here = tmp_path_factory.mktemp("here")
    write_corpus(make_filmography(40, 40, random_state=7).corpus, here / "films.jsonl")
    write_corpus(make_filmography(40, 40, random_state=7).corpus, here / "f.jsonl.gz")
    shutil.copyfile(here / "films.jsonl", here / "odd.jsonl")
    (here / "odd.jsonl.source.json").write_text("[")
    LargeSample(30, 20, 60).write_dumps(here / "dumps")
    (here / "table.csv").write_text("title,actor\nA,B\nC,D\n")
    (here / "gaps.csv").write_text("title,actor\nA,B\n,D\n")
    (here / "films.dat").write_text("rubbish")
    (here / "sweep.yml").write_text(GRID)
    (here / "full.jsonl").symlink_to("/dev/full")
    (here / "dangling").symlink_to("nowhere/deep")
    (here / "loop").symlink_to("loop")
    for folder in ("empty", "folder.jsonl", "taken"):
        (here / folder).mkdir()
    (here / "taken" / "stages").write_text("a file")
    for run in ("films-recommended", "sweep-sweep"):
        (here / "precious" / run).mkdir(parents=True)
        (here / "precious" / run / "thesis.txt").write_text("years of work")
    return here


@pytest.fixture
def call(here, monkeypatch, capsys):
    """Call the command in that folder; nothing may be executed, downloaded, left or changed."""

    def started(*args, **kwargs):
        raise AssertionError("something was started")

    def no_network(*args, **kwargs):
        raise requests.ConnectionError

    monkeypatch.chdir(here)
    monkeypatch.setattr(running, "execute_once", started)
    monkeypatch.setattr(sweeping, "SettingReports", started)
    monkeypatch.setattr(requests, "get", no_network)
    monkeypatch.setenv("IMDBCLUST_ENGINE", "plain")
    monkeypatch.setenv("IMDBCLUST_REPORTS", str(here / "reports"))
    monkeypatch.delenv("IMDBCLUST_DATA", raising=False)

    def call(words):
        before = contents(here)
        try:
            code = cli.main(list(words))
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        assert contents(here) == before
        said = out + err
        assert "Traceback" not in said
        assert all(c.isprintable() or c == "\n" for c in said)
        assert len(said) < 5_000
        return code, said

    return call


def contents(folder):
    """Return all that lies below a folder, with sizes and times of files."""
    found = {}
    for path in folder.rglob("*"):
        about = path.lstat()
        found[path] = (about.st_size, about.st_mtime_ns) if path.is_file() else about.st_mode
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_bad_call_is_refused_in_words_and_leaves_nothing(case, here, call, monkeypatch):
    words, code, says, variables, file = (*case, *({}, None)[len(case) - 3 :])
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    if file:
        name, content = file
        (here / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        found, said = call(words)
    finally:
        if file:
            (here / name).unlink()
    assert re.search(says, said), said
    assert found == code


# What a run left, damaged


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def empty(path):
    path.write_bytes(b"")


def lose(path):
    path.unlink()


def make_folder(path):
    path.unlink()
    path.mkdir()


def write_rubbish(path):
    path.write_bytes(b"\xff\xfe rubbish")


def add_objects(path):
    with np.load(path, allow_pickle=False) as arrays:
        kept = dict(arrays)
    np.savez(path, **kept, more=np.array([{"a": 1}], dtype=object))


def swap(path):
    other = path.with_name("movies.parquet" if path.name != "movies.parquet" else "actors.parquet")
    path.write_bytes(other.read_bytes())


def link_away(path):
    away = path.parents[4] / "away"
    shutil.copyfile(path, away)
    path.unlink()
    path.symlink_to(away)
    write_rubbish(away)


def add_file(path):
    (path.parent / "more").touch()


DAMAGED = {
    # the file, below the folder for reports, and what is done to it
    (name, harm.__name__): (name, harm)
    for name, harms in {
        "stages/01_load-*/artifact/movies.parquet": (flip, cut, empty, lose, make_folder, swap),
        "stages/01_load-*/artifact/credits.parquet": (flip, lose, swap, link_away),
        "stages/01_load-*/artifact/corpus.json": (flip, empty, lose, write_rubbish),
        "stages/02_matrix-*/artifact/incidence.npz": (flip, cut, empty, lose, write_rubbish),
        "stages/02_matrix-*/artifact/i*.npz": (add_objects,),
        "stages/03_reduction-*/artifact/embedding.npz": (flip, cut, lose, add_objects),
        "stages/04_clustering-*/artifact/clustering.npz": (flip, lose, write_rubbish, add_objects),
        "stages/04_clustering-*/artifact/movie_to_cluster.csv": (flip, cut, add_file),
        "stages/04_clustering-*/tables/cluster_profiles.csv": (flip, empty, lose),
        "stages/04_clustering-*/record.json": (cut, empty, lose, write_rubbish),
    }.items()
    for harm in harms
}


@pytest.fixture(scope="module")
def results(finished_run, tmp_path_factory):
    """A folder for reports with a run in it that may be damaged."""
    out = tmp_path_factory.mktemp("results")
    for folder in (*stages_of(finished_run), finished_run):
        shutil.copytree(folder, out / folder.relative_to(finished_run.parent))
    return out


@pytest.fixture
def assign(results, capsys):
    def assign():
        capsys.readouterr()
        code = cli.main(["assign", "small", "--out", str(results), "--genre", "Drama"])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out + err

    return assign


@pytest.mark.parametrize(("name", "harm"), DAMAGED.values(), ids=map(" ".join, DAMAGED))
def test_a_damaged_stage_is_named_and_not_read(name, harm, results, assign, tmp_path):
    [path] = results.glob(name)
    stage = results / path.relative_to(results).parents[-3]
    shutil.copytree(stage, tmp_path / "sound")
    try:
        harm(path)
        code, said = assign()
    finally:
        shutil.rmtree(stage)
        (tmp_path / "sound").rename(stage)
    assert code == 2
    assert f"{stage} is damaged; run 'small' again first" in said
    assert assign()[0] == 0


MANIFESTS = {
    # what stands in a manifest: what is said
    "nothing": ("", "Expecting value"),
    "half of it": ("{", "Expecting property name"),
    "a list": ("[]", "Expected `object`, got `array`"),
    "null": ("null", "Expected `object`, got `null`"),
    "no field": ("{}", "missing required field"),
    "no UTF-8": (b"\xff", "can't decode"),
    "brackets": ("[" * 100_000, "nested too deeply"),
    "stages a number": ({"stages": 3}, r"got `int` - at `\$.stages`"),
    "a stage without a key": ({"stages": [{"stage": "01_load"}]}, "missing required field `key`"),
    "a stage elsewhere": ({"stages": [{"stage": "../../x", "key": "ab"}]}, "matching regex"),
    "a key elsewhere": ({"stages": [{"stage": "01_load", "key": "../x"}]}, "matching regex"),
    "no dataset": ({"dataset": 3}, r"\$.dataset"),
    "a version a number": ({"versions": {"python": 3}}, r"\$.versions"),
    "parameters of numbers": ({"parameters": {"tol": 1}}, r"\$.parameters"),
    "settings of a sweep": ({"settings": "many"}, "missing required field|settings"),
}


@pytest.mark.parametrize(("content", "says"), MANIFESTS.values(), ids=MANIFESTS)
def test_an_invalid_manifest_is_named(content, says, results, finished_run, assign, capsys):
    path = results / "small" / "manifest.json"
    before = path.read_bytes()
    if isinstance(content, dict):
        content = json.dumps(json.loads(before) | content)
    try:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        code, said = assign()
        assert cli.main(["diff", str(finished_run), str(results / "small")]) == 2
        also = capsys.readouterr().err
    finally:
        path.write_bytes(before)
    assert code == 2
    for sentence in (said, also):
        assert f"{path} is not a valid manifest of a run" in sentence
        assert re.search(says, sentence)
        assert "Traceback" not in sentence


@pytest.mark.parametrize("name", ["movie_to_cluster.csv", "tables/p_genre.csv"])
@pytest.mark.parametrize("harm", [empty, write_rubbish, cut, lose])
def test_damaged_tables_are_compared_or_named(name, harm, results, finished_run, capsys):
    path = results / "small" / name
    before = path.read_bytes()
    try:
        harm(path)
        code = cli.main(["diff", str(finished_run), str(results / "small")])
    finally:
        path.write_bytes(before)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    no_table = harm in (empty, write_rubbish) or (harm, name) == (cut, "movie_to_cluster.csv")
    assert code == (2 if no_table else 1)
    assert (f"{path} is damaged" in err) if code == 2 else (path.stem in out)


def test_the_notebooks_of_a_damaged_run_say_so(results, monkeypatch):
    from imdbclust.running import open_stage
    from imdbclust.running.parameters import ParameterError, declared_in
    from imdbclust.running.stages import notebook_of

    monkeypatch.setenv("IMDBCLUST_REPORTS", str(results))
    declared = declared_in(notebook_of("matrix"))
    values = {name: one.default for name, one in declared.items()} | {"from_run": "small"}
    [path] = results.glob("stages/01_load-*/artifact/movies.parquet")
    before = path.read_bytes()
    cut(path)
    try:
        with pytest.raises(ParameterError, match=r"from_run: .*01_load-.* is damaged; run 'small'"):
            open_stage("matrix", values)
    finally:
        path.write_bytes(before)


# Surroundings


NO_LOCALE = {"LC_ALL": "C", "LANG": "C", "TERM": "dumb", "COLUMNS": "1"}
ASCII = {"PYTHONIOENCODING": "ascii"}


def start(words, *, environment=(), without=(), cwd=None, **options):
    """Start the command as a process of its own."""
    variables = {k: v for k, v in os.environ.items() if k not in ("IMDBCLUST_DATA", *without)}
    return subprocess.run(
        [sys.executable, "-m", "imdbclust", *words],
        cwd=cwd,
        env=variables | dict(environment),
        stderr=subprocess.PIPE,
        timeout=300,
        **options,
    )


@pytest.fixture
def accented(tmp_path):
    """A file of films in several scripts, in a folder whose name needs quoting."""
    folder = tmp_path / 'o\'quotes "and" spaces $x é 電影 {x}'
    folder.mkdir()
    film = {"title": "É 電影", "genres": ["Drama"]}
    casts = [["a", "b"], ["a", "b"], ["b", "c"], ["c", "a"], ["d", "a"]]
    lines = [
        json.dumps(
            {**film, "imdb_id": f"é{n}", "actors": [[one, f"ø {one}"] for one in cast]},
            ensure_ascii=False,
        )
        for n, cast in enumerate(casts)
    ]
    path = folder / os.fsdecode("films é".encode() + b"\xff.jsonl")  # no Unicode
    path.write_text("\n".join(lines) + "\n{\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "environment",
    [NO_LOCALE | ASCII, {"PYTHONIOENCODING": "ascii:strict"}],
    ids=["locale C", "strict"],
)
def test_what_an_encoding_lacks_is_written_out(environment, accented):
    done = start(["check", accented.name], environment=environment, cwd=accented.parent, stdout=-1)
    assert done.returncode == 1
    assert done.stderr == b""
    assert done.stdout.decode("ascii").count("films \\xe9\\udcff.jsonl") == 2


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--help"),
        ("check", "films.jsonl"),
        ("sample", "--movies", "20", "--actors", "20", "--to", "new.jsonl"),
    ],
)
def test_a_reader_that_goes_away_early_gets_no_traceback(words, here, tmp_path):
    shutil.copyfile(here / "films.jsonl", tmp_path / "films.jsonl")
    reading, writing = os.pipe()
    os.close(reading)
    done = start(words, cwd=tmp_path, stdout=writing)
    os.close(writing)
    assert done.returncode in (0, 1)
    assert done.stderr == b""


def test_without_any_output_the_work_is_done_all_the_same(here, tmp_path):
    command = f"exec {sys.executable} -m imdbclust merge films.jsonl --to {tmp_path}/new.jsonl >&-"
    done = subprocess.run(["sh", "-c", command], cwd=here, stderr=-1, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "new.jsonl").read_bytes() == (here / "films.jsonl").read_bytes()


FEW = {
    "n_clusters": "2", "n_components": "2", "n_init": "2", "map_max_movies": "0",
    "evaluation": "off", "explorer": "false", "on_problem": "skip",
}  # fmt: skip


def run_few(film, **how):
    parameters = [word for name, value in FEW.items() for word in ("-p", name, value)]
    words = ["run", "--dataset", film.name, "--out", "reports é", "--name", "few", *parameters]
    done = start(words, cwd=film.parent, stdout=-1, **how)
    said = done.stderr.decode(errors="replace")
    assert "Traceback" not in said
    assert done.returncode == 0, said
    return film.parent / "reports é" / "few", done


def test_a_run_in_an_odd_place_without_home_locale_or_terminal(accented):
    folder, done = run_few(
        accented,
        environment=NO_LOCALE | ASCII,
        without=("HOME", "USER", "LOGNAME"),
    )
    assert done.stdout.decode("ascii").endswith("/reports \\xe9/few/index.html\n")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "done"
    assert {stage["kernel"] for stage in manifest["stages"]} <= {"warm", "plain"}
    assert (folder / "movie_to_cluster.csv").read_text(encoding="utf-8").count("é") == 5
    left = [path.name for path in folder.parent.iterdir()]
    assert sorted(left) == ["few", "stages"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {
            "HOME": "/proc/nowhere",
            "MPLBACKEND": "nonsense",
            "OMP_NUM_THREADS": "many",
            "TZ": "Nowhere/Here",
            "LANG": "xx_XX",
        },
        {  # where these folders are set, HOME is not asked
            "IPYTHONDIR": "/proc/nowhere",
            "JUPYTER_CONFIG_DIR": "/proc/nowhere",
            "JUPYTER_PATH": "/proc/nowhere",
            "JUPYTER_PREFER_ENV_PATH": "0",
            "PYTHONHASHSEED": "random",
            "PYTHONWARNINGS": "always",
        },
    ],
    ids=lambda environment: next(iter(environment)),
)
@pytest.mark.parametrize("engine", ["warm", "plain"])
def test_a_run_in_odd_surroundings(accented, environment, engine):
    folder, _ = run_few(accented, environment=environment | {"IMDBCLUST_ENGINE": engine})
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {stage["kernel"] for stage in manifest["stages"]} == {engine}


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
def test_a_folder_that_is_read_only_is_refused(here, call, tmp_path):
    folder = tmp_path / "fixed"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], stderr=-1)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        code, said = call((*RUN[:-1], str(folder)))
        assert (code, f"{folder}: reports cannot be written there: Read-only" in said) == (2, True)
        code, said = call((*SAMPLE, f"{folder}/s.jsonl"))
        assert (code, "cannot be written: Read-only file system" in said) == (1, True)
    finally:
        with suppress(OSError):
            subprocess.run(["umount", folder], check=False)
