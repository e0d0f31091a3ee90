"""Assign new movies to the clusters of a run.

RUN is the name of a run, or its folder. Either --actor and --genre describe
one movie, or FILE contains many; the result is then a table in CSV format.
Example: imdbclust assign wikipedia-seed --actor "John Wayne" --genre Western

options:
  --actor ID|NAME       actor of the movie; may be repeated. Unknown actors are
                        listed and ignored.
  --genre G             genre of the movie; may be repeated
  --file FILE           file of any kind with new movies, as for imdbclust import
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imdbclust.base.errors import UserError
from imdbclust.base.text import counted, shown
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser

if TYPE_CHECKING:
    from imdbclust.new_movies import Assigner, Assignment

MAX_LISTED = 5  # maximum number of clusters and of genres in an answer


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--actor", action="append", default=[], metavar="ID|NAME")
    parser.add_argument("--genre", action="append", default=[], metavar="G")
    parser.add_argument("--file", type=common.path, metavar="FILE")
    parser.add_shared(common.out_option)


def execute(call: Call) -> None:
    """Assign the movies, and print where they belong."""
    if "" in call.actor:
        raise UserError("--actor must be an id or a name, not empty")
    if bool(call.file) == bool(call.actor or call.genre):
        raise UserError("give --actor and --genre, or else --file")
    from imdbclust.datasets.reading import read_films
    from imdbclust.display.csv_files import read_table, table_csv
    from imdbclust.running.store import TABLES

    with common.user_values():
        folders = _stage_folders(call.run, call.out)
        assigner = _load(folders)
        if call.file:
            print(table_csv(assigner.assign_all(read_films(call.file, accept=True))), end="")
            return
        found = assigner.assign(call.actor, call.genre)
    profiles = read_table(folders["clustering"] / TABLES / "cluster_profiles.csv")
    names = dict(zip(profiles["cluster"], profiles["name"], strict=True))
    print(shown(describe(found, assigner, names), keep="\n"))


def _stage_folders(run: str, out: Path | None) -> dict[str, Path]:
    """Return the folders of the stages of a run that the assignment reads."""
    from imdbclust.running.manifest import find_folder, read_manifest, stage_folder
    from imdbclust.running.stages import STAGES

    folder = find_folder(run, out)
    manifest = read_manifest(folder)
    return {stage: stage_folder(folder, manifest, stage) for stage in STAGES[:4]}


def _load(folders: dict[str, Path]) -> Assigner:
    from imdbclust.new_movies import load_assigner
    from imdbclust.running.store import ARTIFACT

    return load_assigner({stage: folder / ARTIFACT for stage, folder in folders.items()})


def describe(found: Assignment, assigner: Assigner, names: dict[int, str]) -> str:
    """Return an assignment as text."""
    from imdbclust.display.render import UNPLACED, UNPLACED_NAME
    from imdbclust.new_movies import titled

    def cluster(number: int) -> str:
        return UNPLACED_NAME if number == UNPLACED else f"#{number} {names[number]}"

    rows = found.actors.itertuples(index=False)
    actors = ", ".join(f"{row.name} ({counted(row.n_movies, 'movie')})" for row in rows)
    evidence = "; ".join(part for part in (actors, *found.genres) if part)
    lines = [f"evidence: {evidence or 'none'}"]
    if found.unknown:
        lines.append(f"unknown, counts for nothing: {', '.join(found.unknown)}")
    if len(found.actors):
        lines.append(f"nearest center: {cluster(found.cluster)}")
    lines += ["", "Pr[cluster | evidence]"]
    likeliest = found.p_cluster.sort_values(ascending=False, kind="stable").head(MAX_LISTED)
    lines += [f"  {p:.3f}  {cluster(number)}" for number, p in likeliest.items() if p]
    lines += ["", "Pr[genre | evidence], beside Pr[genre]"]
    overall = assigner.counts.genres / assigner.counts.n_movies
    shares = found.p_genre.head(MAX_LISTED).items()
    lines += [f"  {p:.3f}  {genre} ({overall[genre]:.3f})" for genre, p in shares]
    if len(found.nearest):
        lines += ["", "nearest movies"]
        lines += [
            f"  {titled(row.title, row.year)}, cluster {row.cluster}, "
            f"{counted(row.shared_actors, 'shared actor')}"
            for row in found.nearest.itertuples()
        ]
    return "\n".join(lines)
