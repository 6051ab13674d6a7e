"""Stages of long commands say what they do, what comes first, and how long the rest takes; short ones don't."""

from __future__ import annotations

import pytest

from tegum.compare.terminal import Stages

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
