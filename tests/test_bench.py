"""The bench: all are measured on the same parts, what fails is said, table and page are whole."""

import hashlib
import re
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from imdbclust.bench import quality as bench
from imdbclust.bench.peers import Anchor, Peer, PeerFailed
from imdbclust.bench.quality import COLUMNS, OURS, Contender, Effort, lead_sentences, measure
from imdbclust.clustering import UNPLACED
from imdbclust.commands.cli import main
from imdbclust.datasets.made_up.sample import make_filmography
from imdbclust.evaluation.recipe import Fitted, Recipe
from imdbclust.matrix import build_incidence
from imdbclust.running.pages.report import check_page

MEASURED = [
    name for name in COLUMNS if name not in ("recipe", "library", "seconds", "n_clusters", "note")
]
SMALL = ("--seeds", "2", "--subsamples", "3", "--clusters", "6")


@pytest.fixture(scope="module")
def corpus():
    return make_filmography(300, 240, castless=0.03, random_state=7).corpus


@pytest.fixture(scope="module")
def incidence(corpus):
    return build_incidence(corpus)


@pytest.fixture(scope="module")
def real_peers(films, tmp_path_factory):
    """The folder of a bench with two peers and an anchor."""
    out = tmp_path_factory.mktemp("bench")
    some = ("--peer", "nmf", "--peer", "tf-idf", "--peer", "naive Bayes")
    assert call(films, out, *SMALL, *some) == 0
    return out / "bench"


@pytest.fixture
def only(monkeypatch):
    """Return what puts some peers and anchors in place of the real ones, and none is missing."""

    def put(*some: Peer | Anchor, missing: tuple[str, ...] = ()) -> None:
        found = [one for one in some if isinstance(one, Peer)]
        monkeypatch.setattr(bench, "peers", lambda n_clusters: found)
        monkeypatch.setattr(bench, "anchors", lambda: [one for one in some if one not in found])
        monkeypatch.setattr(bench, "missing_libraries", lambda: list(missing))

    return put


def call(films, out, *options) -> int:
    return main(["bench", "quality", "--dataset", str(films), "--out", str(out), *options])


def table_in(out) -> pd.DataFrame:
    table = pd.read_csv(out / "bench" / "quality.csv", keep_default_na=False, na_values=[""])
    return table.set_index("recipe")


def by_cast_size(casts: sp.csr_array, random_state: int = 0) -> Fitted:
    """Put movies with an even and with an odd number of actors into two clusters."""

    def labels(casts):
        sizes = np.diff(casts.indptr)
        return np.where(sizes > 0, sizes % 2, UNPLACED).astype(np.int32)

    return Fitted(labels(casts), 2, labels)


def base_rates(train, seen, new, random_state) -> np.ndarray:
    base = (seen.sum(axis=0) + 0.5) / (seen.shape[0] + 1)
    return np.tile(base, (new.shape[0], 1))


def as_contender(peer: Peer, effort: Effort) -> Contender:
    return bench._peer(peer, effort, quick=False)


# ---------------------------------------------------------------- the table


def test_ours_come_first_then_peers_then_anchors(real_peers):
    table = table_in(real_peers.parent)
    expected = [*OURS, "tf-idf, SVD 32, L2, k-means", "NMF 6", "naive Bayes on the cast, tempered"]
    assert table.index.tolist() == expected
    assert table["library"].tolist() == ["imdbclust"] * 2 + ["scikit-learn"] * 2 + ["numpy"]


def test_the_csv_has_all_columns_as_numbers(real_peers):
    table = pd.read_csv(real_peers / "quality.csv")
    assert table.columns.tolist() == list(COLUMNS)
    assert all(pd.api.types.is_float_dtype(table[name]) for name in [*MEASURED, "seconds"])
    clusters = table[:-1]
    assert clusters[[*MEASURED, "seconds"]].notna().all(axis=None)
    assert clusters["n_clusters"].between(2, 6).all()
    assert clusters["ari_seeds"].between(-1, 1).all()
    for shares in ("largest_cluster", "unplaced"):
        assert clusters[shares].between(0, 1).all()
    text = (real_peers / "quality.csv").read_text()
    assert re.search(r",6,[\d.e-]+,\n", text)  # a number of clusters is whole


def test_an_anchor_has_held_out_bits_only(real_peers):
    anchor = table_in(real_peers.parent).iloc[-1]
    assert anchor["held_out"] > 0
    assert anchor["seconds"] > 0
    assert anchor["note"] == "saw the genres of the movies fitted"
    assert anchor.drop(["library", "held_out", "seconds", "note"]).isna().all()


def test_a_line_is_printed_for_each_recipe(films, tmp_path, only, capsys):
    only(Peer("by size", "us", by_cast_size))
    assert call(films, tmp_path, *SMALL) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["recipe", *OURS, "by", "page:"]
    assert all(len(line.split()) == 10 for line in lines[1:3])
    assert lines[-1] == f"page: {tmp_path / 'bench' / 'quality.html'}"


def test_all_are_fitted_on_the_same_parts(films, tmp_path, only, monkeypatch):
    calls = {}

    def note(name, casts, seed):
        assert threading.current_thread() is threading.main_thread()
        digest = hashlib.sha256(casts.indptr.tobytes() + casts.indices.tobytes()).hexdigest()
        calls.setdefault(name, []).append((digest, casts.shape[0], seed))

    def peer(name):
        def fit(casts, seed):
            note(name, casts, seed)
            return by_cast_size(casts)

        return Peer(name, "us", fit, slow=name == "slow")

    def predict(train, seen, new, seed):
        note("anchor", train, seed)
        assert seen.shape[0] == train.shape[0]
        assert (np.diff(new.indptr) > 0).all()
        return base_rates(train, seen, new, seed)

    def fit_ours(recipe, incidence, seed):
        note(recipe.weighting, incidence.matrix, seed)
        return by_cast_size(incidence.matrix)

    monkeypatch.setattr(Recipe, "fit", fit_ours)
    only(peer("quick"), peer("slow"), Anchor("anchor", "us", predict))
    assert call(films, tmp_path, *SMALL) == 0
    assert len(calls["quick"]) == 5
    assert calls["none"] == calls["degree"] == calls["quick"]
    whole, parts = calls["quick"][:2], calls["quick"][2:]
    assert [n_movies for _, n_movies, _ in whole + parts] == [300, 300, 240, 240, 240]
    assert len({digest for digest, _, _ in parts}) == 3
    assert calls["anchor"] == parts
    assert calls["slow"] == [whole[0], *parts[:2]]


# ---------------------------------------------------------------- what is measured


def test_the_numbers_are_those_of_the_evaluation(corpus, incidence):
    contender = as_contender(Peer("by size", "us", by_cast_size), Effort(2, 3))
    row = measure(contender, corpus, incidence, random_state=0)
    sizes = np.diff(incidence.matrix.indptr)
    odd = (sizes % 2 == 1).sum() / (sizes > 0).sum()
    assert row["ari_seeds"] == row["ari_subsamples"] == 1
    assert row["ari_subsamples_spread"] == 0
    assert row["largest_cluster"] == pytest.approx(max(odd, 1 - odd))
    assert row["unplaced"] == pytest.approx((sizes == 0).mean())
    assert row["n_clusters"] == 2
    assert row["note"] == row["broken"] == ""
    assert set(row) == {*COLUMNS, "kind", "decade", "broken"}


def test_anchors_are_measured_as_clusters_are(corpus, incidence):
    def predict(train, seen, new, random_state):
        labels = by_cast_size(train).labels
        base = (seen.sum(axis=0) + 0.5) / (seen.shape[0] + 1)
        shares = [
            (seen[labels == one].sum(axis=0) + base) / ((labels == one).sum() + 1) for one in (0, 1)
        ]
        return np.array(shares)[by_cast_size(new).labels]

    effort = Effort(1, 3)
    peer, anchor = Peer("", "", by_cast_size), Anchor("", "", predict)
    usual = {"random_state": 4}
    one = measure(as_contender(peer, effort), corpus, incidence, **usual)
    two = measure(bench._anchor(anchor, effort), corpus, incidence, **usual)
    assert two["held_out"] == pytest.approx(one["held_out"])
    assert two["held_out"] != 0


def test_the_base_rates_tell_nothing(corpus, incidence):
    anchor = bench._anchor(Anchor("", "", base_rates), Effort(1, 2))
    assert measure(anchor, corpus, incidence, random_state=0)["held_out"] == pytest.approx(0)


def test_nobody_is_infinitely_wrong(corpus, incidence):
    def sure(train, seen, new, random_state):
        return np.zeros((new.shape[0], seen.shape[1]))

    anchor = bench._anchor(Anchor("", "", sure), Effort(1, 2))
    bits = measure(anchor, corpus, incidence, random_state=0)["held_out"]
    assert np.isfinite(bits)
    assert bits < -1


def test_batches_change_nothing(corpus, incidence, monkeypatch):
    contender = as_contender(Peer("by size", "us", by_cast_size), Effort(1, 2))
    row = measure(contender, corpus, incidence, random_state=0)
    n_genres = corpus.genre_matrix()[0].shape[1]
    monkeypatch.setattr(bench, "BATCH_CELLS", 3 * n_genres * 7)  # seven movies
    again = measure(contender, corpus, incidence, random_state=0)
    for name in (*MEASURED, "decade"):
        assert again[name] == pytest.approx(row[name], nan_ok=True), name


# ---------------------------------------------------------------- what does not work


def test_a_peer_that_finds_nothing_is_said_and_the_others_go_on(films, tmp_path, only):
    def fit(casts, seed):
        if casts.shape[0] < 300:
            raise PeerFailed("All movies are in one co-cluster.")
        return by_cast_size(casts)

    only(Peer("on all only", "us", fit), Peer("by size", "us", by_cast_size))
    assert call(films, tmp_path, *SMALL) == 0
    table = table_in(tmp_path)
    assert table.loc["on all only", "note"] == "fails: All movies are in one co-cluster."
    assert table.loc["on all only", ["ari_seeds", "genre_bits", "n_clusters"]].notna().all()
    assert table.loc["on all only", ["ari_subsamples", "held_out"]].isna().all()
    assert table.loc["by size", MEASURED].notna().all()


def test_a_broken_peer_costs_only_its_row(films, tmp_path, only, capsys):
    def fit(casts, seed):
        raise ZeroDivisionError("by zero")

    only(Peer("broken", "us", fit), Peer("by size", "us", by_cast_size))
    assert call(films, tmp_path, *SMALL) == 1
    table = table_in(tmp_path)
    assert table.loc["broken", "note"] == "fails: ZeroDivisionError: by zero"
    assert table.loc["by size", MEASURED].notna().all()
    assert "broken: ZeroDivisionError: by zero" in capsys.readouterr().err
    assert (tmp_path / "bench" / "quality.html").is_file()


def test_a_library_that_is_not_installed_has_a_row(films, tmp_path, only):
    only(Peer("by size", "us", by_cast_size), missing=("leidenalg", "scikit-network"))
    assert call(films, tmp_path, *SMALL, "--peer", "Leiden") == 0
    table = table_in(tmp_path)
    assert table.index.tolist() == [*OURS, "peers of leidenalg"]
    assert table["note"].iloc[-1] == "not installed: pip install imdbclust[bench]"
    assert table[MEASURED].iloc[-1].isna().all()


def test_a_slow_peer_is_fitted_less(films, tmp_path, only):
    only(Peer("slow", "us", by_cast_size, slow=True))
    assert call(films, tmp_path, *SMALL) == 0
    row = table_in(tmp_path).loc["slow"]
    assert row["note"] == "slow: one seed, two subsamples"
    assert row[["ari_seeds", "ari_subsamples_spread"]].isna().all()
    assert row["ari_subsamples"] == 1


def test_quick_leaves_slow_peers_out(films, tmp_path, only):
    only(Peer("slow", "us", by_cast_size, slow=True))
    assert call(films, tmp_path, "--clusters", "6", "--quick") == 0
    table = table_in(tmp_path)
    assert table.loc["slow", "note"] == "slow: left out"
    assert table.loc["slow", MEASURED].isna().all()
    assert table.loc[list(OURS), "ari_seeds"].notna().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--peer", "nobody"], "no peer has 'nobody' in its name; there are: by size"),
        (["--seeds", "0"], "--seeds is at least 1, not 0"),
        (["--subsamples", "1"], "--subsamples is at least 2, not 1"),
        (["--clusters", "1"], "--clusters is at least 2, not 1"),
        (["--clusters", "299"], "n_clusters = 299 is impossible"),
        (["--dataset", "nothing"], "no dataset and no file is called 'nothing'"),
    ],
)
def test_a_wrong_call_starts_nothing(options, said, films, tmp_path, only, capsys):
    only(Peer("by size", "us", by_cast_size))
    assert call(films, tmp_path, *options) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_films_too_few_for_our_recipes_start_nothing(tmp_path, only, capsys):
    from imdbclust.load import write_corpus

    only()
    write_corpus(make_filmography(30, 30, random_state=1).corpus, tmp_path / "few.jsonl")
    assert call(tmp_path / "few.jsonl", tmp_path / "out", "--clusters", "2") == 2
    assert "on a part of the films n_components = 32 is impossible" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_the_finished_rows_and_no_page(films, tmp_path, only, capsys):
    def fit(casts, seed):
        raise KeyboardInterrupt

    only(Peer("by size", "us", by_cast_size))
    assert call(films, tmp_path, *SMALL) == 0
    only(Peer("endless", "us", fit))
    assert call(films, tmp_path, *SMALL) == 130
    assert table_in(tmp_path).index.tolist() == list(OURS)
    assert "what was finished is in the folder bench" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "bench").iterdir()] == ["quality.csv"]


def test_a_folder_that_cannot_be_made_is_said(films, tmp_path, only, capsys):
    only()
    (tmp_path / "bench").write_text("in the way")
    assert call(films, tmp_path, *SMALL) == 1
    assert "bench" in capsys.readouterr().err


# ---------------------------------------------------------------- the page


def test_the_page_passes_the_gate_and_shows_the_table(real_peers):
    page = (real_peers / "quality.html").read_text()
    assert check_page(page, page="quality.html") == []
    table = table_in(real_peers.parent)
    for recipe in table.index:
        assert f'<th scope="row"><bdi>{recipe}</bdi></th>' in page
    assert 'href="quality.csv"' in page
    assert f"{table.loc['NMF 6', 'held_out']:.3f}" in page
    assert page.count("<tbody>") == 3
    assert page.count("<h1>") == 1
    assert "with 2 seeds, and on 3 random parts with 80% of the movies each" in page
    assert re.search(r"The decade alone tells \d\.\d{3} bits", page)
    assert re.search(r"scikit-learn&nbsp;\d", page)
    assert "imdbclust bench quality --dataset" in page


def test_the_page_begins_with_what_was_found(real_peers):
    page = (real_peers / "quality.html").read_text()
    lead = re.search(r'<p class="finding">(.*?)</p>', page)[1]
    assert lead.startswith("Most stable on parts of the movies is ")
    assert "naive Bayes on the cast, tempered, which saw genres" in lead


def test_text_of_others_stays_text(films, tmp_path, only):
    def fit(casts, seed):
        raise PeerFailed("<script>alert(1)</script>")

    only(Peer("<img src=x>", "<b>us</b>", fit))
    assert call(films, tmp_path, *SMALL) == 0
    page = (tmp_path / "bench" / "quality.html").read_text()
    assert check_page(page, page="quality.html") == []
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;img src=x&gt;" in page
    assert "<b>" not in page


def rows(*some) -> pd.DataFrame:
    names = ["kind", "recipe", "library", "ari_subsamples", "held_out", "held_out_posterior"]
    return pd.DataFrame(some, columns=names)


def test_the_lead_names_the_best_and_ours():
    nan = float("nan")
    said = lead_sentences(
        rows(
            ("ours", "seed", "imdbclust", 0.2, 0.3, 0.4),
            ("ours", "recommended", "imdbclust", 0.8, 0.5, 0.6),
            ("peer", "NMF", "scikit-learn", 0.5, 0.9, 0.1),
            ("peer", "broken", "us", nan, nan, nan),
            ("anchor", "trees", "us", nan, 1.2, nan),
        )
    )
    assert said == [
        "Most stable on parts of the movies is our recommended, with an adjusted Rand index of "
        "0.800; of the others it is NMF, with 0.500.",
        "What tells most of the genres of movies not seen is NMF of scikit-learn, with 0.900 bits "
        "a movie; of ours it is recommended, with 0.600.",
        "Casts can tell at least 1.200 bits: trees, which saw genres when it was fitted, reaches "
        "as much; our recommended reaches 50% of it.",
    ]


def test_the_lead_without_peers_and_anchors():
    said = lead_sentences(rows(("ours", "seed", "imdbclust", 0.2, 0.3, 0.4)))
    assert len(said) == 2
    assert said[0].endswith("is our seed, with an adjusted Rand index of 0.200.")


def test_the_lead_where_nothing_could_be_measured():
    nan = float("nan")
    said = lead_sentences(rows(("ours", "seed", "imdbclust", nan, nan, nan)))
    assert said == ["No clustering could be measured on parts of the movies."]
