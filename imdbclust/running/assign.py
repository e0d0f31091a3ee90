"""The answers of ``imdbclust assign``, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from imdbclust.assignment import Assigner, Assignment, amount, load_assigner, titled
from imdbclust.load import read_corpus
from imdbclust.paths import reports
from imdbclust.running.parameters import ParameterError
from imdbclust.running.show import UNPLACED, UNPLACED_NAME
from imdbclust.running.stages import STAGES
from imdbclust.running.store import ARTIFACT, TABLES
from imdbclust.running.tables import read_table, table_csv

SHOWN = 5
"""So many clusters and genres are named."""


def assign_one(run: str, actors: Sequence[str], genres: Sequence[str], *, out: Path | None) -> str:
    """Return what is known of a movie with these actors and genres.

    Raises
    ------
    imdbclust.running.parameters.ParameterError
        There is no such finished run.
    ValueError
        An ambiguous name, an unknown genre.
    """
    folder = _folder(run, out)
    assigner = _assigner(folder)
    return _describe(assigner.assign(actors, genres), assigner, _names(folder))


def assign_file(run: str, file: Path, *, out: Path | None) -> str:
    """Return a table, as CSV, for the movies of a corpus file.

    Raises
    ------
    imdbclust.running.parameters.ParameterError
        There is no such finished run.
    imdbclust.load.CorpusError
        The file cannot be used.
    """
    assigner = _assigner(_folder(run, out))
    return table_csv(assigner.assign_all(read_corpus(file)))


def _folder(run: str, out: Path | None) -> Path:
    folder = Path(run) if "/" in run else (out or reports()) / run
    if not (folder / "manifest.json").is_file():
        there = sorted(path.parent.name for path in folder.parent.glob("*/manifest.json"))
        hint = f"there is {', '.join(there)}" if there else "`imdbclust run` makes one"
        raise ParameterError(f"there is no run {run!r} in {folder.parent}; {hint}")
    return folder


def _assigner(folder: Path) -> Assigner:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    artifacts = {
        stage: folder.parent / "stages" / f"{entry['stage']}-{entry['key']}" / ARTIFACT
        for stage, entry in zip(STAGES, manifest["stages"], strict=True)
    }
    gone = [stage for stage in STAGES[:4] if not artifacts[stage].is_dir()]
    if gone:
        raise ParameterError(
            f"the run {folder.name!r} has no finished stage {gone[0]}; run it again first"
        )
    return load_assigner(artifacts)


def _names(folder: Path) -> dict[int, str]:
    table = read_table(folder / TABLES / "cluster_profiles.csv")
    return dict(zip(table["cluster"], table["name"], strict=True))


def _describe(found: Assignment, assigner: Assigner, names: dict[int, str]) -> str:
    def cluster(number: int) -> str:
        return UNPLACED_NAME if number == UNPLACED else f"#{number} {names[number]}"

    who = ", ".join(
        f"{row.name} ({amount(row.n_movies)})" for row in found.actors.itertuples(index=False)
    )
    lines = [f"evidence: {'; '.join(part for part in (who, *found.genres) if part) or 'none'}"]
    if found.unknown:
        lines.append(f"unknown, counts for nothing: {', '.join(found.unknown)}")
    if len(found.actors):
        lines.append(f"nearest center: {cluster(found.cluster)}")
    lines += ["", "Pr[cluster | evidence]"]
    likeliest = found.p_cluster.sort_values(ascending=False, kind="stable")
    lines += [f"  {p:.3f}  {cluster(number)}" for number, p in likeliest.head(SHOWN).items() if p]
    lines += ["", "Pr[genre | evidence], beside Pr[genre]"]
    overall = assigner.counts.genres / assigner.counts.n_movies
    shares = found.p_genre.head(SHOWN).items()
    lines += [f"  {p:.3f}  {genre} ({overall[genre]:.3f})" for genre, p in shares]
    if len(found.nearest):
        lines += ["", "nearest movies"]
        lines += [
            f"  {titled(row.title, row.year)}, cluster {row.cluster}, "
            f"{row.shared_actors} shared actor{'s' * (row.shared_actors != 1)}"
            for row in found.nearest.itertuples()
        ]
    return "\n".join(lines)
