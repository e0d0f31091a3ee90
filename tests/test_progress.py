"""Bars in a terminal: their width, and the time that is left."""

import fcntl
import io
import os
import pty
import struct
import termios

import pytest

from imdbclust.base.terminal import terminal_bar
from imdbclust.datasets.find import find_dataset
from imdbclust.running import progress
from imdbclust.running.execute import Outcome
from imdbclust.running.parameters import settings
from imdbclust.running.plan import plan_stages
from imdbclust.running.stages import cells_of


def shown_in(width, monkeypatch):
    """Return what a bar shows in a terminal of some width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        with terminal_bar(total=4) as bar:
            bar.update(2)
            bar.refresh()
            text = ""
            while "50%|" not in text or not text.endswith("]"):  # it arrives in pieces
                text += os.read(ours, 10_000).decode()
    os.close(ours)
    return next(line for line in text.split("\r") if "50%|" in line).rstrip()


@pytest.mark.parametrize(("width", "expected"), [(0, 80), (60, 60), (200, 200)])
def test_a_bar_fits_the_terminal_also_one_without_a_width(width, expected, monkeypatch):
    line = shown_in(width, monkeypatch)
    assert expected - 2 <= len(line) <= expected


def test_without_a_terminal_there_is_no_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert terminal_bar(total=4).disable


@pytest.fixture
def planned(films):
    return plan_stages(settings("recommended", {}), find_dataset(str(films)))


def test_the_time_left_follows_the_time_that_stages_take(planned):
    """After 01 and 02, 11% of the time of a run have passed, and 39% of its cells."""
    watch = progress.RunProgress(planned)
    watch._bar.disable = False
    watch._bar.refresh = lambda: None
    watch._bar.update = lambda step: setattr(watch._bar, "n", watch._bar.n + step)
    done = Outcome("done", {"seconds": 1.0})
    for stage in planned[:2]:
        watch.began(stage)
        for _ in cells_of(stage.stage)[2:]:  # two were skipped
            watch.cell()
        watch.ended(stage, done)
    assert watch._bar.n / watch._bar.total == pytest.approx(0.11)
    watch.ended(planned[2], Outcome("done", reused=True))
    assert watch._bar.n / watch._bar.total == pytest.approx(0.11 / 0.74)
    for stage in planned[3:]:
        watch.began(stage)
        watch.ended(stage, done)
    assert watch._bar.n == pytest.approx(watch._bar.total)
    watch._bar.disable = True


@pytest.mark.parametrize(("evaluation", "share"), [("off", 9.8), ("quick", 49), ("full", 392)])
def test_the_time_left_depends_on_the_evaluation(evaluation, share, films):
    planned = plan_stages(
        settings("recommended", {"evaluation": evaluation}), find_dataset(str(films))
    )
    watch = progress.RunProgress(planned)
    assert watch._bar.total == pytest.approx(51 + share)
