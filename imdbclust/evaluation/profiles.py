"""Profiles: what each cluster contains, and the name that follows from it."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust import wording
from imdbclust.base.errors import UserError
from imdbclust.base.text import quoted
from imdbclust.clustering import UNPLACED, Clustering, check_same_movies
from imdbclust.load import Corpus
from imdbclust.matrix import build_incidence

NAMING_SHARE = 0.3
"""A genre can name a cluster if at least this share of the cluster's movies has it."""

FORM_TAGS = ("Silent", "Short", "Animated")
"""Genres that name a form or an era, not content."""

MAX_NAME = 80  # maximum length of a cluster's name in characters


def standouts(
    counts: sp.csr_array, sizes: pd.Series, totals: np.ndarray, names: pd.Index, *, n: int = 5
) -> pd.DataFrame:
    """Return the `n` actors or genres that are most over-represented in each cluster.

    Parameters
    ----------
    counts : csr_array, shape (n_clusters, n_names)
        Number of movies of each cluster that have each of the actors or genres `names`.
    sizes : Series, length n_clusters
        Number of movies of each cluster.
    totals : ndarray, shape (n_names,)
        Number of all movies that have the actor or genre.
    names : Index
        Actors or genres; among equals, the earlier one ranks first.

    Returns
    -------
    DataFrame
        ``cluster``, ``rank`` (from 1), ``name``, ``n_in_cluster``, ``n_in_all``, ``lift``:
        the share within the cluster over the share in all movies. Only lifts above 1, ordered
        by the bits of evidence ``n_in_cluster * log2(lift)``: lift alone would put actors of a
        single movie on top, and counts alone would name the same prolific actors everywhere.
    """
    pairs = sp.coo_array(counts)
    lift = pairs.data * sizes.sum() / (sizes.to_numpy()[pairs.row] * totals[pairs.col])
    table = pd.DataFrame(
        {
            "cluster": sizes.index.to_numpy()[pairs.row],
            "name": names.to_numpy()[pairs.col],
            "n_in_cluster": pairs.data.astype(int),
            "n_in_all": totals[pairs.col].astype(int),
            "lift": lift,
        }
    )
    evidence = (pairs.data * np.log2(lift)).round(9)  # equals differ by rounding errors only
    order = np.lexsort((pairs.col, -evidence, pairs.row))
    table = table.iloc[order[lift[order] > 1]]
    table.insert(1, "rank", table.groupby("cluster").cumcount() + 1)
    return table[table["rank"] <= n].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Profiles:
    """The description of the clusters.

    Attributes
    ----------
    summary : DataFrame
        One row per cluster: ``cluster``, ``name``, ``movies``, ``genre`` (the one in the name;
        empty without one) and its ``genre_share`` of the cluster's movies, ``actors`` (the foremost
        standouts), ``genres`` (the same, with share and over-representation), ``years`` (middle
        half), ``titles`` (a seeded sample) and ``short_name``.
    actors, genres : DataFrame
        Standouts with counts and lift, from :func:`standouts`.
    decades : DataFrame
        ``cluster``, ``decade``, ``movies``, without the movies whose year is missing.
    """

    summary: pd.DataFrame
    actors: pd.DataFrame
    genres: pd.DataFrame
    decades: pd.DataFrame

    def labels(self, *, short: bool = False) -> pd.Series:
        """Return the label of each cluster: ``#3 John Wayne, Gabby Hayes: Western, 1930s``.

        The short label is ``#3 John Wayne``. A name of the user's own is in both.
        """
        names = self.summary.set_index("cluster")["short_name" if short else "name"]
        numbers = np.where(names.index == UNPLACED, "", "#" + names.index.astype(str) + " ")
        return (numbers + names).str.strip().rename("label")

    def save(self, folder: Path) -> None:
        """Write the tables into an existing folder."""
        for name in self.__dataclass_fields__:
            getattr(self, name).to_parquet(folder / f"profile_{name}.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> Profiles:
        """Read what :meth:`save` wrote."""
        names = cls.__dataclass_fields__
        return cls(*(pd.read_parquet(folder / f"profile_{name}.parquet") for name in names))


def profile_clusters(
    corpus: Corpus,
    clustering: Clustering,
    *,
    n_titles: int = 5,
    form_tags: Sequence[str] = FORM_TAGS,
    names: Mapping[int, str] | None = None,
    random_state: int,
) -> Profiles:
    """Describe every cluster by its actors, genres, decades and a seeded sample of its titles.

    A cluster is named by its two foremost actors and its decades. A genre is in the name only if
    at least `NAMING_SHARE` of the cluster's movies have it, more often than the other movies, and
    if it is not one of `form_tags`. `names` are names of the user's own, by cluster.

    The corpus must have the clustered movies in the same order; otherwise ValueError is raised.
    """
    check_same_movies(corpus, clustering)
    sizes = clustering.sizes()
    member = clustering.membership()
    casts = build_incidence(corpus).matrix
    genre_matrix, genre_names = corpus.genre_matrix()
    by_name = corpus.actors.sort_values(["name", "actor_id"]).index  # whatever the order of lines
    careers = corpus.movies_per_actor()[by_name]
    actor_names = pd.Index(corpus.actors["name"])[by_name]
    actors = standouts(member @ casts[:, by_name], sizes, careers, actor_names)
    actors = actors[actors["cluster"] != UNPLACED].copy()  # these play in one movie only
    counts, totals = member @ genre_matrix, genre_matrix.sum(axis=0)
    genres = standouts(counts, sizes, totals, genre_names, n=len(genre_names))
    with_shares = _with_shares(genres, genres["cluster"].map(sizes), corpus.n_movies)
    by_id = np.argsort(corpus.movies["movie_id"], kind="stable")
    labels, movies = clustering.labels[by_id], corpus.movies.iloc[by_id]
    rng = np.random.default_rng(random_state)
    own = names or {}
    rows = []
    for cluster, size in sizes.items():
        who = actors.loc[actors["cluster"] == cluster, "name"].tolist()
        about = with_shares[with_shares["cluster"] == cluster]
        may_name = about["share"].ge(NAMING_SHARE) & ~about["name"].isin(form_tags)
        named = about[may_name & (cluster != UNPLACED) & (cluster not in own)].head(1)
        genre = "".join(named["name"])
        inside = np.flatnonzero(labels == cluster)
        years = _middle_years(movies["year"].iloc[inside])
        titles = np.sort(rng.choice(inside, size=min(n_titles, size), replace=False))
        name, short_name = wording.names_of_cluster(cluster, who, genre, years)
        rows.append(
            {
                "cluster": cluster,
                "name": own.get(cluster, name),
                "movies": size,
                "genre": genre,
                "genre_share": named["share"].max(),
                "actors": ", ".join(who[:3]),
                "genres": "; ".join(map(wording.over_representation, about.head(3).itertuples())),
                "years": f"{years[0]} to {years[1]}" if years else "",
                "titles": "; ".join(movies["title"].iloc[titles]),
                "short_name": own.get(cluster, short_name),
            }
        )
    genres = genres[genres["rank"] <= 5].reset_index(drop=True)
    return Profiles(pd.DataFrame(rows), actors, genres, _decades(corpus, clustering))


def _with_shares(genres: pd.DataFrame, sizes: pd.Series, n_movies: int) -> pd.DataFrame:
    """Add ``share`` of the cluster's movies, and ``times`` the share of all other movies.

    Genres that are not visibly more frequent than elsewhere (1.0 times) are left out.
    """
    inside = genres["n_in_cluster"]
    share, elsewhere = inside / sizes, (genres["n_in_all"] - inside) / (n_movies - sizes)
    table = genres.assign(share=share, times=share / elsewhere)
    return table[table["times"] >= 1.05]


def parse_names(text: str, n_clusters: int) -> dict[int, str]:
    """Return the names of clusters from the parameter ``names``: a JSON object, or empty.

    Raises
    ------
    UserError
        The text is not an object of texts by number of cluster, a number is repeated or is not
        that of a cluster, or a name is empty, too long or not printable.
    """
    try:
        pairs = json.loads(text or "{}", object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise UserError(f"names must be a JSON object: {error}") from None
    if not isinstance(pairs, tuple):
        raise UserError(f'names must be a JSON object such as {{"3": "Noir"}}, not {quoted(text)}')
    clusters = {str(cluster): cluster for cluster in range(n_clusters)}
    found: dict[int, str] = {}
    for number, name in pairs:
        if number not in clusters:
            known = f"the clusters are numbered 0 to {n_clusters - 1}"
            raise UserError(f"names: unknown cluster {quoted(number)}; {known}")
        if clusters[number] in found:
            raise UserError(f"names: cluster {number} has two names")
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise UserError(f"names: {quoted(name)} cannot be the name of cluster {number}")
        if len(name) > MAX_NAME:
            raise UserError(f"names: {quoted(name)} is longer than {MAX_NAME} characters")
        found[clusters[number]] = name.strip()
    return found


def read_names(path: Path) -> str:
    """Return the parameter ``names`` from a file of the user's own.

    The file is CSV with the columns ``cluster`` and ``name``, or JSON lines with these keys.
    Raises UserError, with the name of the file, if it cannot be read or has no such columns.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
        if text.startswith("{"):
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = list(csv.DictReader(text.splitlines(), strict=True))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise UserError(f"{path}: neither CSV nor JSON lines: {error}") from None
    for row in rows:
        if not isinstance(row, dict) or None in row:
            raise UserError(f"{path}: every row must have a cluster and a name, not {quoted(row)}")
        for column in [one for one in ("cluster", "name") if row.get(one) is None]:
            close = difflib.get_close_matches(column, row.keys() - {column}, n=1)
            hint = f"; did you mean {quoted(close[0])}?" if close else ""
            raise UserError(f"{path}: the column {column} is missing{hint}")
    if not rows:
        raise UserError(f"{path}: no name in this file")
    pairs = ({str(row["cluster"]).strip(): row["name"]} for row in rows)
    # not one dictionary: repeated clusters are errors later
    return f"{{{', '.join(json.dumps(pair, ensure_ascii=False)[1:-1] for pair in pairs)}}}"


def _middle_years(years: pd.Series) -> tuple[int, int] | None:
    """Return the first and last year of the middle half; None if no year is known."""
    known = years.dropna()
    return tuple(map(round, np.quantile(known, [0.25, 0.75]))) if len(known) else None


def _decades(corpus: Corpus, clustering: Clustering) -> pd.DataFrame:
    columns = {"cluster": clustering.labels, "decade": corpus.movies["year"] // 10 * 10}
    counts = pd.DataFrame(columns).dropna().value_counts().rename("movies").reset_index()
    last = clustering.n_clusters  # place of the unplaced movies
    places = counts["cluster"].where(counts["cluster"] != UNPLACED, last)
    return counts.iloc[np.lexsort((counts["decade"], places))].reset_index(drop=True)
