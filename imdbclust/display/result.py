"""What one step of a notebook found, in one object that ``stage.show`` displays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Result:
    """Sentences, tables and numbers of one step; empty if nothing could be computed.

    Attributes
    ----------
    findings, sentences, warnings : sequence of str
        What the step says: as in ``Stage.say`` and ``Stage.warn``.
    tables : dict of DataFrame
        By name of the CSV file.
    values : dict
        What the captions of the tables need; see :func:`imdbclust.wording.caption`.
    columns : dict of list of str
        By table, the columns that are shown if not all are.
    metrics : dict of float
        Numbers by name, for the manifest and for sweeps.
    """

    findings: Sequence[str] = ()
    sentences: Sequence[str] = ()
    warnings: Sequence[str] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
