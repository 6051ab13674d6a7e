"""The command line, for tests of what each command does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.command_line import Outcome, run_tegum


@pytest.fixture
def tegum_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command line in this process; the words of one text are split, those of several are taken as they are."""

    def run(*words: str) -> Outcome:
        return Outcome(*run_tegum(monkeypatch, capsys, words[0] if len(words) == 1 else list(words)))

    return run
