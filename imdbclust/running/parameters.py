"""The parameters of the notebooks, read from the one place where they stand.

Each notebook has one cell tagged ``parameters`` with lines such as ::

    n_clusters: int = 16  # number of clusters [1..]
    on_problem: str = "stop"  # what to do with a bad record [stop|skip]

Type, default, help, and in brackets the admitted range or choices.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from imdbclust.base.errors import UserError
from imdbclust.base.paths import NOTEBOOKS
from imdbclust.base.text import is_unicode, quoted
from imdbclust.running.imports import quick_imports
from imdbclust.running.stages import STAGES, notebook_of

TYPES = {"int": int, "float": float, "str": str, "bool": bool}

FROM_RUN = "from_run"
"""The parameter that says where a notebook opened alone takes the earlier stages from."""

DATASET = "dataset"
"""The parameter that says which films are loaded; commands have an option for it."""

MAX_TEXT = 4000
"""A longer text is no sensible value of any parameter."""

MAX_INT = 2**63 - 1
"""No library takes a larger number."""

_BOUNDS = re.compile(r"\s*\[(?P<text>[^\]]*)\]\s*$")
_RANGE = re.compile(r"^(?P<low>-?[\d.]*?)\.\.(?P<high>-?[\d.]*)$")

Value = int | float | str | bool


class ParameterError(UserError):
    """A parameter is unknown, mistyped or impossible."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Attributes
    ----------
    name, help : str
        As declared.
    type : type
        ``int``, ``float``, ``str`` or ``bool``.
    default : int, float, str or bool
        Used where nothing else is asked for.
    low, high : float
        Bounds of a number, both included.
    choices : tuple of str
        Admitted texts; empty if any text is.
    stages : tuple of str
        Notebooks that declare it.
    """

    name: str
    type: type
    default: Value
    help: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()

    def parse(self, text: str) -> Value:
        """Return the value that a text from the command line stands for, checked."""
        if self.type is str:
            return self.check(text)
        try:
            value = _literal(text, self.type)
        except ValueError:
            told = f"{self.name} is {_WORDS[self.type]}, not {quoted(text)}"
            raise ParameterError(told) from None
        return self.check(value)

    def check(self, value: Value) -> Value:
        """Return the value if it is of the declared type and range; raise ParameterError else."""
        if type(value) is int and not -MAX_INT <= value <= MAX_INT:
            raise ParameterError(f"{self.name} is too large a number")
        if self.type is float and type(value) is int:
            value = float(value)
        if type(value) is not self.type:
            raise ParameterError(f"{self.name} is {_WORDS[self.type]}, not {quoted(value)}")
        if self.type is str:
            if self.choices and value not in self.choices:
                raise ParameterError(
                    f"{self.name} is one of {', '.join(self.choices)}, not {quoted(value)}"
                )
            if len(value) > MAX_TEXT or "\0" in value or not is_unicode(value):
                raise ParameterError(
                    f"{self.name} is too long a text, or has a NUL or half a character in it"
                )
        elif self.type is not bool and not (
            self.low <= value <= self.high and math.isfinite(value)
        ):
            raise ParameterError(f"{self.name} is {self._range_in_words()}, not {quoted(value)}")
        return value

    def describe(self) -> str:
        """Return name, type, default and help in a line or two."""
        bounds = "|".join(self.choices) or self._range_in_words()
        about = f"{self.help} ({bounds})" if bounds else self.help
        return f"{self.name}: {self.type.__name__} = {self.default!r}\n    {about}"

    def _range_in_words(self) -> str:
        low, high = (f"{bound:.15g}" for bound in (self.low, self.high))
        if math.isinf(self.low):
            return "" if math.isinf(self.high) else f"at most {high}"
        return f"at least {low}" if math.isinf(self.high) else f"{low} to {high}"


_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def declared_in(notebook: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares, by name, in order.

    Raises
    ------
    ParameterError
        A declaration that is not ``name: type = literal  # help``.
    """
    with quick_imports():
        from papermill import inspect_notebook

    found = {}
    for name, about in inspect_notebook(str(notebook)).items():
        place = f"{notebook.name}: {name}"
        if about["inferred_type_name"] not in TYPES:
            raise ParameterError(f"{place} needs one of the types {', '.join(TYPES)}")
        try:
            default = ast.literal_eval(about["default"])
        except (ValueError, SyntaxError):
            raise ParameterError(f"{place} needs a literal as default") from None
        parameter = Parameter(
            name=name,
            type=TYPES[about["inferred_type_name"]],
            default=default,
            help=_BOUNDS.sub("", about["help"]).strip(),
            stages=(notebook.stem,),
            **_bounds_of(about["help"], place),
        )
        parameter.check(default)
        found[name] = parameter
    return found


@cache
def declared() -> Mapping[str, Parameter]:
    """Return the parameters of all stages; one name means the same wherever it is declared.

    Raises
    ------
    ParameterError
        Two notebooks that declare one name differently.
    """
    found: dict[str, Parameter] = {}
    for stage in STAGES:
        for name, parameter in declared_in(notebook_of(stage)).items():
            before = found.setdefault(name, parameter)
            if replace(before, stages=()) != replace(parameter, stages=()):
                where = f"{before.stages[0]} and {parameter.stages[0]}"
                raise ParameterError(f"{name} is declared differently in {where}")
            if before is not parameter:
                found[name] = replace(before, stages=before.stages + parameter.stages)
    return found


def presets() -> dict[str, dict[str, Value]]:
    """Return the named sets of values, each checked: what differs from the defaults."""
    import yaml

    text = (NOTEBOOKS / "presets.yml").read_text(encoding="utf-8")
    return {name: check_values(values or {}) for name, values in yaml.safe_load(text).items()}


def check_values(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values if each is of a declared parameter, of its type and range."""
    return {name: _known(name).check(value) for name, value in values.items()}


def parse_values(pairs: list[tuple[str, str]]) -> dict[str, Value]:
    """Return the values of ``NAME VALUE`` pairs of the command line, checked."""
    values: dict[str, Value] = {}
    for name, text in pairs:
        if name in values:
            raise ParameterError(f"{name} is given twice")
        if name == DATASET:
            raise ParameterError("the films are given with --dataset, not with -p dataset")
        values[name] = _known(name).parse(text)
    return values


def settings(preset: str, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return the value of every parameter: the default, changed by the preset, then as given.

    Raises
    ------
    ParameterError
        An unknown preset or parameter, a wrong type, a value out of range.
    """
    known = presets()
    if preset not in known:
        raise ParameterError(f"there is no preset {quoted(preset)}; there is {', '.join(known)}")
    defaults = {name: parameter.default for name, parameter in declared().items()}
    return defaults | known[preset] | check_values(given)


def _known(name: str) -> Parameter:
    parameters = declared()
    if name not in parameters or name == FROM_RUN:
        close = difflib.get_close_matches(name[:100], parameters.keys() - {FROM_RUN}, n=1)
        hint = f"did you mean {close[0]}?" if close else "`imdbclust run --help` lists them"
        raise ParameterError(f"there is no parameter {quoted(name)}; {hint}")
    return parameters[name]


def _literal(text: str, kind: type) -> Value:
    if kind is bool:
        words = {"true": True, "false": False}
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]
    if not text.isascii() or "_" in text:  # int() and float() admit more than people mean
        raise ValueError(text)
    value = kind(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _bounds_of(help_text: str, place: str) -> dict:
    match = _BOUNDS.search(help_text)
    if not match:
        return {}
    text = match["text"]
    if span := _RANGE.match(text):
        try:
            low = float(span["low"]) if span["low"] else -math.inf
            high = float(span["high"]) if span["high"] else math.inf
        except ValueError:
            raise ParameterError(f"{place}: [{text}] is no range") from None
        return {"low": low, "high": high}
    return {"choices": tuple(text.split("|"))}
