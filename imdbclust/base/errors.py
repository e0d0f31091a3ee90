"""Errors that a user can put right: a command prints their message and no traceback."""

from __future__ import annotations


class UserError(ValueError):
    """The call or the input is wrong; nothing was started or written."""


class DatasetError(UserError):
    """The dataset cannot be had; the message says why and what to do."""


class UnknownDataset(DatasetError):
    """There is no dataset of that name."""
