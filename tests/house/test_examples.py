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
    assert counts["unexplained"] == 0
    assert counts["digon(1,2)"] > 0
    assert "unexplained: 0" in capsys.readouterr().out
