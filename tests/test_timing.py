"""The bench of speed: pairs in turns, ratios of pairs, commands with all their processes."""

import json
import sys
from importlib import import_module

import pytest

from imdbclust import bench, cli
from imdbclust.bench import BenchFailed
from imdbclust.bench.timing import (
    Comparison,
    Cost,
    Part,
    cost_of_command,
    take_turns,
    write_page,
    write_part,
)
from imdbclust.running.html import check_page

FOUND = Comparison("a loop", [Cost(1.0, 100.0), Cost(2.0, 110.0)], [Cost(4.0), Cost(20.0)], "so")


def test_ratios_are_of_pairs_not_of_medians():
    assert FOUND.ratios == [4.0, 10.0]
    assert FOUND.row() == {
        "what": "a loop",
        "times_faster": 7.0,
        "least": 4.0,
        "most": 10.0,
        "seconds": 1.5,
        "seconds_of_other": 12.0,
        "memory_mb": 105.0,
        "memory_mb_of_other": None,
        "pairs": 2,
        "note": "so",
    }


def test_two_ways_take_turns_in_changing_order():
    order = []

    def way(name):
        return lambda: order.append(name) or Cost(1.0)

    found = take_turns("both", way("ours"), way("theirs"), runs=3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert len(found.ours) == len(found.theirs) == 3


def test_a_command_is_timed_with_the_memory_of_its_children():
    child = "import time; held = bytearray(60_000_000); time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = cost_of_command([sys.executable, "-c", parent])
    assert cost.seconds >= 0.5
    assert cost.memory_mb > 60


def test_a_command_that_fails_says_its_last_words():
    with pytest.raises(BenchFailed, match=r"ended with 3: .*no films"):
        cost_of_command([sys.executable, "-c", "print('no films'); raise SystemExit(3)"])


def test_results_and_page_are_written(tmp_path):
    write_part(Part("loops", "Is a loop slower?", "Both did it.", [FOUND]), tmp_path)
    found = json.loads((tmp_path / "loops.json").read_text())
    assert found["rows"][0]["times_faster"] == 7.0
    assert found["pairs"][0]["theirs"][1]["seconds"] == 20.0
    page = write_page(tmp_path).read_text(encoding="utf-8")
    assert check_page(page, page="speed.html") == []
    assert "Is a loop slower?" in page
    assert (tmp_path / "loops.csv").is_file()


def test_every_part_is_a_module_that_measures():
    for name in bench.SPEED:
        module = import_module(f"imdbclust.bench.{bench.MODULES.get(name, name)}")
        assert callable(module.measure), name


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (["swep"], "the bench has no part 'swep'; it has"),
        (["sweep", "--runs", "0"], "--runs is at least 1, not 0"),
    ],
)
def test_a_wrong_call_is_refused(call, sentence, capsys):
    assert cli.main(["bench", *call]) == cli.WRONG
    assert sentence in capsys.readouterr().err
