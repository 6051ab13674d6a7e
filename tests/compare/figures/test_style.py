"""Figures in files: the same figure is the same bytes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tegum.compare.figures import save_figure


def drawn() -> Figure:
    figure = Figure(figsize=(2, 1))
    axes = figure.add_subplot()
    axes.plot([0.0, 1.0], [0.0, 1.0], label="a line", clip_on=True)
    axes.legend()
    return figure


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_figure_is_the_same_file_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    save_figure(drawn(), tmp_path / f"one.{kind}")
    # Dates in files have seconds.
    time.sleep(1.1)
    save_figure(drawn(), tmp_path / f"other.{kind}")
    assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"other.{kind}").read_bytes()


def test_an_unknown_format_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not supported"):
        save_figure(drawn(), tmp_path / "a.xyz")
    assert list(tmp_path.iterdir()) == []
