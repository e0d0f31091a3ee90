"""Errors that a command reports as a message without a traceback."""

from __future__ import annotations

from pathlib import Path


class UserError(ValueError):
    """The call or the input is wrong; nothing was started or written. Exit code 2."""


class DatasetError(UserError):
    """The dataset is not available; the message gives the reason and a remedy."""


class UnknownDataset(DatasetError):
    """No dataset has this name."""


class Failure(RuntimeError):
    """Something that was started has failed. Exit code 1.

    Attributes
    ----------
    page : Path, optional
        A page that shows what failed, or what did not.
    """

    page: Path | None = None
