"""The specification of a sweep: a YAML file, checked before anything starts.

::

    dataset: wikipedia
    preset: recommended
    parameters: {evaluation: "off"}
    grid:
      n_clusters: [8, 16, 32]
      preset: [seed, recommended]
      random_state: {repeats: 5}
    reports: best

A list ``settings`` of single settings can be given instead of a grid, or in addition. Without
``preset`` a setting starts from the defaults in the notebooks (preset ``seed``). ``reports`` says
which settings get a report: ``all``, the ``best`` one, or ``none``; by default all settings of a
sweep with up to 50, else the best. Every error names the file, the line and the key.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from imdbclust.base.errors import UserError
from imdbclust.base.text import did_you_mean, quoted
from imdbclust.running.parameters import (
    COURSE_PRESET,
    DATASET,
    PRESET,
    Parameter,
    ParameterError,
    Value,
    check_preset,
    check_values,
    declared,
    settings,
)

MAX_SETTINGS = 10_000  # a larger grid is taken for a mistake
MAX_TEXT = 2**20  # maximum length of a specification in characters

SEED = "random_state"
REPEATS = "repeats"
WITHOUT_MAP = {"map_max_movies": 0}  # settings are compared by tables; a file may ask for maps
REPORTS = "reports"
ALL, BEST, NONE = CHOICES = ("all", "best", "none")  # which settings get a report
MAX_REPORTS = 50  # maximum number of settings that all get a report by default
KEYS = (DATASET, PRESET, "parameters", "grid", "settings", REPORTS)

_NUMERAL = re.compile(r"[-+]?(0|[1-9][0-9]*|(?=\.[0-9]))(\.[0-9]*)?([eE][-+]?[0-9]+)?")


class SpecificationError(UserError):
    """An invalid specification; the message names the file, the line and the key."""


@dataclass(frozen=True)
class Setting:
    """One point of a sweep."""

    axes: dict[str, Value]  # what varies, the seed and the preset included
    preset: str  # the preset that it starts from
    parameters: dict[str, Value]  # a value for every parameter


@dataclass(frozen=True)
class Specification:
    """A sweep, expanded."""

    dataset: str  # as find_dataset takes it
    settings: list[Setting]  # without duplicates, in the order of the file
    axes: tuple[str, ...]  # the names of what varies, the seed last
    text: str = field(repr=False, default="")  # the file, for the report
    reports: str = ALL  # which settings get a report
    by_default: bool = True  # whether the file does not say which
    given: dict[str, Value] = field(default_factory=dict)  # parameters that override the file's


def read_specification(
    path: Path, *, dataset: str | None = None, given: Mapping[str, Value] | None = None
) -> Specification:
    """Read and expand a specification.

    `dataset` and `given` override the dataset and the fixed parameters of the file.

    Raises
    ------
    SpecificationError
        The file is unreadable or not YAML; a key is unknown or duplicate; a value is invalid; the
        grid is empty or too large.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_TEXT + 1)
        root = yaml.compose(text, Loader=yaml.SafeLoader) if len(text) <= MAX_TEXT else None
    except OSError as error:
        raise SpecificationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecificationError(f"{path}: not UTF-8 text") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or getattr(error, "reason", "nested too deeply")
        raise SpecificationError(f"{place}: invalid YAML: {reason}") from None
    if root is None:
        reason = f"longer than {MAX_TEXT:,} characters" if len(text) > MAX_TEXT else "is empty"
        raise SpecificationError(f"{path}: {reason}")
    return _Reader(Path(path)).specification(root, text, dataset, dict(given or {}))


class _Reader:
    """Reads the nodes of a file, which know their lines."""

    def __init__(self, path: Path):
        self.path = path
        self.counted: set[str] = set()  # axes that count up from a fixed value

    def specification(self, root, text: str, dataset: str | None, given: dict) -> Specification:
        parts = self.mapping(root, "the specification", KEYS)
        top = {DATASET: "auto", PRESET: COURSE_PRESET}
        top |= {name: self.value(parts[name], name, name) for name in top.keys() & parts}
        fixed = self.values(parts["parameters"], "parameters") if "parameters" in parts else {}
        fixed |= given
        points = self.grid(parts["grid"], fixed) if "grid" in parts else []
        points += self.listed(parts["settings"]) if "settings" in parts else []
        if not points:
            self.fail(root, "grid", "nothing varies; add a grid or settings")
        found = {}
        for axes in points:
            chosen = str(axes.get(PRESET, top[PRESET]))
            varied = {name: value for name, value in axes.items() if name != PRESET}
            one = Setting(axes, chosen, settings(chosen, WITHOUT_MAP | fixed | varied))
            found.setdefault((chosen, *sorted(one.parameters.items())), one)
        axes = dict.fromkeys(name for axes in points for name in axes)
        for name in given.keys() & axes.keys() - self.counted:
            self.fail(root, name, "is varied by this file; drop -p or remove it from the grid")
        ordered = tuple(sorted(axes, key=lambda name: name == SEED))
        reports = ALL if len(found) <= MAX_REPORTS else BEST
        if REPORTS in parts:
            reports = self.scalar(parts[REPORTS], REPORTS)
            if reports not in CHOICES:
                hint = did_you_mean(str(reports), CHOICES, f"choose {', '.join(CHOICES)}")
                self.fail(parts[REPORTS], REPORTS, f"unknown choice {quoted(reports)}; {hint}")
        return Specification(
            dataset or top[DATASET],
            list(found.values()),
            ordered,
            text,
            reports=reports,
            by_default=REPORTS not in parts,
            given=given,
        )

    def grid(self, node, fixed: dict[str, Value]) -> list[dict[str, Value]]:
        parts = self.mapping(node, "grid")
        axes = {name: self.axis(name, value, fixed) for name, value in parts.items()}
        n_settings = math.prod(map(len, axes.values()))
        if n_settings > MAX_SETTINGS:
            self.fail(node, "grid", f"has {n_settings:,} settings, more than {MAX_SETTINGS:,}")
        return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]

    def axis(self, name: str, node, fixed: dict[str, Value]) -> list[Value]:
        place = f"grid: {name}"
        if name == SEED and isinstance(node, yaml.MappingNode):
            self.counted.add(name)
            [repeats] = self.mapping(node, place, (REPEATS,)).values()
            first = int(fixed.get(SEED, declared()[SEED].default))
            seeds = range(first, first + int(self.value(repeats, REPEATS, place)))
            return [self.checked(node, name, seed, place) for seed in seeds]
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, place, "must be a list of values")
        values = [self.value(item, name, place) for item in node.value]
        if not values:
            self.fail(node, place, "is an empty list")
        if len(set(values)) < len(values):
            self.fail(node, place, "has a duplicate value")
        return values

    def listed(self, node) -> list[dict[str, Value]]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.fail(node, "settings", "must be a list of at least one setting")
        return [self.values(item, "settings") for item in node.value]

    def values(self, node, place: str) -> dict[str, Value]:
        parts = self.mapping(node, place).items()
        return {name: self.value(value, name, f"{place}: {name}") for name, value in parts}

    def value(self, node, name: str, place: str) -> Value:
        return self.checked(node, name, self.scalar(node, place), place)

    def checked(self, node, name: str, value: Value, place: str) -> Value:
        if name == DATASET and place != DATASET:
            self.fail(node, place, "a sweep has one dataset; set it at the top level")
        try:
            if name == REPEATS:
                return Parameter(name, int, 1, "", low=1, high=MAX_SETTINGS).check(value)
            if name == PRESET and not place.startswith("parameters"):
                return check_preset(value)
            return check_values({name: value})[name]
        except ParameterError as error:
            self.fail(node, place, str(error))

    def scalar(self, node, place: str) -> Value:
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, place, "must be one value, not a list or a mapping")
        try:
            value = yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.fail(node, place, f"{quoted(node.value)} cannot be read")
        if not isinstance(value, bool | int | float | str):
            self.fail(node, place, "must be a number, a text, true or false")
        if isinstance(value, float) and not math.isfinite(value):
            self.fail(node, place, "is not finite")
        if type(value) in (int, float) and not _NUMERAL.fullmatch(node.value):
            # in YAML 010 is 8 and 1:30 is 90
            self.fail(node, place, f"{quoted(node.value)} is not a decimal number")
        return value

    def mapping(self, node, place: str, known: tuple[str, ...] = ()) -> dict:
        """Return the nodes of the values of a mapping by name."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, place, "must be a mapping of names to values")
        found = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fail(key, place, "a name must be a text")
            if key.value in found:
                self.fail(key, place, f"duplicate key {key.value}")
            if known and key.value not in known:
                hint = did_you_mean(key.value, known, f"choose {', '.join(known)}")
                self.fail(key, place, f"unknown key {quoted(key.value)}; {hint}")
            found[key.value] = value
        if not found:
            self.fail(node, place, "is empty")
        return found

    def fail(self, node, place: str, text: str):
        raise SpecificationError(f"{self.path}:{node.start_mark.line + 1}: {place}: {text}")
