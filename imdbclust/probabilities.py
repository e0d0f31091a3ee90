"""Probabilities that go with a clustering: of clusters, genres and actors.

The experiment is always stated. In most tables it is: **a movie is picked uniformly**. A genre
or an actor is then an event ("the movie is a Western", "the movie has this actor"), and a movie
can meet several of them: Pr[genre] does not sum to 1 over genres, Pr[cluster | genre] does over
clusters. In :class:`MentionProbabilities` the experiment is another one, **a genre mention is
picked uniformly**; numbers of the two must not be mixed in one formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from imdbclust.clustering import Clustering, check_same_movies
from imdbclust.load import Corpus

TOLERANCE = 1e-12
"""Sums and two ways to one number may differ by so much, and by no more."""


@dataclass(frozen=True, eq=False)
class Counts:
    """How many movies there are of each cluster, each genre, and each pair of them.

    Attributes
    ----------
    clusters : Series of int
        Movies of each cluster, indexed by ``cluster``.
    genres : Series of int
        Movies of each genre, indexed by ``genre``.
    joint : DataFrame of int
        Movies of each genre (rows) in each cluster (columns).
    n_movies : int
        All movies, genreless and castless ones included.
    """

    clusters: pd.Series
    genres: pd.Series
    joint: pd.DataFrame
    n_movies: int


def count_movies(corpus: Corpus, clustering: Clustering) -> Counts:
    """Count movies by cluster and genre.

    Raises
    ------
    ValueError
        If the clustering is of other movies.
    """
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
    """Return Pr[cluster] for a movie picked uniformly.

    Parameters
    ----------
    clusters : Series of int
        Movies of each cluster.

    Returns
    -------
    Series
        Share of each cluster, same index; sums to 1.
    """
    return (clusters / clusters.sum()).rename("p_cluster")


def p_genre(counts: Counts) -> pd.Series:
    """Return Pr[genre] for a movie picked uniformly; the sum over genres may exceed 1."""
    return (counts.genres / counts.n_movies).rename("p_genre")


def p_genre_given_cluster(counts: Counts) -> pd.DataFrame:
    """Return Pr[genre | cluster], genres x clusters; NaN for an empty cluster."""
    return counts.joint / counts.clusters.where(counts.clusters > 0)


def p_joint(counts: Counts) -> pd.DataFrame:
    """Return Pr[genre, cluster], genres x clusters; a genre's row sums to Pr[genre]."""
    return counts.joint / counts.n_movies


def p_cluster_given_genre(counts: Counts) -> pd.DataFrame:
    """Return Pr[cluster | genre] by Bayes, genres x clusters; every row sums to 1."""
    rows = {
        genre: bayes_table(p_cluster(counts.clusters), likelihood)["posterior"]
        for genre, likelihood in p_genre_given_cluster(counts).iterrows()
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=counts.joint.columns, dtype=float)
    table.index.name = "genre"
    return table


def lift(counts: Counts) -> pd.DataFrame:
    """Return Pr[genre | cluster] over Pr[genre], genres x clusters; 1 where unrelated."""
    return p_genre_given_cluster(counts).div(p_genre(counts), axis=0)


def bayes_table(prior: pd.Series, likelihood: pd.Series) -> pd.DataFrame:
    """Go from Pr[cluster] and Pr[evidence | cluster] to Pr[cluster | evidence].

    Parameters
    ----------
    prior : Series
        Pr[cluster], summing to 1.
    likelihood : Series
        Pr[evidence | cluster], same index; NaN counts as 0 where the prior is 0.

    Returns
    -------
    DataFrame
        ``prior``, ``likelihood``, ``joint``, ``posterior``, one row a cluster. The sum of
        ``joint`` is Pr[evidence]; where it is 0, nothing can be said, and every posterior is NaN.

    Raises
    ------
    ValueError
        If the prior does not sum to 1, the indexes differ, or a likelihood is no probability.
    """
    if not prior.index.equals(likelihood.index):
        raise ValueError("prior and likelihood are of different clusters")
    if abs(prior.sum() - 1) > TOLERANCE:
        raise ValueError(f"the prior sums to {prior.sum()!r}, not to 1")
    likelihood = likelihood.where(prior > 0, likelihood.fillna(0.0))
    if not likelihood.between(0, 1).all():
        raise ValueError("a likelihood is not between 0 and 1")
    joint = prior * likelihood
    total = joint.sum()
    posterior = joint / total if total > 0 else joint * np.nan
    columns = {"prior": prior, "likelihood": likelihood, "joint": joint, "posterior": posterior}
    return pd.DataFrame(columns)


def resolve_genre(corpus: Corpus, genre: str) -> str:
    """Return the genre if a movie has it.

    Raises
    ------
    ValueError
        If none has; the message lists the genres.
    """
    known = corpus.genres["genre"].cat.categories
    if genre not in known:
        raise ValueError(f"no movie has the genre {genre!r}; the genres are {', '.join(known)}")
    return genre


def resolve_actor(corpus: Corpus, actor: str) -> str:
    """Return the id of the actor who has that id or, alone, that name.

    Raises
    ------
    ValueError
        If there is none, or if several have the name; the message lists their ids.
    """
    found = corpus.find_actor(actor)
    if found.empty:
        raise ValueError(f"no actor has the id or the name {actor!r}")
    if len(found) > 1:
        who = ", ".join(f"{row.actor_id} ({row.n_movies} movies)" for row in found.itertuples())
        raise ValueError(f"{actor!r} is the name of {len(found)} actors, give an id: {who}")
    return found["actor_id"].iloc[0]


def evidence(corpus: Corpus, *, genre: str | None = None, actor: str | None = None) -> np.ndarray:
    """Tell for every movie whether it has the genre and the actor.

    Parameters
    ----------
    corpus : Corpus
        The movies.
    genre : str, optional
        The genre a movie must have; None asks for none.
    actor : str, optional
        Id or unambiguous name of the actor it must have; None asks for none.

    Returns
    -------
    ndarray of bool, shape (n_movies,)

    Raises
    ------
    ValueError
        An unknown genre, an unknown or ambiguous actor.
    """
    has = np.ones(corpus.n_movies, dtype=bool)
    if genre is not None:
        wanted = corpus.genres["genre"] == resolve_genre(corpus, genre)
        has &= _marked(corpus.genres.loc[wanted, "movie"], corpus.n_movies)
    if actor is not None:
        position = corpus.actors.index[corpus.actors["actor_id"] == resolve_actor(corpus, actor)][0]
        wanted = corpus.credits["actor"] == position
        has &= _marked(corpus.credits.loc[wanted, "movie"], corpus.n_movies)
    return has


def p_evidence_given_cluster(clustering: Clustering, has: np.ndarray) -> pd.Series:
    """Return Pr[evidence | cluster]: the share of each cluster's movies that have it."""
    sizes = clustering.sizes()
    return (_count_with(clustering, has) / sizes.where(sizes > 0)).rename("likelihood")


def count_posterior(clustering: Clustering, has: np.ndarray) -> pd.Series:
    """Return Pr[cluster | evidence] by counting the movies that have it, without Bayes."""
    total = has.sum()
    counted = _count_with(clustering, has)
    return (counted / total if total else counted * np.nan).rename("posterior")


def evidence_table(clustering: Clustering, has: np.ndarray) -> pd.DataFrame:
    """Return the Bayes table of an evidence with the counts behind it.

    Returns
    -------
    DataFrame
        As :func:`bayes_table`, with ``movies`` and ``with_evidence`` in front.

    Raises
    ------
    ArithmeticError
        If Bayes and counting disagree, or the total probability is not the evidence's share.
    """
    sizes = clustering.sizes()
    table = bayes_table(p_cluster(sizes), p_evidence_given_cluster(clustering, has))
    if not _agree(table["posterior"], count_posterior(clustering, has)):
        raise ArithmeticError("Pr[cluster | evidence] by Bayes is not the one by counting")
    if not _agree(table["joint"].sum(), has.mean()):
        raise ArithmeticError("the total probability over clusters is not Pr[evidence]")
    table.insert(0, "movies", sizes)
    table.insert(1, "with_evidence", _count_with(clustering, has))
    return table


@dataclass(frozen=True, eq=False)
class MentionProbabilities:
    """Probabilities for another experiment: a genre *mention* is picked uniformly.

    A movie of three genres is mentioned three times, a genreless one never; that is why these
    numbers differ from those for a movie picked uniformly.

    Attributes
    ----------
    p_cluster : Series
        Share of the mentions that fall into each cluster; sums to 1.
    p_genre : Series
        Share of the mentions that name each genre; sums to 1.
    p_genre_given_cluster : DataFrame
        Genres x clusters; every column sums to 1 (NaN where no mention falls into the cluster).
    p_cluster_given_genre : DataFrame
        Genres x clusters; every row sums to 1.
    """

    p_cluster: pd.Series
    p_genre: pd.Series
    p_genre_given_cluster: pd.DataFrame
    p_cluster_given_genre: pd.DataFrame


def mention_probabilities(counts: Counts) -> MentionProbabilities:
    """Return the probabilities for a genre mention picked uniformly.

    Raises
    ------
    ValueError
        If no movie has a genre.
    """
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

    Returns
    -------
    list of str
        What was checked, one sentence each.

    Raises
    ------
    ArithmeticError
        The first identity that does not hold within `TOLERANCE`.
    """
    prior, joint = p_cluster(counts.clusters), p_joint(counts)
    posterior, likelihood = p_cluster_given_genre(counts), p_genre_given_cluster(counts)
    total = (likelihood.fillna(0.0) * prior).sum(axis=1)
    marginal, counted = p_genre(counts), counts.joint.div(counts.genres, axis=0)
    claims: dict[str, Callable[[], bool]] = {
        "Pr[cluster] sums to 1 over clusters": lambda: _agree(prior.sum(), 1.0),
        "Pr[cluster | genre] sums to 1 over clusters, for every genre": lambda: _agree(
            posterior.sum(axis=1), 1.0
        ),
        "Pr[cluster | genre] by Bayes equals the count of the genre's movies in the cluster over "
        "the genre's movies": lambda: _agree(posterior, counted),
        "the sum of Pr[genre | cluster] Pr[cluster] over clusters equals Pr[genre]": lambda: _agree(
            total, marginal
        ),
        "Pr[genre, cluster] summed over clusters equals Pr[genre]": lambda: _agree(
            joint.sum(axis=1), marginal
        ),
    }
    for claim, holds in claims.items():
        if not holds():
            raise ArithmeticError(f"this does not hold: {claim}")
    return list(claims)


def genre_information(counts: Counts) -> pd.DataFrame:
    """Return how much the cluster tells about each genre: mutual information in bits.

    For a movie picked uniformly, between its cluster and whether it has the genre; 0 where
    clusters tell nothing, at most the entropy of the genre, which is given too. These are
    in-sample numbers: small clusters tell something by chance alone.

    Returns
    -------
    DataFrame
        ``genre``, ``movies``, ``bits``, ``entropy``, by falling bits.

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


def mutual_information(joint: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the mutual information of cluster and each genre, in bits.

    Parameters
    ----------
    joint : ndarray, shape (n_genres, n_clusters)
        Movies of the cluster that have the genre.
    sizes : ndarray, shape (n_clusters,)
        Movies of the cluster.

    Returns
    -------
    ndarray, shape (n_genres,)
    """
    n_movies = sizes.sum()
    given = np.stack([joint, sizes - joint]) / n_movies
    independent = given.sum(axis=2, keepdims=True) * (sizes / n_movies)
    ratio = np.divide(given, independent, out=np.ones_like(given), where=given > 0)
    return (given * np.log2(ratio)).sum(axis=(0, 2)).clip(min=0.0)


@dataclass(frozen=True, eq=False)
class CastModel:
    """Which clusters an actor points to: for Pr[cluster | cast] by Bayes' rule.

    The actors of a cast count as independent given the cluster, as in any naive Bayes::

        Pr[cluster | cast] ~ Pr[cluster] * product over actors of Pr[cluster | actor] / Pr[cluster]

    Pr[cluster | actor] is the share of the actor's movies that are in the cluster, after adding
    `strength` movies that are shared out as all movies are: an actor of one movie hints, an actor
    of fifty decides.

    Attributes
    ----------
    prior : ndarray, shape (n_clusters,)
        Pr[cluster] of a placed movie.
    log_factors : ndarray, shape (n_actors, n_clusters)
        Logarithm of Pr[cluster | actor] / Pr[cluster]; 0 for an actor of whom nothing is known.
    known : ndarray of bool, shape (n_actors,)
        Whether the actor plays in a placed movie.

    References
    ----------
    Lewis (1998), "Naive (Bayes) at forty", ECML; the added movies are a Dirichlet prior around
    Pr[cluster], as in Gelman et al. (2013), "Bayesian data analysis", section 3.4.
    """

    prior: np.ndarray
    log_factors: np.ndarray
    known: np.ndarray

    @classmethod
    def learn(
        cls, casts: sp.csr_array, labels: np.ndarray, n_clusters: int, *, strength: float = 2.0
    ) -> CastModel:
        """Learn from movies whose clusters are known.

        Parameters
        ----------
        casts : csr_array, shape (n_movies, n_actors)
            1 where the actor plays in the movie.
        labels : ndarray of int, shape (n_movies,)
            Their clusters; negative where the movie is unplaced, which is left out.
        n_clusters : int
            Number of clusters.
        strength : float above 0
            Movies added to every actor's.
        """
        placed = np.flatnonzero(labels >= 0)
        sizes = np.bincount(labels[placed], minlength=n_clusters)
        prior = (sizes + 0.5) / (sizes.sum() + 0.5 * n_clusters)
        where = (labels[placed], np.arange(len(placed)))
        member = sp.csr_array((np.ones(len(placed)), where), shape=(n_clusters, len(placed)))
        counts = (member @ casts[placed]).toarray().T
        careers = counts.sum(axis=1, keepdims=True)
        p_given_actor = (counts + strength * prior) / (careers + strength)
        return cls(prior, np.log(p_given_actor / prior), careers[:, 0] > 0)

    def posterior(self, casts: sp.csr_array, likelihood: np.ndarray | None = None) -> np.ndarray:
        """Return Pr[cluster | cast] of other movies.

        Parameters
        ----------
        casts : csr_array, shape (n_new, n_actors)
            1 where the actor plays.
        likelihood : ndarray, shape (n_clusters,), optional
            Pr[other evidence | cluster], such as a genre's, taken as independent of the cast
            given the cluster.

        Returns
        -------
        ndarray, shape (n_new, n_clusters + 1)
            Rows sum to 1. The last column is 1 where no actor is known and nothing else is given:
            the movie is unplaced.
        """
        with np.errstate(divide="ignore"):
            start = np.log(self.prior if likelihood is None else self.prior * likelihood)
        log_joint = casts @ self.log_factors + start
        joint = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
        told = (casts @ self.known.astype(float) > 0) | (likelihood is not None)
        clusters = joint / joint.sum(axis=1, keepdims=True) * told[:, None]
        return np.column_stack([clusters, ~told])


def ratings_by_cluster(corpus: Corpus, clustering: Clustering) -> pd.DataFrame:
    """Return mean rating and votes of each cluster, over rated movies only.

    Returns
    -------
    DataFrame
        ``cluster``, ``movies``, ``rated``, ``mean_rating``, ``mean_votes``; NaN where no movie
        of the cluster is rated.
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
    means = means.reindex(clustering.sizes().index)
    return (
        means.fillna({"movies": 0, "rated": 0}).astype({"movies": int, "rated": int}).reset_index()
    )


def expected_rating(corpus: Corpus, clustering: Clustering, has: np.ndarray) -> dict[str, float]:
    """Return the rating expected for movies with an evidence, in two ways.

    Returns
    -------
    dict
        ``through_clusters``: the clusters' mean ratings weighted by Pr[cluster | evidence],
        over the clusters that have rated movies; ``direct``: the mean over the rated movies
        that have the evidence; ``rated``: how many these are. NaN where nothing is rated.
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
    """Return up to `n` movies drawn from those marked: ``movie_id``, ``title``, ``year``; by id."""
    by_id = np.argsort(corpus.movies["movie_id"], kind="stable")  # whatever the file's order
    movies = np.flatnonzero(among[by_id])
    rng = np.random.default_rng(random_state)
    drawn = by_id[np.sort(rng.choice(movies, size=min(n, len(movies)), replace=False))]
    return corpus.movies.loc[drawn, ["movie_id", "title", "year"]].reset_index(drop=True)


def _count_with(clustering: Clustering, has: np.ndarray) -> pd.Series:
    sizes = clustering.sizes()
    counts = np.bincount(clustering.codes[has], minlength=len(sizes))
    return pd.Series(counts, index=sizes.index, name="with_evidence")


def _marked(movies: pd.Series, n_movies: int) -> np.ndarray:
    marks = np.zeros(n_movies, dtype=bool)
    marks[movies] = True
    return marks


def _agree(one, other) -> bool:
    """Tell whether two numbers, or two tables of them, agree; NaN agrees with NaN."""
    return bool(np.allclose(one, other, rtol=0, atol=TOLERANCE, equal_nan=True))
