"""Where films come from: the order of places, and that only registered bytes count."""

import gzip
import hashlib
import json
import os
import re
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from imdbclust.base.errors import DatasetError
from imdbclust.commands import cli
from imdbclust.datasets import download
from imdbclust.datasets import find as datasets
from imdbclust.datasets.find import fetch, find_dataset
from imdbclust.datasets.registry import IMDB, WIKIPEDIA, Entry, Source
from imdbclust.datasets.wikipedia import movie_id_of, read_wikipedia
from imdbclust.load import CorpusError

HELLO_BLOB = "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object of "hello\n"
EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
ABC_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

IMDB_BYTES = b'{"imdb_id": "tt1", "title": "T", "genres": [], "actors": [["nm1", "Ada"]]}\n'
DECADES = {
    "wiki/movies-a.json": b'[{"title": "A", "year": 1931, "cast": ["Ada"], "genres": ["War"]}]',
    "wiki/movies-b.json": b'[{"title": "B", "year": 1942, "cast": ["Bo"], "genres": []}]',
}


def git_blob_id(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def put(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# Verification


@pytest.mark.parametrize(
    ("algorithm", "digest", "content"),
    [
        ("git blob id", HELLO_BLOB, b"hello\n"),
        ("git blob id", EMPTY_BLOB, b""),
        ("sha256", ABC_SHA256, b"abc"),
    ],
)
def test_a_file_is_verified_by_its_content(tmp_path, algorithm, digest, content):
    path = tmp_path / "film"
    entry = Entry("film", "", algorithm, digest)
    path.write_bytes(content)
    assert entry.verify(path)
    path.write_bytes(content + b"\n")
    assert not entry.verify(path)


def test_a_file_larger_than_one_block_is_verified(tmp_path):
    content = os.urandom(2**20) + b"the rest"
    (tmp_path / "film").write_bytes(content)
    assert Entry("film", "", "git blob id", git_blob_id(content)).verify(tmp_path / "film")
    sha256 = hashlib.sha256(content).hexdigest()
    assert Entry("film", "", "sha256", sha256).verify(tmp_path / "film")
    assert datasets.file_sha256(tmp_path / "film") == sha256


@pytest.mark.parametrize("source", [IMDB, WIKIPEDIA], ids=lambda source: source.name)
def test_every_registered_file_has_a_pinned_https_address_and_a_whole_hash(source):
    assert source.licence
    for entry in source.entries:
        assert re.match(r"https://raw\.githubusercontent\.com/\w+/[\w.-]+/[0-9a-f]{40}/", entry.url)
        assert entry.url.endswith(Path(entry.path).name)
        length = {"sha256": 64, "git blob id": 40}[entry.algorithm]
        assert re.fullmatch(rf"[0-9a-f]{{{length}}}", entry.digest)


# Finding


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Empty stand-ins for data/ and the mirror, small stand-ins for the sources, no network."""
    data, mirror = tmp_path / "data", tmp_path / "mirror"
    mirror.mkdir()
    imdb = Entry("imdb.json", "https://example.invalid/imdb.json", "git blob id", "")
    imdb = replace(imdb, digest=git_blob_id(IMDB_BYTES))
    decades = [
        Entry(path, f"https://example.invalid/{path}", "sha256", hashlib.sha256(films).hexdigest())
        for path, films in DECADES.items()
    ]
    monkeypatch.setattr(datasets, "DATA", data)
    monkeypatch.setenv("IMDBCLUST_DATA", str(mirror))
    monkeypatch.setattr(datasets, "IMDB", Source("imdb", "Films of I", "terms", "at i", (imdb,)))
    monkeypatch.setattr(
        datasets, "WIKIPEDIA", Source("wikipedia", "Films of W", "terms", "at w", tuple(decades))
    )
    asked = []

    def no_network(url, path, **_):
        asked.append(url)
        raise DatasetError(f"{url} cannot be downloaded (no connection)")

    monkeypatch.setattr(download, "download", no_network)
    return data, mirror, asked


@pytest.fixture
def data(places):
    return places[0]


@pytest.fixture
def mirror(places):
    return places[1]


@pytest.fixture
def asked(places):
    return places[2]


@pytest.mark.parametrize("name", ["imbd", "", "IMDB", "no/such/films.jsonl"])
def test_an_unknown_name_is_refused_with_a_similar_one_or_with_all_names(name):
    hint = "did you mean imdb" if name.lower()[:2] == "im" else "auto, imdb, wikipedia, sample"
    with pytest.raises(DatasetError, match=hint) as caught:
        find_dataset(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["films", "films.gz", "films.json.zip"])
def test_the_content_of_a_file_decides_and_not_its_ending(tmp_path, name):
    (tmp_path / name).write_bytes(IMDB_BYTES)
    assert find_dataset(str(tmp_path / name)).read().movies["movie_id"].tolist() == ["tt1"]


def test_a_table_is_a_dataset(tmp_path):
    (tmp_path / "films.csv").write_bytes(b"title,actor\nA,B\n")
    found = find_dataset(str(tmp_path / "films.csv"))
    assert (found.read().n_movies, found.read().n_actors) == (1, 1)


def test_an_empty_folder_is_not_a_dataset(tmp_path):
    with pytest.raises(CorpusError, match="no table in this folder: it is empty"):
        find_dataset(str(tmp_path)).read()


@pytest.mark.parametrize("name", ["f.json", "f.jsonl", "f.ndjson", "f.jsonl.gz", "my.own.json.gz"])
def test_a_file_of_ones_own_is_read(tmp_path, name):
    (tmp_path / name).write_bytes(IMDB_BYTES)
    found = find_dataset(str(tmp_path / name))
    assert (found.name, found.licence, found.url, found.synthetic) == (name, "", "", False)
    assert found.files == (tmp_path / name,)
    corpus = found.read()
    assert corpus.movies["movie_id"].tolist() == ["tt1"]
    assert corpus.source["sha256"] == hashlib.sha256(IMDB_BYTES).hexdigest()


def test_a_file_of_ones_own_passes_on_what_to_do_with_problems(tmp_path):
    (tmp_path / "f.jsonl").write_bytes(b"{\n" + IMDB_BYTES)
    found = find_dataset(str(tmp_path / "f.jsonl"))
    with pytest.raises(CorpusError, match=r"f\.jsonl:1"):
        found.read()
    assert len(found.read(on_problem="skip").problems) == 1


def test_licence_and_address_come_from_the_file_beside(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_bytes(IMDB_BYTES)
    about = {"licence": "CC BY 4.0", "url": "https://example.org", "title": "else"}
    (tmp_path / "f.jsonl.source.json").write_text(json.dumps(about))
    source = find_dataset(str(path)).read().source
    assert (source["licence"], source["url"]) == ("CC BY 4.0", "https://example.org")
    assert source["title"] == "Films of the file f.jsonl"


@pytest.mark.parametrize("about", [b"{", b"[]", b'"licence"', b"\xff"])
def test_a_broken_file_beside_is_refused_by_name(tmp_path, about):
    (tmp_path / "f.jsonl").write_bytes(IMDB_BYTES)
    (tmp_path / "f.jsonl.source.json").write_bytes(about)
    with pytest.raises(DatasetError, match=r"f\.jsonl\.source\.json"):
        find_dataset(str(tmp_path / "f.jsonl"))


def test_the_sample_is_synthetic_and_says_so():
    found = find_dataset("sample")
    assert found.synthetic
    assert "Made-up" in found.title
    corpus = found.read()
    assert corpus.n_movies == 20_620
    assert corpus.source == found.describe()
    assert corpus.source["sha256"] == hashlib.sha256(b"sample").hexdigest()


def test_auto_takes_imdb_first(mirror, asked):
    put(mirror, {"imdb.json": IMDB_BYTES, **DECADES})
    found = find_dataset()
    assert (found.name, found.why, asked) == ("imdb", "", [])
    assert found.read().movies["movie_id"].tolist() == ["tt1"]


def test_auto_takes_wikipedia_second_without_asking_the_network(mirror, asked):
    put(mirror, DECADES)
    found = find_dataset()
    assert (found.name, asked) == ("wikipedia", [])
    assert found.read().movies["title"].tolist() == ["A", "B"]


def test_data_goes_before_the_mirror(data, mirror):
    put(mirror, {"imdb.json": IMDB_BYTES})
    put(data, {"imdb.json": IMDB_BYTES})
    assert find_dataset("imdb").files == (data / "imdb.json",)


def test_imdb_in_the_mirror_goes_before_wikipedia_in_data(data, mirror):
    put(mirror, {"imdb.json": IMDB_BYTES})
    put(data, DECADES)
    assert find_dataset().name == "imdb"


def test_auto_downloads_imdb_where_nothing_is_available(data, asked, monkeypatch):
    def succeed(url, path):
        asked.append(url)
        path.write_bytes(IMDB_BYTES)

    monkeypatch.setattr(download, "download", succeed)
    found = find_dataset()
    assert (found.name, found.files) == ("imdb", (data / "imdb.json",))
    assert asked == ["https://example.invalid/imdb.json"]


def test_auto_makes_up_films_last_and_says_why(data, asked):
    found = find_dataset()
    assert (found.name, found.synthetic) == ("sample", True)
    assert found.why.startswith("No real films are available: https://example.invalid/imdb.json")
    assert "put imdb.json into data/" in found.why
    assert asked == ["https://example.invalid/imdb.json"]
    assert files_in(data) == []


def test_auto_without_download_does_not_use_the_network(asked):
    assert "not available" in find_dataset(download=False).why
    assert asked == []


def test_auto_makes_up_films_where_data_cannot_be_written(data):
    data.write_bytes(b"a file where a folder should be")
    assert "cannot be written" in find_dataset().why


@pytest.mark.parametrize("name", ["imdb", "wikipedia"])
def test_a_named_dataset_that_cannot_be_had_is_an_error_with_advice(places, name):
    with pytest.raises(DatasetError, match=r"no connection.*; put \S+ into data/"):
        find_dataset(name)
    with pytest.raises(DatasetError, match=f"{name} is not available; put "):
        find_dataset(name, download=False)


@pytest.mark.parametrize("name", ["auto", "imdb"])
@pytest.mark.parametrize("folder", [0, 1], ids=["data", "mirror"])
def test_a_file_with_another_hash_is_refused_by_name(places, name, folder):
    put(places[folder], {"imdb.json": IMDB_BYTES + b"\n"})
    with pytest.raises(DatasetError, match="not the registered file of the dataset imdb") as caught:
        find_dataset(name)
    assert str(places[folder] / "imdb.json") in str(caught.value)
    assert git_blob_id(IMDB_BYTES) in str(caught.value)


def test_one_changed_file_of_several_is_refused_by_name(mirror):
    put(mirror, DECADES | {"wiki/movies-b.json": b"[]"})
    with pytest.raises(DatasetError, match=r"movies-b\.json: not the registered file"):
        find_dataset("wikipedia")


def test_a_source_with_a_file_missing_is_not_available(mirror):
    put(mirror, DECADES)
    (mirror / "wiki/movies-b.json").unlink()
    assert find_dataset(download=False).name == "sample"


def test_without_a_mirror_only_data_is_looked_at(data, monkeypatch):
    monkeypatch.setenv("IMDBCLUST_DATA", "")
    assert datasets.mirror() is None
    put(data, DECADES)
    assert find_dataset().name == "wikipedia"


def test_the_hash_of_several_files_is_that_of_their_hashes(mirror):
    put(mirror, DECADES)
    hashes = "\n".join(hashlib.sha256(films).hexdigest() for films in DECADES.values())
    assert find_dataset().sha256 == hashlib.sha256(hashes.encode()).hexdigest()


# Fetching


def test_fetch_copies_from_the_mirror(data, mirror, asked):
    put(mirror, DECADES)
    paths = fetch("wikipedia", to=data)
    assert [path.read_bytes() for path in paths] == list(DECADES.values())
    assert files_in(data) == sorted(DECADES)
    assert asked == []


def test_fetch_makes_files_that_others_may_read(data, mirror):
    put(mirror, {"imdb.json": IMDB_BYTES})
    (mirror / "imdb.json").chmod(0o400)
    [path] = fetch("imdb", to=data)
    assert path.stat().st_mode & 0o777 == 0o644


def test_fetch_refuses_another_file_of_the_mirror_and_leaves_nothing(data, mirror):
    put(mirror, {"imdb.json": b"rubbish"})
    with pytest.raises(DatasetError, match=r"imdb\.json: .*not the registered file.*not kept"):
        fetch("imdb", to=data)
    assert files_in(data) == []


def test_fetch_keeps_a_good_file_and_replaces_another(data, mirror):
    put(mirror, DECADES)
    put(data, DECADES | {"wiki/movies-b.json": b"[]"})
    before = (data / "wiki/movies-a.json").stat().st_ino
    fetch("wikipedia", to=data)
    assert (data / "wiki/movies-a.json").stat().st_ino == before
    assert (data / "wiki/movies-b.json").read_bytes() == DECADES["wiki/movies-b.json"]


def test_fetch_downloads_only_what_the_mirror_lacks(data, mirror, asked):
    put(mirror, {"wiki/movies-a.json": DECADES["wiki/movies-a.json"]})
    with pytest.raises(DatasetError, match=r"movies-b\.json cannot be downloaded"):
        fetch("wikipedia", to=data)
    assert asked == ["https://example.invalid/wiki/movies-b.json"]
    assert files_in(data) == ["wiki/movies-a.json"]


@pytest.mark.parametrize("name", ["sample", "auto", "films.jsonl"])
def test_fetch_knows_only_the_named_datasets(name):
    with pytest.raises(DatasetError, match="choose imdb or wikipedia"):
        fetch(name)


def test_fetch_into_a_place_that_cannot_be_written_says_so(mirror, tmp_path):
    put(mirror, {"imdb.json": IMDB_BYTES})
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"imdb\.json: cannot be written"):
        fetch("imdb", to=tmp_path / "taken")


# Downloading


@pytest.fixture(autouse=True)
def _a_server_here_may_do_without_encryption(monkeypatch):
    monkeypatch.setattr(download, "SCHEMES", ("https://", "http://127.0.0.1:"))


CONTENT = bytes(range(256)) * 1000
ZEROS_PACKED = gzip.compress(bytes(2**24))


class _Films(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/hang":
            self.server.closing.wait(60)
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path.startswith("/to="):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to="))
            self.end_headers()
            return
        if self.path == "/packed":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(ZEROS_PACKED)
            return
        self.send_response(200)
        extra = 10 if self.path in ("/broken", "/stalled") else 0
        self.send_header("Content-Length", str(len(CONTENT) + extra))
        self.end_headers()
        if self.path == "/trickle":  # never as long silent as patience allows
            with suppress(OSError):
                while not self.server.closing.wait(0.05):
                    self.wfile.write(b"x")
            return
        self.wfile.write(CONTENT)
        if self.path == "/stalled":
            self.wfile.flush()
            self.server.closing.wait(60)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    """Address of a server on this machine that answers well, badly or not at all."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Films) as running:
        running.closing = threading.Event()
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.closing.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def fetch_from(server, tmp_path, monkeypatch):
    """Fetch one file from that server into an empty folder, impatiently."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    real = download.download
    monkeypatch.setattr(download, "download", lambda url, path: real(url, path, patience=0.3))

    def fetch_one(place, digest=""):
        digest = digest or hashlib.sha256(CONTENT).hexdigest()
        entry = Entry("films.json", server + place, "sha256", digest)
        return download.fetch_files(Source("test", "", "", "", (entry,)), to=tmp_path / "to")

    return fetch_one


def test_a_good_file_is_downloaded(fetch_from, tmp_path):
    assert fetch_from("/good") == [tmp_path / "to/films.json"]
    assert (tmp_path / "to/films.json").read_bytes() == CONTENT
    assert files_in(tmp_path) == ["to/films.json"]


def test_a_download_with_another_hash_leaves_nothing(fetch_from, tmp_path):
    with pytest.raises(DatasetError, match=rf"films\.json: .*{ABC_SHA256}.*not kept"):
        fetch_from("/good", digest=ABC_SHA256)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("/missing", "HTTP status 404"),
        ("/hang", "no answer in time"),
        ("/broken", "cannot be downloaded"),
        ("/stalled", "cannot be downloaded"),
    ],
)
def test_a_failed_download_gives_up_quickly_and_leaves_nothing(fetch_from, tmp_path, place, reason):
    start = time.monotonic()
    with pytest.raises(DatasetError, match=reason) as caught:
        fetch_from(place)
    assert time.monotonic() - start < 30
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files_in(tmp_path) == []


def test_a_server_that_sends_too_little_is_given_up(fetch_from, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "BLOCK_SECONDS", 0.5)
    before = set(threading.enumerate())
    start = time.monotonic()
    with pytest.raises(DatasetError, match=r"\(less than 65\.5kB arrived in 0\.5 seconds\)$"):
        fetch_from("/trickle")
    assert time.monotonic() - start < 30
    assert files_in(tmp_path) == []
    until = time.monotonic() + 30
    while any("(run)" in one.name for one in set(threading.enumerate()) - before):  # the reader
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_failed_download_leaves_the_file_that_was_there(fetch_from, tmp_path):
    put(tmp_path, {"to/films.json": b"older"})
    with pytest.raises(DatasetError):
        fetch_from("/missing")
    assert (tmp_path / "to/films.json").read_bytes() == b"older"


def test_an_endless_download_is_cut_off(fetch_from, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", len(CONTENT) - 1)
    with pytest.raises(DatasetError, match="larger than any registered file"):
        fetch_from("/good")
    assert files_in(tmp_path) == []


def test_a_packed_answer_counts_as_large_as_it_becomes(fetch_from, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 2**20)
    with pytest.raises(DatasetError, match="larger than any registered file"):
        fetch_from("/packed")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "where", ["/good", "http://127.0.0.1:1/good", "ftp://example.org/x", "file:///etc/passwd"]
)
def test_an_address_that_leads_elsewhere_is_not_followed(fetch_from, tmp_path, where):
    with pytest.raises(DatasetError, match=f"redirects to {where}; the redirect was not followed"):
        fetch_from(f"/to={where}")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("scheme", ["http://", "HTTP://", "ftp://", "file://", "//", ""])
def test_only_https_is_asked(scheme, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(requests, "get", None)
    with pytest.raises(DatasetError, match="is not an https address"):
        download.download(f"{scheme}example.org/films.json", tmp_path / "films.json")
    assert files_in(tmp_path) == []


def test_a_download_of_just_the_allowed_size_is_kept(fetch_from, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", len(CONTENT))
    assert fetch_from("/good")


def test_a_closed_port_is_a_failed_connection(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DatasetError, match="no connection"):
        download.download("http://127.0.0.1:1/films.json", tmp_path / "films.json")


def test_a_host_that_is_looked_up_forever_is_given_up(tmp_path, monkeypatch):
    done = threading.Event()

    def forever(*_, **__):
        done.wait(60)
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", forever)
    start = time.monotonic()
    with pytest.raises(DatasetError, match="no answer in time"):
        download.download("https://example.invalid/films", tmp_path / "films", patience=0.1)
    done.set()
    assert time.monotonic() - start < 30


# The decade files of Wikipedia


def film(title="A Film", year=1931, cast=("Ada",), genres=("War",), **more):
    return {"title": title, "year": year, "cast": cast, "genres": genres, **more}


@pytest.fixture
def decade(tmp_path):
    """Write entries into a decade file and return its path."""

    def write(*entries, name="movies-a.json"):
        path = tmp_path / name
        path.write_text(json.dumps(entries), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("href", "movie_id"),
    [
        ("A_Film_(1931)", "A_Film_(1931)"),
        ("Caf%C3%A9", "Café"),
        (None, "A_Film_(1931, no page)"),
        ("", "A_Film_(1931, no page)"),
    ],
)
def test_a_films_id_is_its_page_or_else_its_title_and_year(decade, href, movie_id):
    assert movie_id_of("A Film", 1931, href) == movie_id
    corpus = read_wikipedia([decade(film(href=href))])
    assert corpus.movies["movie_id"].tolist() == [movie_id]


def test_films_are_read_with_their_casts_and_genres(decade):
    path = decade(film("A", cast=["Ada", "Bo", "Ada"]), film("B", 1942, [], [], href="B"))
    corpus = read_wikipedia([path])
    assert corpus.movies[["title", "year"]].to_numpy().tolist() == [["A", 1931], ["B", 1942]]
    assert corpus.movies["rating"].isna().all()
    assert corpus.actors.to_numpy().tolist() == [["Ada", "Ada"], ["Bo", "Bo"]]
    assert corpus.credits.to_numpy().tolist() == [[0, 0], [0, 1]]
    assert corpus.notes["repeated_credits"] == 1


def test_entries_of_one_page_are_one_film_and_counted_even_across_files(decade):
    one = decade(film("First", href="P"), film("Again", href="P"))
    two = decade(film("Later", 1942, href="P"), film("Other", href="Q"), name="movies-b.json")
    corpus = read_wikipedia([one, two])
    assert corpus.movies["title"].tolist() == ["First", "Other"]
    assert (corpus.notes["records"], corpus.notes["repeated_movies"]) == (4, 2)


def test_one_title_in_two_years_is_two_films(decade):
    assert read_wikipedia([decade(film(year=1931), film(year=1942), film())]).n_movies == 2


BAD_ENTRIES = {
    "no object": ("A Film", "", "expected object, got str"),
    "no title": ({"year": 1931, "cast": [], "genres": []}, "title", "missing"),
    "empty title": (film(""), "title", "length >= 1"),
    "no year": (film(year=None), "year", "expected int, got null"),
    "year text": (film(year="1931"), "year", "expected int, got str"),
    "cast null": (film(cast=None), "cast", "expected array, got null"),
    "nameless": (film(cast=["Ada", ""]), "cast[1]", "length >= 1"),
    "genre number": (film(genres=[3]), "genres[0]", "expected str, got int"),
    "page number": (film(href=3), "href", "expected str.*got int"),
}


@pytest.mark.parametrize(("entry", "field", "pattern"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_a_bad_entry_is_a_problem_with_file_number_and_field(decade, entry, field, pattern):
    with pytest.raises(CorpusError, match=pattern) as caught:
        read_wikipedia([decade(film(href="P"), entry)])
    [problem] = caught.value.problems
    assert (problem.file, problem.line, problem.field) == ("movies-a.json", 2, field)


def test_bad_entries_are_set_aside_with_skip(decade):
    entries = [entry for entry, _, _ in BAD_ENTRIES.values()]
    path = decade(film("A"), *entries, film("B"), film("B"))
    corpus = read_wikipedia([path], on_problem="skip")
    assert corpus.movies["title"].tolist() == ["A", "B"]
    assert corpus.problems["line"].tolist() == list(range(2, len(entries) + 2))
    kept = corpus.n_movies + corpus.notes["repeated_movies"]
    assert corpus.notes["records"] == kept + len(corpus.problems)


@pytest.mark.parametrize("entries", [[], ["bad"]])
def test_decades_without_a_film_are_refused(decade, entries):
    with pytest.raises(CorpusError, match="no film in these files") as caught:
        read_wikipedia([decade(*entries)], on_problem="skip")
    assert len(caught.value.problems) == len(entries)


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b'{"title": "A"}', b"<html>", b'["\xff"]', b"[" * 99_999, b"\0", b"[NaN]"],
)
def test_a_decade_that_is_not_a_json_array_is_refused_by_name(tmp_path, content):
    (tmp_path / "movies-a.json").write_bytes(content)
    with pytest.raises(CorpusError, match=r"movies-a\.json: (not JSON|one JSON array)"):
        read_wikipedia([tmp_path / "movies-a.json"], on_problem="skip")


def test_a_decade_that_is_a_damaged_file_is_refused_by_name(tmp_path):
    (tmp_path / "movies-a.json").write_bytes(b"\x1f\x8b rubbish")
    with pytest.raises(CorpusError, match=r"movies-a\.json: the gzip data is damaged"):
        read_wikipedia([tmp_path / "movies-a.json"])
    with pytest.raises(CorpusError, match="this is a folder"):
        read_wikipedia([tmp_path])


def test_decades_know_no_other_word_than_stop_and_skip(decade):
    with pytest.raises(ValueError, match="'ignore'"):
        read_wikipedia([decade(film())], on_problem="ignore")


# The real films

needs_real_films = pytest.mark.skipif(
    not os.environ.get("IMDBCLUST_DATA"),
    reason="no real films: IMDBCLUST_DATA does not name a folder with them",
)


@pytest.fixture(scope="module")
def real_folder():
    return Path(os.environ["IMDBCLUST_DATA"]).expanduser()


@needs_real_films
def test_the_registered_hashes_are_those_of_the_readme_beside_the_films(real_folder):
    if not (real_folder / "README.md").is_file():
        pytest.skip("the folder that IMDBCLUST_DATA names has no README.md")
    readme = (real_folder / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\s+([0-9a-f]{64})  (movies-\d{4}s\.json)$", readme, re.MULTILINE))
    registered = {entry.digest: Path(entry.path).name for entry in WIKIPEDIA.entries}
    assert registered == listed
    assert IMDB.entries[0].digest in readme
    commits = [source.entries[0].url.split("/")[5] for source in (IMDB, WIKIPEDIA)]
    assert all(commit in readme for commit in commits)


@needs_real_films
def test_the_real_films_are_all_there(real_folder):
    corpus = find_dataset("wikipedia", download=False).read()
    assert (corpus.n_movies, corpus.n_actors, corpus.n_credits) == (36_115, 28_517, 132_548)
    assert corpus.notes["repeated_movies"] == 158
    assert (corpus.cast_sizes() > 0).sum() == 35_253
    assert corpus.notes["records"] == 36_115 + 158 == 36_273
    assert len(corpus.problems) == 0
    assert corpus.source["name"] == "wikipedia"
    assert "CC BY-SA" in corpus.source["licence"]


# IMDb's dumps, which change every day

PACKED = gzip.compress(b"tconst\n")


@pytest.fixture
def fetch_dumps(server, tmp_path, monkeypatch):
    """Fetch two changing files from the server on this machine; `places` says from where."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(globals(), "CONTENT", PACKED)
    real, asked = download.download, []

    def noted(url, path, **options):
        asked.append(url.rpartition("/")[2])
        real(url, path, patience=0.3, **options)

    monkeypatch.setattr(download, "download", noted)

    def fetch_them(*places):
        entries = tuple(
            Entry(f"dumps/{number}.tsv.gz", f"{server}/{place}", "none", "")
            for number, place in enumerate(places)
        )
        source = Source("imdb-dumps", "", "Courtesy of I", "at i", entries)
        monkeypatch.setattr(datasets, "IMDB_DUMPS", source)
        asked.clear()
        return fetch("imdb-dumps", to=tmp_path / "data"), list(asked)

    return fetch_them


def manifest_in(folder):
    return json.loads((folder / "data/dumps/manifest.json").read_text(encoding="utf-8"))


def test_dumps_are_downloaded_and_recorded(fetch_dumps, tmp_path):
    paths, _ = fetch_dumps("good", "fine")
    assert [path.read_bytes() for path in paths] == [PACKED, PACKED]
    about = manifest_in(tmp_path)
    assert about["licence"] == "Courtesy of I"
    assert list(about["files"]) == ["0.tsv.gz", "1.tsv.gz"]
    recorded = about["files"]["0.tsv.gz"]
    assert recorded["bytes"] == len(PACKED)
    assert recorded["sha256"] == hashlib.sha256(PACKED).hexdigest()
    assert datetime.now(UTC) - datetime.fromisoformat(recorded["date"]) < timedelta(minutes=1)


def test_what_was_downloaded_lately_is_kept_and_the_rest_fetched(fetch_dumps, tmp_path):
    with pytest.raises(DatasetError, match="404"):
        fetch_dumps("good", "missing")
    assert files_in(tmp_path) == ["data/dumps/0.tsv.gz", "data/dumps/manifest.json"]
    assert fetch_dumps("good", "fine")[1] == ["fine"]
    (tmp_path / "data/dumps/0.tsv.gz").write_bytes(PACKED[:-1] + b"x")
    assert fetch_dumps("good", "fine")[1] == ["good"]


def test_what_is_older_is_downloaded_again(fetch_dumps, tmp_path, monkeypatch):
    fetch_dumps("good")
    monkeypatch.setattr(download, "FRESH", timedelta(0))
    assert fetch_dumps("good")[1] == ["good"]


def test_what_a_clock_that_was_ahead_dated_is_downloaded_again(fetch_dumps, tmp_path):
    fetch_dumps("good")
    manifest = tmp_path / "data/dumps/manifest.json"
    text = manifest.read_text().replace(f"{datetime.now(UTC):%Y}-", "2999-")
    manifest.write_text(text)
    assert "2999-" in text
    assert fetch_dumps("good")[1] == ["good"]


@pytest.mark.parametrize("place", ["broken", "stalled", "hang", "missing"])
def test_a_dump_that_breaks_off_leaves_the_older_one(fetch_dumps, tmp_path, place):
    put(tmp_path, {"data/dumps/0.tsv.gz": b"older"})
    with pytest.raises(DatasetError, match="cannot be downloaded"):
        fetch_dumps(place)
    assert (tmp_path / "data/dumps/0.tsv.gz").read_bytes() == b"older"
    assert files_in(tmp_path) == ["data/dumps/0.tsv.gz"]


def test_a_dump_that_is_not_gzip_or_too_large_is_not_kept(fetch_dumps, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_CHANGING_BYTES", 5)
    with pytest.raises(DatasetError, match="larger than"):
        fetch_dumps("good")
    monkeypatch.setattr(download, "MAX_CHANGING_BYTES", 5_000)
    monkeypatch.setitem(globals(), "CONTENT", b"<html>")
    with pytest.raises(DatasetError, match="is not a gzip file"):
        fetch_dumps("good")
    assert files_in(tmp_path) == []


def test_the_dumps_come_over_https_from_imdb():
    assert [entry.url.rpartition("/")[2] for entry in datasets.IMDB_DUMPS.entries] == [
        "title.basics.tsv.gz",
        "title.principals.tsv.gz",
        "name.basics.tsv.gz",
        "title.ratings.tsv.gz",
    ]
    for entry in datasets.IMDB_DUMPS.entries:
        assert entry.url.startswith("https://datasets.imdbws.com/")
        assert entry.path == "imdb-dumps/" + entry.url.rpartition("/")[2]


def test_fetch_prints_where_the_files_are_or_why_there_are_none(data, mirror, monkeypatch, capsys):
    monkeypatch.setattr("imdbclust.datasets.find.fetch", lambda name: [data / f"{name}.json"])
    assert cli.main(["fetch", "imdb"]) == cli.DONE
    assert capsys.readouterr().out == f"{data / 'imdb.json'}\n"

    def refuse(name):
        raise DatasetError(f"{name} cannot be had")

    monkeypatch.setattr("imdbclust.datasets.find.fetch", refuse)
    assert cli.main(["fetch", "imdb"]) == cli.FAILED
    assert "imdb cannot be had" in capsys.readouterr().err
