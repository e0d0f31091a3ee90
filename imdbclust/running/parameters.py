"""The parameters of the notebooks, read from the notebooks themselves.

Each notebook has one cell tagged ``parameters`` with lines such as ::

    n_clusters: int = 16  # number of clusters [1..]
    on_problem: str = "stop"  # what to do with a bad record [stop|skip]

that is, type, default, help, and in brackets the range or the choices.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from imdbclust.base.disk import cached_by_file
from imdbclust.base.errors import UserError
from imdbclust.base.paths import NOTEBOOKS
from imdbclust.base.text import did_you_mean, is_unicode, quoted, shown
from imdbclust.running.imports import quick_imports
from imdbclust.running.stages import STAGES, notebook_of

TYPES = {"int": int, "float": float, "str": str, "bool": bool}

FROM_RUN = "from_run"
"""Parameter that names the run from which a notebook opened alone reads the earlier stages."""

PRESET = "preset"
"""Parameter that names the preset whose values a notebook opened alone takes for its defaults."""

ALONE = (FROM_RUN, PRESET)
"""Parameters of notebooks opened alone; runs and sweeps set the others themselves."""

DEFAULT_PRESET = "recommended"  # of a run
COURSE_PRESET = "seed"  # the defaults in the notebooks: the recipe of the course

PRESETS = "presets.yml"  # next to the notebooks
DATASET = "dataset"  # names the films; commands have the option --dataset for it
MAX_TEXT = 4000  # maximum length of a text
MAX_INT = 2**63 - 1  # largest whole number, also for the libraries

_BOUNDS = re.compile(r"\s*\[(?P<text>[^\]]*)\]\s*$")
_RANGE = re.compile(r"^(?P<low>-?[\d.]*?)\.\.(?P<high>-?[\d.]*)$")

Value = int | float | str | bool


class ParameterError(UserError):
    """A parameter is unknown, has the wrong type, or has an impossible value."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter."""

    name: str
    type: type  # int, float, str or bool
    default: Value  # used if no value is given
    help: str
    low: float = -math.inf  # bounds of a number, both included
    high: float = math.inf
    choices: tuple[str, ...] = ()  # valid texts; empty if every text is valid
    stages: tuple[str, ...] = ()  # notebooks that declare it

    def parse(self, text: str) -> Value:
        """Convert a text from the command line to a value, and check it."""
        try:
            value = text if self.type is str else _literal(text, self.type)
        except (KeyError, ValueError):
            raise self._error(_WORDS[self.type], text) from None
        return self.check(value)

    def check(self, value: Value) -> Value:
        """Return a value of the declared type and range; raise ParameterError otherwise."""
        if type(value) is int and not -MAX_INT <= value <= MAX_INT:
            raise ParameterError(f"{self.name} is too large")
        if self.type is float and type(value) is int:
            value = float(value)
        if type(value) is not self.type:
            raise self._error(_WORDS[self.type], value)
        if self.type is str:
            if self.choices and value not in self.choices:
                raise self._error(f"one of {', '.join(self.choices)}", value)
            if len(value) > MAX_TEXT or "\0" in value or not is_unicode(value):
                raise ParameterError(
                    f"{self.name} must be at most {MAX_TEXT:,} characters long and free of NUL and "
                    "unpaired surrogates"
                )
        elif self.type is not bool and not (
            self.low <= value <= self.high and math.isfinite(value)
        ):
            raise self._error(self._range_in_words(), value)
        return value

    def _error(self, expected: str, value: object) -> ParameterError:
        return ParameterError(f"{self.name} must be {expected}, not {quoted(value)}")

    def describe(self) -> str:
        """Return name, type, default and help in two lines."""
        bounds = "|".join(self.choices) or self._range_in_words()
        about = f"{self.help} ({bounds})" if bounds else self.help
        return f"{self.name}: {self.type.__name__} = {self.default!r}\n    {about}"

    def _range_in_words(self) -> str:
        low, high = (f"{bound:.15g}" for bound in (self.low, self.high))
        if math.isinf(self.low):
            return "" if math.isinf(self.high) else f"at most {high}"
        return f"at least {low}" if math.isinf(self.high) else f"{low} to {high}"


_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@cached_by_file
def declared_in(notebook: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares, by name, in order.

    It is a ParameterError if a declaration is not ``name: type = literal  # help``.
    """
    with quick_imports():
        from papermill import inspect_notebook

    found = {}
    for name, about in inspect_notebook(str(notebook)).items():
        place = f"{notebook.name}: {name}"
        kind = TYPES.get(about["inferred_type_name"])
        if kind is None:
            raise ParameterError(f"{place} needs one of the types {', '.join(TYPES)}")
        try:
            default = ast.literal_eval(about["default"])
        except (ValueError, SyntaxError):
            raise ParameterError(f"{place} needs a literal as default") from None
        text, bounds = _BOUNDS.sub("", about["help"]).strip(), _bounds_of(about["help"], place)
        found[name] = Parameter(name, kind, default, text, stages=(notebook.stem,), **bounds)
        found[name].check(default)
    return found


@cache
def declared() -> Mapping[str, Parameter]:
    """Return the parameters of all stages; those that share one must declare it equally."""
    found: dict[str, Parameter] = {}
    for stage in STAGES:
        for name, parameter in declared_in(notebook_of(stage)).items():
            first = found.setdefault(name, parameter)
            if replace(first, stages=()) != replace(parameter, stages=()):
                where = f"{first.stages[0]} and {parameter.stages[0]}"
                raise ParameterError(f"{name} is declared differently in {where}")
            if first is not parameter:
                found[name] = replace(first, stages=first.stages + parameter.stages)
    return found


def presets() -> dict[str, dict[str, Value]]:
    """Return the presets: the values in which each differs from the defaults, checked."""
    found = _read_presets()
    for name, values in found.items():
        try:
            found[name] = check_values(values)
        except ParameterError as error:
            raise ParameterError(f"{NOTEBOOKS / PRESETS}: {name}: {error}") from None
    return found


def _read_presets() -> dict[str, dict]:
    """Return the presets as they are written; ParameterError if the file has another form."""
    try:
        return dict(_presets_in(NOTEBOOKS / PRESETS))
    except OSError as error:
        raise _unreadable(NOTEBOOKS / PRESETS, error) from None


@cached_by_file
def _presets_in(path: Path) -> dict[str, dict]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _unreadable(path, error) from None
    found = {name: values or {} for name, values in found.items()} if type(found) is dict else {}
    names = {*found, *(key for values in found.values() if type(values) is dict for key in values)}
    if not all(isinstance(one, str) for one in names) or {*map(type, found.values())} != {dict}:
        raise ParameterError(f"{path}: names of presets, each with names and values, are expected")
    if missing := {COURSE_PRESET, DEFAULT_PRESET} - found.keys():
        raise ParameterError(f"{path}: the preset {min(missing)} is missing")
    return found


def _unreadable(path: Path, error: Exception) -> ParameterError:
    reason = " ".join(str(error).split()) or "nested too deeply"
    return ParameterError(f"{path}: cannot be read: {shown(reason)}")


def check_preset(name: str) -> str:
    """Return the name of a preset; raise ParameterError if it is unknown."""
    known = _read_presets()
    if name not in known:
        raise ParameterError(f"unknown preset {quoted(name)}; {did_you_mean(str(name), known)}")
    return name


def check_values(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values if each belongs to a declared parameter and is valid for it."""
    return {name: _known(name).check(value) for name, value in values.items()}


def parse_values(pairs: list[tuple[str, str]]) -> dict[str, Value]:
    """Return the values of ``NAME VALUE`` pairs from the command line, checked."""
    values: dict[str, Value] = {}
    for name, text in pairs:
        if name in values:
            raise ParameterError(f"{name} is given twice")
        if name == DATASET:
            raise ParameterError("choose the films with --dataset, not with -p dataset")
        if name == PRESET:
            raise ParameterError("choose the preset with --preset, not with -p preset")
        values[name] = _known(name).parse(text)
    return values


def settings(preset: str, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return a value for every parameter of a run: as given, else the preset's, else the default.

    `ALONE`, the parameters of notebooks that are opened alone, are not among them.
    """
    defaults = {name: one.default for name, one in declared().items() if name not in ALONE}
    return defaults | presets()[check_preset(preset)] | check_values(given)


def _known(name: str) -> Parameter:
    parameters = declared()
    if name not in parameters or name in ALONE:
        raise unknown_parameter(name, parameters.keys() - ALONE, "see `imdbclust run --help`")
    return parameters[name]


def unknown_parameter(name: str, known: Collection[str], hint: str) -> ParameterError:
    """Return the error of an unknown name; `hint` is for one that resembles no `known` name."""
    return ParameterError(
        f"unknown parameter {quoted(name)}; {did_you_mean(name, sorted(known), hint)}"
    )


def _literal(text: str, kind: type) -> Value:
    if kind is bool:
        return {"true": True, "false": False}[text.lower()]
    # int() and float() accept more than people mean
    if not text.isascii() or "_" in text or (kind is float and not math.isfinite(float(text))):
        raise ValueError(text)
    return kind(text)


def _bounds_of(help_text: str, place: str) -> dict:
    match = _BOUNDS.search(help_text)
    if not match:
        return {}
    span = _RANGE.match(match["text"])
    if not span:
        return {"choices": tuple(match["text"].split("|"))}
    try:
        low, high = span["low"] or "-inf", span["high"] or "inf"
        return {"low": float(low), "high": float(high)}
    except ValueError:
        raise ParameterError(f"{place}: invalid range [{match['text']}]") from None
