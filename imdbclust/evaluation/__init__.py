"""How far clusters can be trusted: stability, held-out information, nulls and intervals."""

from imdbclust.base.lazy import lazy

_LAZY = {
    "EFFORTS": "imdbclust.evaluation.recipe",
    "NotEvaluated": "imdbclust.evaluation.recipe",
    "Profiles": "imdbclust.evaluation.profiles",
    "Recipe": "imdbclust.evaluation.recipe",
    "SHUFFLED": "imdbclust.evaluation.nulls",
    "SHUFFLED_WITHIN_YEAR": "imdbclust.evaluation.nulls",
    "WITHIN_YEAR": "imdbclust.evaluation.nulls",
    "curves": "imdbclust.evaluation.choice",
    "decade_codes": "imdbclust.evaluation.held_out",
    "effective_clusters": "imdbclust.evaluation.choice",
    "evaluate": "imdbclust.evaluation.overall",
    "evaluate_run": "imdbclust.evaluation.overall",
    "fitted": "imdbclust.evaluation.recipe",
    "level_tree": "imdbclust.evaluation.levels",
    "measure_levels": "imdbclust.evaluation.levels",
    "parse_names": "imdbclust.evaluation.profiles",
    "profile_clusters": "imdbclust.evaluation.profiles",
    "recovery": "imdbclust.evaluation.overall",
    "supported_clusters": "imdbclust.evaluation.choice",
}

__getattr__ = lazy(__name__, _LAZY)
