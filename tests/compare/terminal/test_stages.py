"""Stages of long commands say what they do, what comes first, and how long the rest takes; short ones don't."""

from __future__ import annotations

import io
import sys

import pytest

from tegum.compare.terminal import Stages, watched

# Behind the face: how often a file is told.
from tegum.compare.terminal.estimates import APART


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_long_work_is_announced_answered_and_timed(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Stages(clock) as stages:
        stages.announce("Ten pieces")
        stages.report("pieces", 0.0)
        said = capsys.readouterr().err
        assert said.startswith("Ten pieces; how long that takes is told when it can be measured\n")
        for done in range(1, 10):
            clock.now += 20.0
            stages.first(f"piece {done}")
            stages.report("pieces", done / 10)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "first answer: piece 1"
    assert "pieces: about 3 min left, as measured on the first 10.0%" in lines
    # To a file, again from time to time.
    again = [line for line in lines if "% done" in line]
    assert again[0] == "pieces: 30.0% done, about 2 min left"
    assert len(again) == 160 // APART - 1 == 4
    assert not any("piece 2" in line for line in lines)


def test_short_work_is_not_timed(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Stages(clock) as stages:
        for done in range(1, 5):
            clock.now += 2.0
            stages.report("pieces", done / 4)
    assert "left" not in capsys.readouterr().err


def test_each_stage_is_timed_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Stages(clock) as stages:
        for stage, seconds in (("first", 1.0), ("second", 30.0)):
            for done in (1, 2):
                clock.now += seconds
                stages.report(stage, done / 2)
    said = capsys.readouterr().err
    assert "second: about 30 s left, as measured on the first 50.0%" in said
    assert "first: about" not in said


def test_bad_input_before_the_first_stage_stays_the_only_line(capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> None:
        with Stages() as stages:
            stages.announce("Ten pieces")
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        refused()
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stream that says that somebody watches it, or not."""

    def __init__(self, seen: bool) -> None:
        super().__init__()
        self.seen = seen

    def isatty(self) -> bool:
        return self.seen


@pytest.mark.parametrize("seen", [True, False], ids=["terminal", "log"])
def test_bars_are_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, seen: bool) -> None:
    stream = Terminal(seen)
    monkeypatch.setattr(sys, "stderr", stream)
    # A runner's wish for colours is none for bars.
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert watched() is seen
    with Stages() as stages:
        stages.report("minima", 0.0)
        stages.report("training", 0.5)
    assert ("minima" in stream.getvalue()) is seen
    assert bool(stream.getvalue()) is seen


def test_nothing_is_watched_without_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert not watched()
