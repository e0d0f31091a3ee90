"""Write made-up films of any size.

Up to 100,000 movies and 200,000 actors have the marginal distributions of the
course's file. Larger samples, dumps and samples with --credits are written
block by block within bounded memory.

options:
  --to FILE|DIR         where to write: a .jsonl or .jsonl.gz file, or a folder for
                        dumps (required)
  --movies N            number of movies (default: 20620)
  --actors N            number of actors (default: 33609)
  --credits N           number of credits (default: as many per movie as in the
                        course's file)
  --random-state N      seed of the random numbers (default: 31337)
  --format FORMAT       jsonl: a corpus file; dumps: four files like IMDb's, for
                        import-imdb (default: jsonl)
  --clean               write dumps of movies and actors only, without the
                        irregularities of real dumps
"""

from imdbclust.commands import common
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--to", type=common.path, required=True, metavar="FILE|DIR")
    parser.add_argument("--movies", type=int, default=20_620, metavar="N")
    parser.add_argument("--actors", type=int, default=33_609, metavar="N")
    parser.add_argument("--credits", type=int, metavar="N")
    parser.add_argument("--random-state", type=int, default=31337, metavar="N")
    parser.add_argument("--format", choices=("jsonl", "dumps"), default="jsonl")
    parser.add_argument("--clean", action="store_true")
    parser.set_defaults(interrupted="nothing was written")


def execute(call: Call) -> None:
    """Write the films."""
    from imdbclust.datasets.made_up.large import LargeSample
    from imdbclust.datasets.made_up.sample import make_filmography
    from imdbclust.films.corpus_files import check_ending
    from imdbclust.load import write_corpus

    sizes, seed = (call.movies, call.actors), {"random_state": call.random_state}
    small = call.movies <= 100_000 and call.actors <= 200_000 and call.credits is None
    with common.user_values(), common.writing(call.to):
        if call.format == "dumps":
            LargeSample(*sizes, call.credits, **seed).write_dumps(call.to, clean=call.clean)
        else:
            check_ending(call.to)
            if small:
                write_corpus(make_filmography(*sizes, **seed).corpus, call.to)
            else:
                LargeSample(*sizes, call.credits, **seed).write_corpus(call.to)
    print(f"{call.movies:,} movies, {call.actors:,} actors: {call.to}")
