"""Download a named dataset and verify it.

NAME is imdb, wikipedia or imdb-dumps. The files are stored in data/. Those
that the folder IMDBCLUST_DATA contains are copied instead of downloaded.
"""

from imdbclust.base.errors import DatasetError, Failure, UnknownDataset
from imdbclust.commands.common import Call, CommandParser


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.add_argument("name", metavar="NAME")


def execute(call: Call) -> None:
    """Download a dataset, and print the paths of its files."""
    from imdbclust.datasets.find import fetch

    try:
        for path in fetch(call.name):
            print(path)
    except UnknownDataset:
        raise
    except DatasetError as error:  # the call is right, but the dataset is not available
        raise Failure(str(error)) from error
