"""Where films come from: verified wherever they lie, downloaded whole or not at all."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imdbclust import datasets
from imdbclust.datasets import DatasetError, download, registry
from imdbclust.datasets.registry import Entry, Source
from imdbclust.datasets.wikipedia import read_wikipedia
from imdbclust.load import CorpusError

FILM = b'{"imdb_id": "tt1", "title": "One", "genres": [], "actors": [["a", "A"]]}\n'
BLOB = hashlib.sha1(b"blob %d\0" % len(FILM) + FILM).hexdigest()
DECADE = json.dumps([{"title": "X", "year": 1950, "cast": ["A"], "genres": []}]).encode()


class Handler(BaseHTTPRequestHandler):
    """A host that has one good file, hangs, or has nothing."""

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1.5)
        self.send_response(404 if self.path == "/none" else 200)
        self.end_headers()
        self.wfile.write(FILM)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def sources(tmp_path, monkeypatch, host):
    """Small stand-ins for the registered datasets; data/ is empty, and there is no mirror."""
    sha = hashlib.sha256(DECADE).hexdigest()
    imdb = Source("imdb", "I", "", "", (Entry("i.json", f"{host}/none", "git blob id", BLOB),))
    wiki = Source("wikipedia", "W", "", "", (Entry("w/x.json", f"{host}/none", "sha256", sha),))
    monkeypatch.setattr(datasets, "IMDB", imdb)
    monkeypatch.setattr(datasets, "WIKIPEDIA", wiki)
    monkeypatch.setattr(datasets, "DATA", tmp_path / "data")
    monkeypatch.delenv("IMDBCLUST_DATA", raising=False)
    return tmp_path


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_file_is_verified_by_sha256_or_git_blob_id(tmp_path):
    put(tmp_path / "f", FILM)
    assert Entry("f", "", "git blob id", BLOB).verify(tmp_path / "f")
    assert Entry("f", "", "sha256", hashlib.sha256(FILM).hexdigest()).verify(tmp_path / "f")
    put(tmp_path / "f", FILM + b" ")
    assert not Entry("f", "", "git blob id", BLOB).verify(tmp_path / "f")


def test_auto_takes_imdb_then_wikipedia_then_the_sample(sources, monkeypatch):
    found = datasets.find("auto")
    assert (found.name, found.synthetic) == ("sample", True)
    assert "No real films are at hand" in found.why
    monkeypatch.setenv("IMDBCLUST_DATA", str(sources / "mirror"))
    put(sources / "mirror" / "w" / "x.json", DECADE)
    assert datasets.find("auto").name == "wikipedia"
    put(sources / "data" / "i.json", FILM)
    assert datasets.find("auto").name == "imdb"
    assert datasets.find("auto").read().n_movies == 1


def test_a_file_with_another_hash_is_refused_not_used(sources):
    put(sources / "data" / "i.json", FILM + b"\n")
    with pytest.raises(DatasetError, match=r"i.json: not the registered file of the dataset imdb"):
        datasets.find("auto")


def test_fetch_copies_from_the_mirror_verified(sources, monkeypatch):
    monkeypatch.setenv("IMDBCLUST_DATA", str(sources / "mirror"))
    put(sources / "mirror" / "i.json", b"something else")
    with pytest.raises(DatasetError, match="not the registered file"):
        datasets.fetch("imdb")
    assert list((sources / "data").iterdir()) == []
    put(sources / "mirror" / "i.json", FILM)
    assert [path.read_bytes() for path in datasets.fetch("imdb")] == [FILM]


def test_a_named_dataset_that_cannot_be_had_says_what_to_do(sources):
    with pytest.raises(DatasetError, match=r"the server says 404\); put i.json into data/"):
        datasets.find("imdb")
    with pytest.raises(DatasetError, match="is not at hand"):
        datasets.find("imdb", download=False)
    with pytest.raises(DatasetError, match="no dataset 'x' to fetch"):
        datasets.fetch("x")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("netflix", "datasets are auto, imdb"), ("none.jsonl", "no dataset and no file")],
)
def test_an_unknown_name_is_refused(name, pattern):
    with pytest.raises(DatasetError, match=pattern):
        datasets.find(name)


def test_a_file_of_ones_own_needs_a_known_ending_and_may_have_a_licence(tmp_path):
    put(tmp_path / "films.csv", FILM)
    with pytest.raises(DatasetError, match=r"ends in .json, .jsonl"):
        datasets.find(str(tmp_path / "films.csv"))
    put(tmp_path / "films.jsonl", FILM)
    put(tmp_path / "films.jsonl.source.json", b'{"licence": "Mine", "other": 1}')
    found = datasets.find(str(tmp_path / "films.jsonl"))
    assert found.licence == "Mine"
    assert found.sha256 == hashlib.sha256(FILM).hexdigest()
    assert found.read().source["title"] == "films of the file films.jsonl"


def test_the_sample_is_found_again_after_it_was_generated():
    assert datasets.find("sample").read().n_movies == 20_620
    assert datasets.find("sample").synthetic


def test_download_writes_what_the_host_has(host, tmp_path):
    download.download(f"{host}/good", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == FILM


def test_download_gives_up_in_time(host, tmp_path):
    began = time.monotonic()
    with pytest.raises(DatasetError, match="no answer in time"):
        download.download(f"{host}/slow", tmp_path / "f", patience=0.2)
    assert time.monotonic() - began < 1.2


def test_download_refuses_errors_no_connection_and_too_much(host, tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match="the server says 404"):
        download.download(f"{host}/none", tmp_path / "f")
    with pytest.raises(DatasetError, match="no connection"):
        download.download("http://127.0.0.1:9/x", tmp_path / "f")
    monkeypatch.setattr(download, "MAX_BYTES", 10)
    with pytest.raises(DatasetError, match="larger than any registered file"):
        download.download(f"{host}/good", tmp_path / "f")


def test_a_download_with_another_hash_leaves_nothing(host, tmp_path):
    entry = Entry("sub/f", f"{host}/good", "sha256", "0" * 64)
    with pytest.raises(DatasetError, match=r"not the registered file .* it was not kept"):
        download.fetch_files(Source("s", "", "", "", (entry,)), to=tmp_path)
    assert list((tmp_path / "sub").iterdir()) == []


def test_a_good_download_gets_its_name_and_is_not_fetched_again(host, tmp_path):
    source = Source("s", "", "", "", (Entry("f", f"{host}/good", "git blob id", BLOB),))
    assert download.fetch_files(source, to=tmp_path) == [tmp_path / "f"]
    gone = Source("s", "", "", "", (Entry("f", "http://127.0.0.1:9/", "git blob id", BLOB),))
    assert download.fetch_files(gone, to=tmp_path) == [tmp_path / "f"]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def films_file(tmp_path, *films):
    path = tmp_path / "movies-1950s.json"
    path.write_text(json.dumps(films))
    return path


def film(**fields):
    return {"title": "X", "year": 1950, "cast": ["A", "A"], "genres": ["War"]} | fields


def test_wikipedia_ids_are_pages_or_title_and_year(tmp_path):
    path = films_file(tmp_path, film(href="X_%28film%29"), film(), film(href=None, year=1951))
    corpus = read_wikipedia([path])
    assert corpus.movies["movie_id"].tolist() == [
        "X_(film)", "X_(1950, no page)", "X_(1951, no page)",
    ]  # fmt: skip
    assert corpus.actors["actor_id"].tolist() == ["A"]
    assert corpus.notes["repeated_credits"] == 3


def test_wikipedia_entries_of_one_page_count_once(tmp_path):
    path = films_file(tmp_path, film(href="X"), film(href="X", year=1988, title="X 3D"))
    corpus = read_wikipedia([path])
    assert corpus.movies["year"].tolist() == [1950]
    assert corpus.notes["repeated_movies"] == 1
    assert corpus.notes["records"] == 2


def test_wikipedia_problems_are_listed_or_set_aside(tmp_path):
    path = films_file(tmp_path, film(), film(title=None), film(cast="A"))
    with pytest.raises(CorpusError, match=r"movies-1950s.json:2: .*title"):
        read_wikipedia([path])
    corpus = read_wikipedia([path], on_problem="skip")
    assert corpus.problems["line"].tolist() == [2, 3]
    path.write_text("{}")
    with pytest.raises(CorpusError, match="one JSON array"):
        read_wikipedia([path])


def test_registered_files_are_pinned_to_a_commit_over_https():
    for source in (registry.IMDB, registry.WIKIPEDIA):
        assert source.licence
        for entry in source.entries:
            assert entry.url.startswith("https://")
            assert len(entry.digest) == (64 if entry.algorithm == "sha256" else 40)
    assert len(registry.WIKIPEDIA.entries) == 13


def test_the_real_films_are_what_they_were(real_films):
    corpus = datasets.find(real_films).read()
    assert (corpus.n_movies, corpus.n_actors, corpus.n_credits) == (36_115, 28_517, 132_548)
    assert corpus.notes["repeated_movies"] == 158
    assert int((corpus.cast_sizes() > 0).sum()) == 35_253
