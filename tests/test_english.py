"""The project's English: patterns that a native reader stumbles over are nowhere in its texts."""

import re

import pytest

from imdbclust.base.paths import REPOSITORY

STUMBLES = re.compile(
    r"\bis none\b|\bis no (?!longer)[a-z]|[Ss]o (many|long|often) |\btold\b|\bat hand\b"
    r"|there (already|twice)|^Of |there is \{",
    re.MULTILINE,
)
"""What to write instead: subject, verb, object, and the standard term where one exists."""

TEXTS = sorted(
    path
    for pattern in (
        "imdbclust/**/*.py",
        "imdbclust/**/*.j2",
        "imdbclust/**/*.js",
        "imdbclust/**/*.css",
        "notebooks/*",
        "pictures/*.py",
        "tests/*.py",
        "*.md",
        "*/README.md",
        "Makefile",
        "pyproject.toml",
        ".ci/run",
    )
    for path in REPOSITORY.glob(pattern)
    if path.is_file() and path.suffix != ".csv" and path.name != "test_english.py"
)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_no_text_has_a_pattern_that_readers_stumble_over(path):
    text = path.read_text(encoding="utf-8")
    assert [match[0] for match in STUMBLES.finditer(text)] == []


@pytest.mark.parametrize(
    "text",
    ["this is none", "it is no text", "So many rows", "was told", "films at hand", "Of 3 movies"],
)
def test_the_pattern_finds_what_it_is_for(text):
    assert STUMBLES.search(text)
