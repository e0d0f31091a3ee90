"""Names of corpus files, and the description that may stand next to one."""

from __future__ import annotations

import json
from pathlib import Path

from imdbclust.base.errors import DatasetError
from imdbclust.base.text import byte_size, shown

MAX_DESCRIPTION = 10**6  # bytes
ENDINGS = (".json", ".jsonl", ".ndjson")  # of corpus files, optionally followed by .gz


def check_ending(path: Path) -> None:
    """Raise DatasetError unless a name is that of a corpus file."""
    if Path(path.name.removesuffix(".gz")).suffix not in ENDINGS:
        raise DatasetError(
            f"{path.name}: a corpus file ends in {', '.join(ENDINGS)} or these + .gz"
        )


def source_file(path: Path) -> Path:
    """Return the path of ``<file>.source.json``, in which importers describe a corpus file."""
    return path.with_name(path.name + ".source.json")


def read_licence(path: Path) -> dict[str, str]:
    """Return licence and address of a corpus file from its `source_file`, if that exists."""
    path = source_file(path)
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            content = file.read(MAX_DESCRIPTION + 1)
        if len(content) > MAX_DESCRIPTION:
            raise ValueError(f"it is larger than {byte_size(MAX_DESCRIPTION)}")
        about = json.loads(content.decode())
    except (OSError, ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else shown(error)
        raise DatasetError(f"{path}: not JSON: {reason}") from None
    if not isinstance(about, dict):
        raise DatasetError(f"{path}: a JSON object with licence and url is expected")
    return {key: shown(about[key], keep="\n") for key in ("licence", "url") if key in about}
