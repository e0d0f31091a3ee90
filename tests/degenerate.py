"""Degenerate films, and a search for unexplained gaps in the reports of their runs."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import nbformat

from imdbclust.display.csv_files import read_table
from imdbclust.display.missing_values import is_missing

GENRES = ("Drama", "War", "Comedy", "Western")


def movie(number: int, cast, **changes) -> dict:
    """Return a record of a corpus file; a change to None leaves the key out."""
    record = {
        "imdb_id": f"m{number:04d}",
        "title": f"Movie {number}",
        "genres": [GENRES[number % 2]],
        "actors": [[f"a{actor}", f"Actor {actor}"] for actor in cast],
        "year": 1950 + number % 50,
        "rating": {"avg": 2 + number % 7, "votes": 10 * number},
    }
    return {key: value for key, value in (record | changes).items() if value is not None}


def troupes(n_movies: int = 60, n_troupes: int = 3, **changes) -> list[dict]:
    """Return movies of troupes of ten actors, no actor in two of them, each with a genre."""
    random = Random(1)
    records = []
    for number in range(n_movies):
        troupe = number % n_troupes
        cast = random.sample(range(10 * troupe, 10 * troupe + 10), 4)
        genres = [GENRES[troupe], *(["Crime"] if random.random() < 0.3 else [])]
        records.append(movie(number, cast, **({"genres": genres} | changes)))
    return records


def of_all(records: list[dict], **changes) -> list[dict]:
    """Return the records with the same changes to each."""
    return [record | changes for record in records]


USUAL = {"n_clusters": 3, "n_components": 4, "n_init": 3}
TWO, ONE = USUAL | {"n_clusters": 2}, {"n_clusters": 1, "n_components": 1, "n_init": 1}

PAIRS = [movie(number, [number // 2]) for number in range(6)]
LONERS = [movie(number, [1000 + number]) for number in range(100, 154)]

BARE = [
    movie(99, [1, 2, 3], year=None, rating=None),
    *of_all(troupes(59, year=None, rating=None), genres=[]),
]
"""No years, no ratings, and a genre that no other movie has."""

GO_THROUGH = {
    "one actor": ([movie(number, [1]) for number in range(12)], TWO | {"n_components": 1}),
    "same cast": ([movie(number, [1, 2, 3, 4]) for number in range(12)], TWO),
    "two casts": ([movie(number, [number % 2, 8, 9]) for number in range(60)], USUAL),
    "as many clusters as movies": (troupes(9), USUAL | {"n_clusters": 9}),
    "components above the rank": (
        [movie(number, range(4 * (number % 3), 4 * (number % 3) + 4)) for number in range(60)],
        USUAL | {"n_components": 8},
    ),
    "as many components as movies": (troupes(8), TWO | {"n_components": 8}),
    "as many components as actors": (troupes(40, 1), TWO | {"n_components": 10}),
    "one component": (troupes(), USUAL | {"n_components": 1}),
    "one cluster": (troupes(), USUAL | {"n_clusters": 1}),
    "a genre of all": (of_all(troupes(), genres=["Drama"]), USUAL),
    "a genre of one, no years, no ratings": (BARE, USUAL),
    "ratings of one genre": (
        [one | ({"rating": {}} if "War" not in one["genres"] else {}) for one in troupes()],
        USUAL | {"target_genre": "Drama"},
    ),
    "hardly any cast": (
        [*PAIRS, *(movie(number, []) for number in range(100, 154))],
        USUAL | {"n_components": 2},
    ),
    "hardly any link": ([*PAIRS, *LONERS], USUAL | {"n_components": 2, "n_clusters": 1}),
    "one large cast": ([*troupes(), movie(999, range(10_000))], USUAL),
    "the same cast under other ids": (
        [*troupes(), *(one | {"imdb_id": f"x{one['imdb_id']}"} for one in troupes()[:40])],
        USUAL,
    ),
    "two blocks": (troupes(n_troupes=2), TWO),
    "no genres": (troupes(genres=[]), USUAL),
    "no genres, no years, no ratings": (troupes(genres=[], year=None, rating=None), USUAL),
    "no genres, made up of one cast": (
        of_all([movie(number, [1, 2, 3, 4]) for number in range(12)], genres=[]),
        TWO,
    ),
    "one genre, no ratings": (of_all(troupes(rating=None), genres=["Drama"]), USUAL),
    "one form only": (of_all(troupes(), genres=["Silent"]), USUAL),
    "no years": (troupes(year=None), USUAL),
    "one year, no ratings": (troupes(year=1999, rating=None), USUAL),
}
"""Films and parameters of runs that succeed with either preset."""

OF_NO_CAST = {
    "a genre of all",
    "a genre of one, no years, no ratings",
    "ratings of one genre",
    "no genres",
    "no genres, made up of one cast",
    "one genre, no ratings",
    "one form only",
    "no years",
    "one year, no ratings",
}
"""Films that differ in what does not follow the preset; one preset is enough for them."""

SEED_ONLY = {
    "one movie": ([movie(0, [1, 2, 3])], ONE),
    "nothing shared": (
        [movie(number, range(3 * number, 3 * number + 3)) for number in range(30)],
        USUAL,
    ),
}
"""The same, where the other preset has nothing to cluster."""


def write_films(records: list[dict], folder: Path) -> Path:
    """Write records as a corpus file."""
    path = Path(folder) / "films.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def given(parameters: dict) -> list[str]:
    """Return parameters as words of a command."""
    return [word for name, value in parameters.items() for word in ("-p", name, str(value))]


def complaints(folder: Path) -> list[str]:
    """Return the problems that a reader of a finished run would see.

    Gaps in tables without a stated reason, ``nan`` and similar words in readable text, and
    warnings of libraries.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    index = text_of(folder / "index.html")
    found = []
    for stage in manifest["stages"]:
        page = text_of(folder / f"{stage['stage']}.html")
        for table in stage["tables"]:
            frame = read_table(folder / "tables" / f"{table['name']}.csv")
            for column in [name for name in frame if is_missing(frame[name]).any()]:
                if not any(_names(sentence, column) for sentence in table["missing"]):
                    found.append(f"{table['name']}: {column} is missing without a reason")
            if frame.empty and not table["missing"]:
                found.append(f"{table['name']}: no rows without a reason")
            for where, text in (("index", index), ("page", page)):
                unsaid = [said for said in table["missing"] if said not in text]
                found += [f"{table['name']}: {said!r} is not on the {where}" for said in unsaid]
        for cell in nbformat.read(folder / "notebooks" / f"{stage['stage']}.ipynb", 4).cells:
            for output in cell.get("outputs", []):
                if output.output_type not in ("display_data", "execute_result"):
                    found.append(f"{stage['stage']}: printed {str(output)[:200]}")
    for path in sorted(folder.glob("*.html")):
        for match in NO_WORDS.finditer(text_of(path)):
            found.append(f"{path.name}: {match[0]!r}")
    return found


NO_WORDS = re.compile(
    r".{,60}(?<![\w-])"
    r"([Nn]a[nN]|NaT|None|<NA>|inf|-0\.0+|cluster -1|\w+Warning:|site-packages)(?!\w).{,60}"
)


def _names(sentence: str, column: str) -> bool:
    return column.replace("_", " ") in sentence or re.search(r" and \d+ others?: ", sentence)


def text_of(page: Path) -> str:
    """Return the readable text of a page, with alternative texts of figures but without code."""
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return "".join(reader.texts)


class _Reader(HTMLParser):
    UNREAD = ("script", "style", "pre", "code")

    def __init__(self):
        super().__init__()
        self.texts, self._unread = [], 0

    def handle_starttag(self, tag, attrs):
        self._unread += tag in self.UNREAD
        self.texts += [f"\n{value}\n" for name, value in attrs if name in ("alt", "aria-label")]
        self.texts.append("\n" if tag in ("p", "td", "th", "li", "caption", "div") else "")

    def handle_endtag(self, tag):
        self._unread -= tag in self.UNREAD

    def handle_data(self, data):
        self.texts.append("" if self._unread else data)
