"""Quality: every method gets the same subsamples, failures are reported, table and page agree."""

import hashlib
import re
import threading

import numpy as np
import pandas as pd
import pytest

from imdbclust.bench import quality as bench
from imdbclust.bench.peers import Method
from imdbclust.bench.quality import COLUMNS, OURS, Films, lead_sentences, measure
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
def measured_films(corpus):
    """Return the films, to be fitted with some numbers of seeds and subsamples."""
    incidence = build_incidence(corpus)
    return lambda n_seeds, n_subsamples, seed=0: Films(
        corpus, incidence, n_seeds, n_subsamples, seed
    )


@pytest.fixture(scope="module")
def real_peers(films, tmp_path_factory):
    """The folder of a bench with two peers and an anchor."""
    out = tmp_path_factory.mktemp("bench")
    some = ("--peer", "nmf", "--peer", "tf-idf", "--peer", "naive Bayes")
    assert call(films, out, *SMALL, *some) == 0
    return out / "bench"


@pytest.fixture
def only(monkeypatch):
    """Return a function that replaces the other methods by some."""

    def put(*some: Method) -> None:
        for kind, name in (("clustering", "clusterings"), ("supervised", "supervised")):
            found = [one for one in some if one.kind == kind]
            monkeypatch.setattr(bench, name, lambda *_, found=found: found)

    return put


def clustering(name, fit) -> Method:
    return Method("clustering", name, "us", fit)


def predictor(name, predict) -> Method:
    return Method("supervised", name, "us", predict)


def call(films, out, *options) -> int:
    return main(["bench", "quality", "--dataset", str(films), "--out", str(out), *options])


def table_in(out) -> pd.DataFrame:
    table = pd.read_csv(out / "bench" / "quality.csv", keep_default_na=False, na_values=[""])
    return table.set_index("recipe")


def by_cast_size(incidence, random_state: int = 0) -> Fitted:
    """Put movies with an even and with an odd number of actors into two clusters."""

    def labels(casts):
        sizes = np.diff(casts.indptr)
        return np.where(sizes > 0, sizes % 2, UNPLACED).astype(np.int32)

    return Fitted(labels(incidence.matrix), 2, labels)


def base_rates(train, seen, new, random_state) -> np.ndarray:
    base = (seen.sum(axis=0) + 0.5) / (seen.shape[0] + 1)
    return np.tile(base, (new.shape[0], 1))


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
    assert anchor["note"] == "trained on genres"
    assert anchor.drop(["library", "held_out", "seconds", "note"]).isna().all()


def test_a_line_is_printed_for_each_recipe(films, tmp_path, only, capsys):
    only(clustering("by size", by_cast_size))
    assert call(films, tmp_path, *SMALL) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["recipe", *OURS, "by", "page:"]
    assert all(len(line.split()) == 6 for line in lines[:3])
    assert lines[-1] == f"page: {tmp_path / 'bench' / 'quality.html'}"


def test_all_are_fitted_on_the_same_parts(films, tmp_path, only, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # calls in other processes are not counted
    calls = {}

    def note(name, casts, seed):
        assert threading.current_thread() is threading.main_thread()
        digest = hashlib.sha256(casts.indptr.tobytes() + casts.indices.tobytes()).hexdigest()
        calls.setdefault(name, []).append((digest, casts.shape[0], seed))

    def fit(incidence, seed):
        note("peer", incidence.matrix, seed)
        return by_cast_size(incidence)

    def predict(train, seen, new, seed):
        note("supervised", train, seed)
        assert seen.shape[0] == train.shape[0]
        assert (np.diff(new.indptr) > 0).all()
        return base_rates(train, seen, new, seed)

    def fit_ours(recipe, incidence, seed):
        note(recipe.weighting, incidence.matrix, seed)
        return by_cast_size(incidence)

    monkeypatch.setattr(Recipe, "fit", fit_ours)
    only(clustering("peer", fit), predictor("supervised", predict))
    assert call(films, tmp_path, *SMALL) == 0
    assert len(calls["peer"]) == 5
    assert calls["none"] == calls["degree"] == calls["peer"]
    whole, parts = calls["peer"][:2], calls["peer"][2:]
    assert [n_movies for _, n_movies, _ in whole + parts] == [300, 300, 240, 240, 240]
    assert len({digest for digest, _, _ in parts}) == 3
    assert calls["supervised"] == parts


# ---------------------------------------------------------------- what is measured


def test_the_numbers_are_those_of_the_evaluation(measured_films):
    films = measured_films(2, 3)
    row = measure(clustering("by size", by_cast_size), films)
    sizes = films.incidence.cast_sizes()
    odd = (sizes % 2 == 1).sum() / (sizes > 0).sum()
    assert row["ari_seeds"] == row["ari_subsamples"] == 1
    assert row["ari_subsamples_spread"] == 0
    assert row["largest_cluster"] == pytest.approx(max(odd, 1 - odd))
    assert row["unplaced"] == pytest.approx((sizes == 0).mean())
    assert row["n_clusters"] == 2
    assert row["note"] == row["broken"] == ""
    assert set(row) == {*COLUMNS, "kind", "decade", "broken"}


def test_supervised_methods_are_measured_as_clusters_are(measured_films):
    def labels(casts):
        return np.diff(casts.indptr) % 2

    def predict(train, seen, new, random_state):
        base = (seen.sum(axis=0) + 0.5) / (seen.shape[0] + 1)
        sizes, trained = np.diff(train.indptr), labels(train)
        groups = [(sizes > 0) & (trained == one) for one in (0, 1)]
        shares = [(seen[group].sum(axis=0) + base) / (group.sum() + 1) for group in groups]
        return np.array(shares)[labels(new)]

    films = measured_films(1, 3, seed=4)
    one = measure(clustering("", by_cast_size), films)
    two = measure(predictor("", predict), films)
    assert two["held_out"] == pytest.approx(one["held_out"])
    assert two["held_out"] != 0


def test_the_base_rates_say_nothing(measured_films):
    row = measure(predictor("", base_rates), measured_films(1, 2))
    assert row["held_out"] == pytest.approx(0)


def test_a_wrong_certainty_has_a_finite_cost(measured_films):
    def sure(train, seen, new, random_state):
        return np.zeros((new.shape[0], seen.shape[1]))

    bits = measure(predictor("", sure), measured_films(1, 2))["held_out"]
    assert np.isfinite(bits)
    assert bits < -1


def test_batches_change_nothing(measured_films, monkeypatch):
    method, films = clustering("by size", by_cast_size), measured_films(1, 2)
    row = measure(method, films)
    n_genres = films.corpus.genre_matrix()[0].shape[1]
    monkeypatch.setattr(bench, "BATCH_CELLS", 3 * n_genres * 7)  # seven movies
    again = measure(method, films)
    for name in (*MEASURED, "decade"):
        assert again[name] == pytest.approx(row[name], nan_ok=True), name


# ---------------------------------------------------------------- what does not work


def test_a_method_that_fails_on_subsamples_keeps_what_was_measured(films, tmp_path, only, capsys):
    def fit(incidence, seed):
        if incidence.shape[0] < 300:
            raise RuntimeError("one cluster only")
        return by_cast_size(incidence)

    only(clustering("on all only", fit), clustering("by size", by_cast_size))
    assert call(films, tmp_path, *SMALL) == 1
    table = table_in(tmp_path)
    assert table.loc["on all only", "note"] == "failed: RuntimeError: one cluster only"
    assert table.loc["on all only", ["ari_seeds", "genre_bits", "n_clusters"]].notna().all()
    assert table.loc["on all only", ["ari_subsamples", "held_out"]].isna().all()
    assert table.loc["by size", MEASURED].notna().all()


def test_a_broken_method_costs_only_its_row(films, tmp_path, only, capsys):
    def fit(incidence, seed):
        raise ZeroDivisionError("by zero")

    only(clustering("broken", fit), clustering("by size", by_cast_size))
    assert call(films, tmp_path, *SMALL) == 1
    table = table_in(tmp_path)
    assert table.loc["broken", "note"] == "failed: ZeroDivisionError: by zero"
    assert table.loc["by size", MEASURED].notna().all()
    assert "broken: ZeroDivisionError: by zero" in capsys.readouterr().err
    assert (tmp_path / "bench" / "quality.html").is_file()


@pytest.mark.slow
def test_a_library_that_is_not_installed_has_a_row(films, tmp_path, only):
    def fit(incidence, seed):
        import a_missing_library  # noqa: F401

    only(clustering("Leiden", fit), clustering("by size", by_cast_size))
    assert call(films, tmp_path, *SMALL, "--peer", "Leiden") == 0
    table = table_in(tmp_path)
    assert table.index.tolist() == [*OURS, "Leiden"]
    assert table["note"].iloc[-1] == "not installed: pip install imdbclust[bench]"
    assert table[MEASURED].iloc[-1].isna().all()


def test_quick_fits_less_often(films, tmp_path, only, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # calls in other processes are not counted
    seeds = []

    def fit(incidence, seed):
        seeds.append(seed)
        return by_cast_size(incidence)

    only(clustering("counted", fit))
    assert call(films, tmp_path, "--clusters", "6", "--quick") == 0
    assert len(seeds) == 4
    assert table_in(tmp_path).loc[list(OURS), "ari_seeds"].notna().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--peer", "unknown"], "no peer has 'unknown' in its name; choose from: by size"),
        (["--seeds", "0"], "--seeds must be at least 1, not 0"),
        (["--subsamples", "1"], "--subsamples must be at least 2, not 1"),
        (["--clusters", "1"], "--clusters must be at least 2, not 1"),
        (["--clusters", "299"], "n_clusters = 299 is impossible"),
        (["--dataset", "nothing"], "no dataset and no file is called 'nothing'"),
    ],
)
def test_a_wrong_call_starts_nothing(options, said, films, tmp_path, only, capsys):
    only(clustering("by size", by_cast_size))
    assert call(films, tmp_path, *options) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_films_too_few_for_our_recipes_start_nothing(tmp_path, only, capsys):
    from imdbclust.load import write_corpus

    only()
    write_corpus(make_filmography(30, 30, random_state=1).corpus, tmp_path / "few.jsonl")
    assert call(tmp_path / "few.jsonl", tmp_path / "out", "--clusters", "2") == 2
    assert "on a subsample of the films n_components = 32 is impossible" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_interruption_leaves_the_finished_rows_and_no_page(films, tmp_path, only, capsys):
    def fit(incidence, seed):
        raise KeyboardInterrupt

    only(clustering("by size", by_cast_size))
    assert call(films, tmp_path, *SMALL) == 0
    only(clustering("endless", fit))
    assert call(films, tmp_path, *SMALL) == 130
    assert table_in(tmp_path).index.tolist() == list(OURS)
    assert "finished parts are kept in the folder bench" in capsys.readouterr().err
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
        assert f"<bdi>{recipe}</bdi></th>" in page
    assert 'href="quality.csv"' in page
    assert f"{table.loc['NMF 6', 'held_out']:.3f}" in page
    assert page.count("<tbody>") == 1
    assert page.count("<h1>") == 1
    assert "with 2 seeds, and on 3 random subsamples with 80 % of the movies each" in page
    assert re.search(r"The decade alone carries \d\.\d{3} bits", page)
    assert re.search(r"scikit-learn&nbsp;\d", page)
    assert "imdbclust bench quality --dataset" in page


def test_the_page_begins_with_what_was_found(real_peers):
    page = (real_peers / "quality.html").read_text()
    lead = re.search(r'<p class="finding">(.*?)</p>', page)[1]
    assert lead.startswith("Best agreement over subsamples (adjusted Rand index): our ")
    assert "supervised naive Bayes on the cast, tempered" in lead


@pytest.mark.slow
def test_text_of_others_stays_text(films, tmp_path, only):
    def fit(incidence, seed):
        raise RuntimeError("<script>alert(1)</script>")

    only(Method("clustering", "<img src=x>", "<b>us</b>", fit))
    assert call(films, tmp_path, *SMALL) == 1
    page = (tmp_path / "bench" / "quality.html").read_text()
    assert check_page(page, page="quality.html") == []
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;img src=x&gt;" in page
    assert "<b>" not in page


def rows(*some) -> pd.DataFrame:
    names = ["kind", "recipe", "library", "ari_subsamples", "held_out", "held_out_posterior"]
    return pd.DataFrame(some, columns=names)


def test_the_lead_names_the_best_of_each_kind():
    nan = float("nan")
    said = lead_sentences(
        rows(
            ("ours", "seed", "imdbclust", 0.2, 0.3, 0.4),
            ("ours", "recommended", "imdbclust", 0.8, 0.5, 0.6),
            ("clustering", "NMF", "scikit-learn", 0.5, 0.9, 0.1),
            ("clustering", "broken", "us", nan, nan, nan),
            ("supervised", "trees", "us", nan, 1.2, nan),
        )
    )
    assert said == [
        "Best agreement over subsamples (adjusted Rand index): our recommended (0.800); other "
        "clustering NMF (0.500).",
        "Most information about the genres of held-out movies (bits per movie): our recommended "
        "(0.600); other clustering NMF (0.900); supervised trees (1.200).",
    ]


def test_the_lead_without_other_methods():
    said = lead_sentences(rows(("ours", "seed", "imdbclust", 0.2, 0.3, 0.4)))
    assert len(said) == 2
    assert said[0].endswith(": our seed (0.200).")


def test_the_lead_where_nothing_could_be_measured():
    nan = float("nan")
    said = lead_sentences(rows(("ours", "seed", "imdbclust", nan, nan, nan)))
    assert said == ["No method could be measured on subsamples."]
