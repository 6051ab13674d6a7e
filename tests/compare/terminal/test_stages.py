"""Bars of stages: seen on a terminal, and left out of logs."""

from __future__ import annotations

import io
import sys

import pytest

from tegum.compare.terminal import Stages, watched


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
