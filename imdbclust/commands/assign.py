"""The answers of ``imdbclust assign``, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imdbclust.base.text import counted
from imdbclust.display.csv_files import read_table, table_csv
from imdbclust.display.render import UNPLACED, UNPLACED_NAME
from imdbclust.load import read_corpus
from imdbclust.new_movies import Assigner, Assignment, load_assigner, titled
from imdbclust.running.manifest import find_folder, read_manifest, stage_folder
from imdbclust.running.stages import STAGES
from imdbclust.running.store import ARTIFACT, TABLES

SHOWN = 5
"""So many clusters and genres are named."""


def assign_one(run: str, actors: Sequence[str], genres: Sequence[str], *, out: Path | None) -> str:
    """Return what is known of a movie with these actors and genres.

    Raises
    ------
    imdbclust.running.manifest.NotARun
        There is no such finished run, or it is damaged.
    ValueError
        An ambiguous name, an unknown genre.
    """
    stages = _stages(run, out)
    assigner = _assigner(stages)
    return _describe(assigner.assign(actors, genres), assigner, _names(stages["clustering"]))


def assign_file(run: str, file: Path, *, out: Path | None) -> str:
    """Return a table, as CSV, for the movies of a corpus file.

    Raises
    ------
    imdbclust.running.manifest.NotARun
        There is no such finished run, or it is damaged.
    imdbclust.load.CorpusError
        The file cannot be used.
    """
    assigner = _assigner(_stages(run, out))
    return table_csv(assigner.assign_all(read_corpus(file)))


def _stages(run: str, out: Path | None) -> dict[str, Path]:
    """Return where the stages of a run lie that are needed here."""
    folder = find_folder(run, out)
    manifest = read_manifest(folder)
    return {stage: stage_folder(folder, manifest, stage) for stage in STAGES[:4]}


def _assigner(stages: dict[str, Path]) -> Assigner:
    return load_assigner({stage: folder / ARTIFACT for stage, folder in stages.items()})


def _names(clustering: Path) -> dict[int, str]:
    table = read_table(clustering / TABLES / "cluster_profiles.csv")
    return dict(zip(table["cluster"], table["name"], strict=True))


def _describe(found: Assignment, assigner: Assigner, names: dict[int, str]) -> str:
    def cluster(number: int) -> str:
        return UNPLACED_NAME if number == UNPLACED else f"#{number} {names[number]}"

    who = ", ".join(
        f"{row.name} ({counted(row.n_movies, 'movie')})"
        for row in found.actors.itertuples(index=False)
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
