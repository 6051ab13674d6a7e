"""The examples run, and show what they say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_every_example_is_run_here() -> None:
    assert [path.name for path in sorted(EXAMPLES.glob("*.py"))] == ["account_for_runs.py"]


def test_account_for_runs_explains_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    counts = runpy.run_path(str(EXAMPLES / "account_for_runs.py"))["main"](seeds=8)
    assert counts["in"] == 8
    printed = capsys.readouterr().out
    assert "digon(1,2)           loss 0.002987" in printed
    assert "8 in, 0 on the way, 0 at a saddle, 0 elsewhere" in printed
