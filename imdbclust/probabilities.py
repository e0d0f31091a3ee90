"""Probabilities of clusters, genres and actors.

Every probability refers to a stated experiment. In most tables **a movie is picked uniformly**. A
genre or an actor is then an event ("the movie is a Western", "the movie has this actor"), and
several can hold for one movie: Pr[genre] does not sum to 1 over genres, Pr[cluster | genre] sums
to 1 over clusters. In :class:`MentionProbabilities` **a genre mention is picked uniformly**.
Numbers of the two experiments must not be combined in one formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imdbclust.base.errors import UserError
from imdbclust.base.text import counted, did_you_mean, folded
from imdbclust.clustering import Clustering, check_same_movies
from imdbclust.load import Corpus
from imdbclust.matrix import build_incidence

TOLERANCE = 1e-12
"""Maximum absolute difference between two ways to compute one number."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Number of movies of each cluster, each genre, and each pair of the two.

    Attributes
    ----------
    clusters : Series of int
        Movies of each cluster, indexed by ``cluster``.
    genres : Series of int
        Movies of each genre, indexed by ``genre``.
    joint : DataFrame of int
        Movies of each genre (rows) in each cluster (columns).
    n_movies : int
        All movies, those without genres or cast included.
    """

    clusters: pd.Series
    genres: pd.Series
    joint: pd.DataFrame
    n_movies: int


def count_movies(corpus: Corpus, clustering: Clustering) -> Counts:
    """Count movies by cluster and genre; raise ValueError if the clustering has other movies."""
    check_same_movies(corpus, clustering)
    genres, names = corpus.genre_matrix()
    sizes = clustering.sizes()
    joint = (clustering.membership() @ genres).toarray().T
    return Counts(
        clusters=sizes,
        genres=pd.Series(genres.sum(axis=0).astype(int), index=names, name="movies"),
        joint=pd.DataFrame(joint.astype(int), index=names, columns=sizes.index),
        n_movies=corpus.n_movies,
    )


def p_cluster(clusters: pd.Series) -> pd.Series:
    """Return Pr[cluster] for a movie picked uniformly, from the number of movies per cluster."""
    return (clusters / clusters.sum()).rename("p_cluster")


def p_genre(counts: Counts) -> pd.Series:
    """Return Pr[genre] for a movie picked uniformly; the sum over genres can exceed 1."""
    return (counts.genres / counts.n_movies).rename("p_genre")


def p_genre_given_cluster(counts: Counts) -> pd.DataFrame:
    """Return Pr[genre | cluster], genres x clusters; NaN for an empty cluster."""
    return counts.joint / counts.clusters.where(counts.clusters > 0)


def p_joint(counts: Counts) -> pd.DataFrame:
    """Return Pr[genre, cluster], genres x clusters; each row sums to Pr[genre]."""
    return counts.joint / counts.n_movies


def p_cluster_given_genre(counts: Counts) -> pd.DataFrame:
    """Return Pr[cluster | genre] by Bayes' rule, genres x clusters; each row sums to 1."""
    joint = p_genre_given_cluster(counts).fillna(0.0) * p_cluster(counts.clusters)
    total = np.ascontiguousarray(joint).sum(axis=1)
    return joint.div(np.where(total > 0, total, np.nan), axis=0)


def lift(counts: Counts) -> pd.DataFrame:
    """Return Pr[genre | cluster] / Pr[genre], genres x clusters; 1 if they are independent."""
    return p_genre_given_cluster(counts).div(p_genre(counts), axis=0)


def bayes_table(prior: pd.Series, likelihood: pd.Series) -> pd.DataFrame:
    """Apply Bayes' rule to Pr[cluster] and Pr[evidence | cluster].

    Parameters
    ----------
    prior : Series
        Pr[cluster], summing to 1.
    likelihood : Series
        Pr[evidence | cluster], same index; NaN counts as 0 where the prior is 0.

    Returns
    -------
    DataFrame
        ``prior``, ``likelihood``, ``joint``, ``posterior``, one row per cluster. The sum of
        ``joint`` is Pr[evidence]; if it is 0, every posterior is NaN.

    Raises
    ------
    ValueError
        The prior does not sum to 1, the indexes differ, or a likelihood is not a probability.
    """
    if not prior.index.equals(likelihood.index):
        raise ValueError("prior and likelihood have different clusters")
    if abs(prior.sum() - 1) > TOLERANCE:
        raise ValueError(f"the prior sums to {float(prior.sum())!r}, not to 1")
    likelihood = likelihood.where(prior > 0, likelihood.fillna(0.0))
    if not likelihood.between(0, 1).all():
        raise ValueError("a likelihood is not between 0 and 1")
    joint = prior * likelihood
    total = joint.sum()
    posterior = joint / total if total > 0 else joint * np.nan
    columns = {"prior": prior, "likelihood": likelihood, "joint": joint, "posterior": posterior}
    return pd.DataFrame(columns)


def check_genres(corpus: Corpus) -> None:
    """Raise UserError if no movie has a genre."""
    if corpus.genres.empty:
        raise UserError(
            "no movie has a genre, so the cells tagged `genres` cannot be executed; "
            "`imdbclust run` skips them"
        )


def most_frequent_genre(corpus: Corpus) -> str:
    """Return the genre of most movies; raise UserError if no movie has a genre."""
    check_genres(corpus)
    return corpus.genres["genre"].value_counts().sort_index().idxmax()


def resolve_genre(corpus: Corpus, genre: str) -> str:
    """Return the genre without regard to case and accents.

    Raises UserError, with a similar genre or else the first 50 genres, if no movie has it.
    """
    names = corpus.genres["genre"].cat.categories
    known = {folded(name): name for name in names}
    if genre in names or folded(genre) in known:
        return genre if genre in names else known[folded(genre)]
    listed = ", ".join([*names[:50], *["…"] * (len(names) > 50)])
    which = f"the genres are {listed}" if listed else "no movie has a genre"
    raise UserError(f"no movie has the genre {genre!r}; {did_you_mean(genre, names, which)}")


def resolve_actor(corpus: Corpus, actor: str) -> str:
    """Return the id of the actor with that id or, if it is unique, with that name.

    Raises
    ------
    UserError
        The actor is unknown, or several have the name; the message lists their ids.
    """
    found = corpus.find_actor(actor)
    if found.empty:
        raise UserError(f"no actor has the id or the name {actor!r}")
    if len(found) > 1:
        ids = [f"{row.actor_id} ({counted(row.n_movies, 'movie')})" for row in found.itertuples()]
        raise UserError(f"{actor!r} is the name of {len(ids)} actors; give an id: {', '.join(ids)}")
    return found["actor_id"].iloc[0]


def evidence(corpus: Corpus, *, genre: str | None = None, actor: str | None = None) -> np.ndarray:
    """Return whether each movie has the genre and the actor, as bool of shape (n_movies,).

    The actor is an id or an unambiguous name. None asks for no genre or no actor. See
    :func:`resolve_genre` and :func:`resolve_actor` for errors.
    """
    has = np.ones(corpus.n_movies, dtype=bool)
    if genre is not None:
        wanted = corpus.genres["genre"] == resolve_genre(corpus, genre)
        has &= np.bincount(corpus.genres.loc[wanted, "movie"], minlength=corpus.n_movies) > 0
    if actor is not None:
        wanted = corpus.credits["actor"] == corpus.find_actor(resolve_actor(corpus, actor)).index[0]
        has &= np.bincount(corpus.credits.loc[wanted, "movie"], minlength=corpus.n_movies) > 0
    return has


def p_evidence_given_cluster(clustering: Clustering, has: np.ndarray) -> pd.Series:
    """Return Pr[evidence | cluster]: the share of the movies of each cluster that have it."""
    sizes = clustering.sizes()
    return (_count_with(clustering, has) / sizes.where(sizes > 0)).rename("likelihood")


def count_posterior(clustering: Clustering, has: np.ndarray) -> pd.Series:
    """Return Pr[cluster | evidence] by counting movies, without Bayes' rule."""
    total = has.sum()
    inside = _count_with(clustering, has)
    return (inside / total if total else inside * np.nan).rename("posterior")


def evidence_table(clustering: Clustering, has: np.ndarray) -> pd.DataFrame:
    """Return :func:`bayes_table` of an evidence, after the columns ``movies``, ``with_evidence``.

    Raises
    ------
    ArithmeticError
        Bayes' rule and counting disagree, or the total probability is not Pr[evidence].
    """
    sizes = clustering.sizes()
    table = bayes_table(p_cluster(sizes), p_evidence_given_cluster(clustering, has))
    if not _agree(table["posterior"], count_posterior(clustering, has)):
        raise ArithmeticError("Pr[cluster | evidence] by Bayes' rule differs from the direct count")
    if not _agree(table["joint"].sum(), has.mean()):
        raise ArithmeticError("the total probability over clusters is not Pr[evidence]")
    table.insert(0, "movies", sizes)
    table.insert(1, "with_evidence", _count_with(clustering, has))
    return table


def count_pairs(corpus: Corpus, clustering: Clustering, *, least: int = 5) -> np.ndarray:
    """Count by cluster the movies of all pairs of a genre and an actor with `least` or more.

    The result is int of shape (n_pairs, n_groups), with the columns of :meth:`Clustering.sizes`.
    The pairs are in the order of genres, then of actors.
    """
    genres, _ = corpus.genre_matrix()
    casts = build_incidence(corpus).matrix

    def count(movies: np.ndarray | slice) -> pd.Series:
        """Return the number of these movies by pair; a pair is one number."""
        pairs = (genres[movies].T @ casts[movies]).tocoo()
        genre, actor = pairs.coords
        return pd.Series(pairs.data, genre.astype(np.int64) * casts.shape[1] + actor)

    pairs = count(slice(None))
    pairs = pairs.index[pairs >= least].sort_values()
    counts = np.zeros((len(pairs), len(clustering.groups)), dtype=int)
    for group in range(len(clustering.groups)):
        counts[:, group] = count(clustering.codes == group).reindex(pairs, fill_value=0)
    return counts


@dataclass(frozen=True, eq=False)
class MentionProbabilities:
    """Probabilities for another experiment: a genre *mention* is picked uniformly.

    A movie with three genres has three mentions and a movie without genres has none, so these
    numbers differ from those for a movie picked uniformly.

    Attributes
    ----------
    p_cluster : Series
        Share of the mentions in each cluster; sums to 1.
    p_genre : Series
        Share of the mentions of each genre; sums to 1.
    p_genre_given_cluster : DataFrame
        Genres x clusters; every column sums to 1 (NaN for a cluster without mentions).
    p_cluster_given_genre : DataFrame
        Genres x clusters; every row sums to 1.
    """

    p_cluster: pd.Series
    p_genre: pd.Series
    p_genre_given_cluster: pd.DataFrame
    p_cluster_given_genre: pd.DataFrame


def mention_probabilities(counts: Counts) -> MentionProbabilities:
    """Return the probabilities for a mention; raise ValueError if no movie has a genre."""
    total = counts.joint.to_numpy().sum()
    if not total:
        raise ValueError("no movie has a genre, so no mention can be picked")
    by_cluster, by_genre = counts.joint.sum(axis=0), counts.joint.sum(axis=1)
    return MentionProbabilities(
        p_cluster=(by_cluster / total).rename("p_cluster"),
        p_genre=(by_genre / total).rename("p_genre"),
        p_genre_given_cluster=counts.joint / by_cluster.where(by_cluster > 0),
        p_cluster_given_genre=counts.joint.div(by_genre, axis=0),
    )


def check_tables(counts: Counts) -> list[str]:
    """Check the tables against each other and against counting.

    Returns one sentence for each check. Raises ArithmeticError for the first identity that does
    not hold within `TOLERANCE`.
    """
    prior, joint = p_cluster(counts.clusters), p_joint(counts)
    posterior, likelihood = p_cluster_given_genre(counts), p_genre_given_cluster(counts)
    total = (likelihood.fillna(0.0) * prior).sum(axis=1)
    marginal, direct = p_genre(counts), counts.joint.div(counts.genres, axis=0)
    claims = {
        "Pr[cluster] sums to 1 over clusters": (prior.sum(), 1.0),
        "Pr[cluster | genre] sums to 1 over clusters, for every genre": (
            posterior.sum(axis=1),
            1.0,
        ),
        "Pr[cluster | genre] by Bayes equals the count of the genre's movies in the cluster over "
        "the genre's movies": (posterior, direct),
        "the sum of Pr[genre | cluster] Pr[cluster] over clusters equals Pr[genre]": (
            total,
            marginal,
        ),
        "Pr[genre, cluster] summed over clusters equals Pr[genre]": (joint.sum(axis=1), marginal),
    }
    for claim, sides in claims.items():
        if not _agree(*sides):
            raise ArithmeticError(f"this does not hold: {claim}")
    return list(claims)


def genre_information(counts: Counts) -> pd.DataFrame:
    """Return the mutual information of the cluster and each genre, in bits.

    For a movie picked uniformly, between its cluster and whether it has the genre: 0 if they are
    independent, at most the entropy of the genre. The numbers are in-sample: by chance alone,
    small clusters carry some information. Their sum counts twice what genres share; for the genres
    together see :func:`imdbclust.evaluation.held_out.joint_information`.

    Returns
    -------
    DataFrame
        ``genre``, ``movies``, ``bits``, ``entropy``, by descending bits.

    References
    ----------
    Cover and Thomas (2006), "Elements of Information Theory", section 2.3.
    """
    p_with = counts.genres.to_numpy() / counts.n_movies
    marginal = np.stack([p_with, 1 - p_with])
    table = pd.DataFrame(
        {
            "genre": counts.joint.index,
            "movies": counts.genres.to_numpy(),
            "bits": mutual_information(counts.joint.to_numpy(), counts.clusters.to_numpy()),
            "entropy": -(marginal * np.log2(np.where(marginal > 0, marginal, 1.0))).sum(axis=0),
        }
    )
    return table.sort_values(["bits", "genre"], ascending=[False, True]).reset_index(drop=True)


def example_genre(counts: Counts, wanted: str, *, form_tags: Sequence[str]) -> str | None:
    """Return the genre of the examples: the wanted one, or else one that clusters predict best.

    The latter is the first of :func:`genre_information` that is not one of `form_tags`, which name
    a form or an era: that clusters predict them is trivial. It is a form tag if the movies have
    nothing else, and None without genres.
    """
    ranked = genre_information(counts)["genre"].tolist()
    content = [genre for genre in ranked if genre not in form_tags]
    return wanted or next(iter(content + ranked), None)


def mutual_information(joint: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the mutual information of the cluster and each genre, in bits, (n_genres,).

    `joint` is the number of movies of each genre in each cluster, (n_genres, n_clusters), and
    `sizes` the number of movies of each cluster.
    """
    n_movies = sizes.sum()
    given = np.stack([joint, sizes - joint]) / n_movies
    independent = given.sum(axis=2, keepdims=True) * (sizes / n_movies)
    ratio = np.divide(given, independent, out=np.ones_like(given), where=given > 0)
    return (given * np.log2(ratio)).sum(axis=(0, 2)).clip(min=0.0)


def ratings_by_cluster(corpus: Corpus, clustering: Clustering) -> pd.DataFrame:
    """Return mean rating and votes of each cluster, over rated movies only.

    The columns are ``cluster``, ``movies``, ``rated``, ``mean_rating`` and ``mean_votes``; the
    means are NaN for a cluster without rated movies.
    """
    table = pd.DataFrame(
        {
            "cluster": clustering.labels,
            "rating": corpus.movies["rating"].to_numpy(),
            "votes": corpus.movies["votes"].astype(float).to_numpy(),
        }
    ).groupby("cluster")
    means = table.agg(
        movies=("rating", "size"),
        rated=("rating", "count"),
        mean_rating=("rating", "mean"),
        mean_votes=("votes", "mean"),
    )
    means = means.reindex(clustering.sizes().index).fillna({"movies": 0, "rated": 0})
    return means.astype({"movies": int, "rated": int}).reset_index()


def expected_rating(corpus: Corpus, clustering: Clustering, has: np.ndarray) -> dict[str, float]:
    """Return the expected rating of movies with an evidence, computed in two ways.

    Returns
    -------
    dict
        ``through_clusters``: mean ratings of the clusters weighted by Pr[cluster | evidence],
        over the clusters with rated movies; ``direct``: mean over the rated movies with the
        evidence; ``rated``: number of these. NaN if no movie is rated.
    """
    means = ratings_by_cluster(corpus, clustering).set_index("cluster")["mean_rating"]
    weights = count_posterior(clustering, has).where(means.notna())
    through = float((weights * means).sum() / weights.sum()) if weights.sum() > 0 else np.nan
    ratings = corpus.movies["rating"][has]
    return {
        "through_clusters": through,
        "direct": float(ratings.mean()),
        "rated": int(ratings.notna().sum()),
    }


def sample_movies(
    corpus: Corpus, among: np.ndarray, *, n: int = 10, random_state: int
) -> pd.DataFrame:
    """Return a random sample of the movies that `among` marks, by id: ids, titles and years."""
    by_id = np.argsort(corpus.movies["movie_id"], kind="stable")  # whatever the order of the file
    movies = np.flatnonzero(among[by_id])
    rng = np.random.default_rng(random_state)
    drawn = by_id[np.sort(rng.choice(movies, size=min(n, len(movies)), replace=False))]
    return corpus.movies.loc[drawn, ["movie_id", "title", "year"]].reset_index(drop=True)


def _count_with(clustering: Clustering, has: np.ndarray) -> pd.Series:
    sizes = clustering.sizes()
    counts = np.bincount(clustering.codes[has], minlength=len(sizes))
    return pd.Series(counts, index=sizes.index, name="with_evidence")


def _agree(one, other) -> bool:
    """Return whether two numbers or tables agree within `TOLERANCE`; NaN agrees with NaN."""
    return bool(np.allclose(one, other, rtol=0, atol=TOLERANCE, equal_nan=True))
