"""New movies: Pr[cluster | cast]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from imdbclust.matrix import one_hot


@dataclass(frozen=True, eq=False)
class CastModel:
    """A naive Bayes model of Pr[cluster | cast].

    The actors of a cast are taken as independent given the cluster::

        Pr[cluster | cast] ~ Pr[cluster] * product over actors of Pr[cluster | actor] / Pr[cluster]

    Pr[cluster | actor] is the share of the actor's movies that are in the cluster, after adding
    `strength` movies with the distribution of all movies. An actor with one movie is weak
    evidence; an actor with fifty is strong evidence.

    Attributes
    ----------
    prior : ndarray, shape (n_clusters,)
        Pr[cluster] of a placed movie.
    log_factors : ndarray, shape (n_actors, n_clusters)
        Logarithm of Pr[cluster | actor] / Pr[cluster]; 0 for an actor without placed movies.
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
            Their clusters; movies with negative labels are left out.
        n_clusters : int
            Number of clusters.
        strength : float above 0
            Number of movies added for every actor.
        """
        placed = np.flatnonzero(labels >= 0)
        sizes = np.bincount(labels[placed], minlength=n_clusters)
        prior = (sizes + 0.5) / (sizes.sum() + 0.5 * n_clusters)
        counts = (one_hot(labels[placed], n_clusters) @ casts[placed]).toarray().T
        careers = counts.sum(axis=1, keepdims=True)
        p_given_actor = (counts + strength * prior) / (careers + strength)
        return cls(prior, np.log(p_given_actor / prior), careers[:, 0] > 0)

    def posterior(self, casts: sp.csr_array, likelihood: np.ndarray | None = None) -> np.ndarray:
        """Return Pr[cluster | cast] of other movies.

        Parameters
        ----------
        casts : csr_array, shape (n_new, n_actors)
            1 where the actor plays.
        likelihood : ndarray, shape (n_clusters,) or (n_new, n_clusters), optional
            Pr[other evidence | cluster], such as of a genre, taken as independent of the cast
            given the cluster.

        Returns
        -------
        ndarray, shape (n_new, n_clusters + 1)
            Rows sum to 1. The last column is the probability of being unplaced: 1 without a known
            actor and other evidence, else 0.
        """
        with np.errstate(divide="ignore"):
            start = np.log(self.prior if likelihood is None else self.prior * likelihood)
        log_joint = casts @ self.log_factors + start
        joint = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
        placed = (casts @ self.known.astype(float) > 0) | (likelihood is not None)
        clusters = joint / joint.sum(axis=1, keepdims=True) * placed[:, None]
        return np.column_stack([clusters, ~placed])
