"""What a sweep tries: a YAML file, checked before anything starts, every error with its line.

::

    dataset: wikipedia
    preset: recommended
    parameters: {evaluation: "off"}
    grid:
      n_clusters: [8, 16, 32]
      preset: [seed, recommended]
      random_state: {repeats: 5}

In place of a grid, or beside it, ``settings`` lists settings one by one, and ``search`` draws
some at random from ranges.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from imdbclust.base.errors import UserError
from imdbclust.base.text import quoted
from imdbclust.running.parameters import (
    ParameterError,
    Value,
    check_values,
    declared,
    presets,
    settings,
)

MAX_SETTINGS = 10_000
"""A larger sweep is a mistake of the person or of a range."""

MAX_TEXT = 2**20
"""A longer file is none."""

_NUMERAL = re.compile(r"[-+]?(0|[1-9][0-9]*|(?=\.[0-9]))(\.[0-9]*)?([eE][-+]?[0-9]+)?")

SEED = "random_state"

KEYS = ("dataset", "preset", "parameters", "grid", "settings", "search")
SEARCH_KEYS = ("draws", "random_state", "ranges")


class SpecificationError(UserError):
    """A specification that cannot be carried out; the message names file, line and key."""


@dataclass(frozen=True)
class Setting:
    """One point of a sweep.

    Attributes
    ----------
    axes : dict
        What varies: the values of the sweep's axes, the seed and the preset among them.
    preset : str
        The named set of parameters it starts from.
    parameters : dict
        A value for every parameter.
    """

    axes: dict[str, Value]
    preset: str
    parameters: dict[str, Value]


@dataclass(frozen=True)
class Specification:
    """A sweep, expanded.

    Attributes
    ----------
    dataset : str
        As :func:`imdbclust.datasets.find.find_dataset`.
    settings : list of Setting
        Each once, in the order of the file.
    axes : tuple of str
        The names that vary, the seed last.
    text : str
        The file as it stands, for the report.
    """

    dataset: str
    settings: list[Setting]
    axes: tuple[str, ...]
    text: str = field(repr=False, default="")


def read_specification(
    path: Path, *, dataset: str | None = None, given: Mapping[str, Value] | None = None
) -> Specification:
    """Read and expand a specification.

    Parameters
    ----------
    path : path
        The YAML file.
    dataset : str, optional
        Films in place of the file's.
    given : mapping, optional
        Parameters in place of the file's fixed ones.

    Raises
    ------
    SpecificationError
        Not to be read, not YAML, a key twice, an unknown name, a wrong type, a value out of range,
        an empty or an endless grid.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_TEXT + 1)
        if len(text) > MAX_TEXT:
            raise SpecificationError(f"{path}: is longer than any specification")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise SpecificationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecificationError(f"{path}: is no text in UTF-8") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise SpecificationError(
            f"{place}: is no YAML: {getattr(error, 'problem', None) or 'nested too deeply'}"
        ) from None
    return _Reader(Path(path)).specification(root, text, dataset, dict(given or {}))


class _Reader:
    """Walks over the nodes of a file, so that every complaint has its line."""

    def __init__(self, path: Path):
        self.path = path
        self.counted: set[str] = set()  # what is counted up from a fixed value

    def specification(self, root, text: str, dataset: str | None, given: dict) -> Specification:
        if root is None:
            raise SpecificationError(f"{self.path}: is empty")
        parts = self.mapping(root, "the specification", KEYS)
        named = self.text(parts.get("dataset"), "dataset", "auto")
        preset = self.preset(parts["preset"], "preset") if "preset" in parts else "seed"
        fixed = self.parameters(parts["parameters"], "parameters") if "parameters" in parts else {}
        fixed |= given
        points = [
            *self.grid(parts.get("grid"), fixed),
            *self.listed(parts.get("settings")),
            *self.drawn(parts.get("search")),
        ]
        if not points:
            self.complain(root, "grid", "nothing varies; give a grid, settings or a search")
        found = {}
        for axes in points:
            one = _setting(axes, preset, fixed)
            found.setdefault((one.preset, *sorted(one.parameters.items())), one)
        axes = dict.fromkeys(name for axes in points for name in axes)
        for name in given.keys() & axes.keys() - self.counted:
            self.complain(root, name, "varies here; leave out -p, or its values here")
        ordered = sorted(axes, key=lambda name: name == SEED)
        return Specification(dataset or named, list(found.values()), tuple(ordered), text)

    def grid(self, node, fixed: dict[str, Value]) -> Iterator[dict[str, Value]]:
        if node is None:
            return iter(())
        axes = {}
        for name, (key, value) in self.pairs(node, "grid").items():
            axes[name] = self.axis(name, key, value, fixed)
        if not axes:
            self.complain(node, "grid", "is empty")
        n_settings = math.prod(len(values) for values in axes.values())
        if n_settings > MAX_SETTINGS:
            self.complain(node, "grid", f"has {n_settings:,} settings, more than {MAX_SETTINGS:,}")
        return (dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values()))

    def axis(self, name: str, key, node, fixed: dict[str, Value]) -> list[Value]:
        place = f"grid: {name}"
        if name == SEED and isinstance(node, yaml.MappingNode):
            parts = self.mapping(node, place, ("repeats",))
            if "repeats" not in parts:
                self.complain(node, place, "give repeats, or a list of seeds")
            repeats = self.whole(parts["repeats"], f"{place}: repeats", 1, MAX_SETTINGS)
            self.counted.add(name)
            first = int(fixed.get(SEED, declared()[SEED].default))
            return [self.checked(node, name, first + number, place) for number in range(repeats)]
        if not isinstance(node, yaml.SequenceNode):
            self.complain(node, place, "is a list of values")
        if not node.value:
            self.complain(node, place, "is an empty list")
        values = [
            self.preset(item, place)
            if name == "preset"
            else self.checked(item, name, self.scalar(item, place), place)
            for item in node.value
        ]
        if len(set(values)) < len(values):
            self.complain(node, place, "has a value twice")
        return values

    def listed(self, node) -> list[dict[str, Value]]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.complain(node, "settings", "is a list of settings, at least one")
        return [self.parameters(item, "settings", preset=True) for item in node.value]

    def drawn(self, node) -> list[dict[str, Value]]:
        if node is None:
            return []
        parts = self.mapping(node, "search", SEARCH_KEYS)
        for name in ("draws", "ranges"):
            if name not in parts:
                self.complain(node, "search", f"{name} is missing")
        draws = self.whole(parts["draws"], "search: draws", 1, MAX_SETTINGS)
        seed = parts.get("random_state")
        seed = self.whole(seed, "search: random_state", 0, 2**32 - 1) if seed else 0
        rng = np.random.default_rng(seed)
        ranges = {
            name: self.range(name, value)
            for name, (_, value) in self.pairs(parts["ranges"], "search: ranges").items()
        }
        if not ranges:
            self.complain(parts["ranges"], "search: ranges", "is empty")
        return [
            {
                name: self.checked(node, name, draw(rng), f"search: {name}")
                for name, draw in ranges.items()
            }
            for _ in range(draws)
        ]

    def range(self, name: str, node):
        """Return a function that draws a value from ``{low: …, high: …, log: …}`` or a list."""
        place = f"search: {name}"
        if isinstance(node, yaml.SequenceNode):
            values = self.axis(name, node, node, {})
            return lambda rng: values[int(rng.integers(len(values)))]
        parts = self.mapping(node, place, ("low", "high", "log"))
        for end in ("low", "high"):
            if end not in parts:
                self.complain(node, place, f"{end} is missing")
        low, high = (self.scalar(parts[end], place) for end in ("low", "high"))
        for end, value in (("low", low), ("high", high)):
            self.checked(parts[end], name, value, place)
        if isinstance(low, bool | str) or not low < high:
            self.complain(node, place, "low is a number, less than high")
        whole = isinstance(low, int) and isinstance(high, int)
        if "log" in parts and self.scalar(parts["log"], place) is True:
            if low <= 0:
                self.complain(parts["low"], place, "low is above 0 where log is true")
            ends = math.log(low), math.log(high)
            return lambda rng: _rounded(math.exp(rng.uniform(*ends)), low, high, whole)
        if whole:
            return lambda rng: int(rng.integers(low, high, endpoint=True))
        return lambda rng: _rounded(rng.uniform(low, high), low, high, whole)

    def parameters(self, node, place: str, *, preset: bool = False) -> dict[str, Value]:
        values = {}
        for name, (_, value) in self.pairs(node, place).items():
            where = f"{place}: {name}"
            if preset and name == "preset":
                values[name] = self.preset(value, where)
            else:
                values[name] = self.checked(value, name, self.scalar(value, where), where)
        if not values:
            self.complain(node, place, "is empty")
        return values

    def checked(self, node, name: str, value: Value, place: str) -> Value:
        if name == "dataset":
            self.complain(node, place, "the films of a sweep are one: give dataset at the top")
        try:
            return check_values({name: value})[name]
        except ParameterError as error:
            self.complain(node, place, str(error))

    def preset(self, node, place: str) -> str:
        name = self.text(node, place, "")
        if name not in presets():
            self.complain(
                node, place, f"there is no preset {name!r}; there is {', '.join(presets())}"
            )
        return name

    def whole(self, node, place: str, low: int, high: int) -> int:
        value = self.scalar(node, place)
        if type(value) is not int or not low <= value <= high:
            self.complain(
                node, place, f"is a whole number from {low:,} to {high:,}, not {quoted(value)}"
            )
        return value

    def text(self, node, place: str, default: str) -> str:
        if node is None:
            return default
        value = self.scalar(node, place)
        if not isinstance(value, str):
            self.complain(node, place, f"is a text, not {quoted(value)}")
        return value

    def scalar(self, node, place: str) -> Value:
        if not isinstance(node, yaml.ScalarNode):
            self.complain(node, place, "is one value, not a list or a mapping")
        loader = yaml.SafeLoader("")
        try:
            value = loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.complain(node, place, f"{quoted(node.value)} cannot be read")
        finally:
            loader.dispose()
        if not isinstance(value, bool | int | float | str):
            self.complain(node, place, "is no number, text, true or false")
        if isinstance(value, float) and not math.isfinite(value):
            self.complain(node, place, "is not finite")
        if type(value) in (int, float) and not _NUMERAL.fullmatch(node.value):
            # in YAML 010 is 8 and 1:30 is 90
            self.complain(node, place, f"{quoted(node.value)} is no plain number in digits")
        return value

    def mapping(self, node, place: str, known: tuple[str, ...]) -> dict:
        found = {}
        for name, (key, value) in self.pairs(node, place).items():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                self.complain(key, place, f"{quoted(name)} is unknown; {hint}")
            found[name] = value
        return found

    def pairs(self, node, place: str) -> dict:
        """Return the keys of a mapping, each with the nodes of key and value; none twice."""
        if not isinstance(node, yaml.MappingNode):
            self.complain(node, place, "is a mapping of names to values")
        found = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                self.complain(key, place, "a name is a text")
            if name in found:
                self.complain(key, place, f"{name} stands there twice")
            found[name] = key, value
        return found

    def complain(self, node, place: str, text: str):
        raise SpecificationError(f"{self.path}:{node.start_mark.line + 1}: {place}: {text}")


def _setting(axes: dict[str, Value], preset: str, fixed: dict[str, Value]) -> Setting:
    chosen = str(axes.get("preset", preset))
    varied = {name: value for name, value in axes.items() if name != "preset"}
    return Setting(dict(axes), chosen, settings(chosen, fixed | varied))


def _rounded(value: float, low: float, high: float, whole: bool) -> Value:
    value = min(max(value, low), high)
    return round(value) if whole else float(f"{value:.6g}")
