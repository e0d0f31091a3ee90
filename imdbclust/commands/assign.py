"""Say which genres a new cast points to, and to which cluster it belongs.

RUN is the name of a run, or its folder; by default, the latest run. Either
--actor and --genre describe one movie, or FILE contains many; the result is
then a table in CSV format.
Example: imdbclust assign wikipedia-seed --actor "John Wayne" --genre Western

options:
  --actor ID|NAME       actor of the movie; may be repeated. Unknown actors are
                        listed and ignored.
  --genre G             genre of the movie; may be repeated
  --file FILE           file of any kind with new movies, as for imdbclust import
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imdbclust.base.errors import UserError
from imdbclust.base.paths import reports
from imdbclust.base.text import counted, shown
from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser

if TYPE_CHECKING:
    from imdbclust.new_movies import Assigner, Assignment

MAX_LISTED = 5  # maximum number of genres in an answer, besides the given ones
MAX_SPEAKERS = 3  # maximum number of actors named for a genre


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("run", nargs="?", metavar="RUN")
    parser.add_argument("--actor", action="append", default=[], metavar="ID|NAME")
    parser.add_argument("--genre", action="append", default=[], metavar="G")
    parser.add_argument("--file", type=common.path, metavar="FILE")
    parser.add_shared(common.json_option)
    parser.add_shared(common.mapping_option)
    parser.add_shared(common.out_option)


def execute(call: Call) -> None:
    """Assign the movies, and print genres and clusters."""
    if "" in call.actor:
        raise UserError("--actor must be an id or a name, not empty")
    if bool(call.file) == bool(call.actor or call.genre):
        raise UserError("give --actor and --genre, or else --file")
    from imdbclust.running.store import TABLES

    with common.user_values():
        folders = _stage_folders(call.run, call.out)
        from imdbclust.display.csv_files import read_table, table_csv

        assigner = _load(folders)
        if call.file:
            from imdbclust.datasets.reading import read_films

            movies = read_films(call.file, how=common.reading(call), accept=True)
            table = assigner.assign_all(movies)
            if call.json:
                common.print_json(table.to_dict("records"))
            else:
                print(shown(table_csv(table), keep="\n"), end="")
            return
        found = assigner.assign(call.actor, call.genre)
    tables = folders["clustering"] / TABLES
    profiles = read_table(tables / "cluster_profiles.csv")
    names = dict(zip(profiles["cluster"], profiles["name"], strict=True))
    levels = {}
    if found.levels:
        for one in read_table(tables / "level_tree.csv").itertuples():
            levels[one.level, one.number] = f"{one.path} {one.name.strip()}"
    if call.json:
        common.print_json(as_dict(found, names))
    else:
        print(shown(describe(found, names, levels), keep="\n"))


def _stage_folders(run: str | None, out: Path | None) -> dict[str, Path]:
    """Return the folders of the stages of a run that the assignment reads.

    The folder of 05_probabilities is missing if that stage is not finished.
    """
    from imdbclust.running.manifest import NotARun, find_folder, read_manifest, stage_folder
    from imdbclust.running.stages import STAGES

    folder = find_folder(run, out) if run is not None else _latest_run(out or reports())
    manifest = read_manifest(folder)
    folders = {stage: stage_folder(folder, manifest, stage) for stage in STAGES[:4]}
    with suppress(NotARun):
        folders[STAGES[4]] = stage_folder(folder, manifest, STAGES[4])
    return folders


def _latest_run(out: Path) -> Path:
    """Return the folder of the latest run, and print its name on standard error."""
    from imdbclust.commands.runs import list_runs
    from imdbclust.running.manifest import NotARun, read_manifest

    for one in list_runs(out):
        with suppress(NotARun):
            if "settings" not in read_manifest(one.folder):
                common.say(f"the latest run is {one.folder.name}")
                return one.folder
    raise NotARun(f"no runs in {out}; create one with `imdbclust run`")


def _load(folders: dict[str, Path]) -> Assigner:
    from imdbclust.new_movies import load_assigner
    from imdbclust.running.store import ARTIFACT

    return load_assigner({stage: folder / ARTIFACT for stage, folder in folders.items()})


def as_dict(found: Assignment, names: dict[int, str]) -> dict:
    """Return an assignment as plain values, with the names of clusters."""
    tables = {
        name: getattr(found, name).to_dict("records")
        for name in ("actors", "genres", "speakers", "nearest")
    }
    clusters = [
        {"cluster": number, "name": names.get(number, ""), "probability": probability}
        for number, probability in found.p_cluster.items()
    ]
    answer = {"cluster": found.cluster, "given": found.given, "unknown": found.unknown}
    return {**answer, "levels": found.levels, "clusters": clusters, **tables}


def describe(
    found: Assignment, names: dict[int, str], levels: dict[tuple[str, int], str] | None = None
) -> str:
    """Return an assignment as text, with the names of clusters and of groups at other levels."""
    from imdbclust.display.render import UNPLACED, UNPLACED_NAME
    from imdbclust.new_movies import titled

    rows = found.actors.itertuples(index=False)
    actors = ", ".join(f"{row.name} ({counted(row.n_movies, 'movie')})" for row in rows)
    lines = [f"evidence: {'; '.join(part for part in (actors, *found.given) if part)}"]
    unknown = "; ".join(f"{name} ({ask})" if ask else name for name, ask in found.unknown.items())
    if unknown:
        lines.append(f"unknown, counts for nothing: {unknown}")
    lines += ["", "Pr[genre | evidence] (Pr[genre]): movies of the actors with the genre, evidence"]
    likeliest = found.genres[~found.genres["given"]].head(MAX_LISTED)
    lines += [f"  given  {genre}{_speakers(found, genre)}" for genre in found.given]
    lines += [
        f"  {row.p_genre:.3f}  {row.genre} ({row.overall:.3f}){_speakers(found, row.genre)}"
        for row in likeliest.itertuples()
    ]
    lines += ["", "through the cluster only: Pr[genre | evidence] if only the cluster were known"]
    through = found.genres[~found.genres["given"]].sort_values(
        "through_cluster", ascending=False, kind="stable"
    )
    lines += [
        f"  {row.through_cluster:.3f}  {row.genre}" for row in through.head(MAX_LISTED).itertuples()
    ]
    number, probability = found.cluster, found.p_cluster.max()
    cluster = UNPLACED_NAME if number == UNPLACED else f"#{number} {names[number]}"
    lines += ["", f"cluster: {cluster}, with probability {probability:.3f}"]
    lines += [f"{level}: {levels[level, one]}" for level, one in found.levels.items() if one >= 0]
    if len(found.nearest):
        lines += ["", "nearest movies"]
        lines += [
            f"  {titled(row.title, row.year)}, cluster {row.cluster}, "
            f"{counted(row.shared_actors, 'shared actor')}"
            for row in found.nearest.itertuples()
        ]
    return "\n".join(lines)


def _speakers(found: Assignment, genre: str) -> str:
    """Return the actors who say most about a genre: ``: Ada 3 of 5, +1.2 bits``."""
    said = found.speakers[found.speakers["genre"] == genre]
    said = said.sort_values("bits", ascending=False, key=abs, kind="stable").head(MAX_SPEAKERS)
    parts = [
        f"{row.name} {row.with_genre:,} of {row.n_movies:,} movies, {row.bits:+z.1f} bits"
        for row in said.itertuples()
    ]
    return f": {'; '.join(parts)}" if parts else ""
