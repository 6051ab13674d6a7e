"""`tegum basins`: what it writes and prints, and what it refuses."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

# Behind the face: planes are made coarse, and printing is tested by itself.
command: Any = import_module("tegum.compare.commands.basins")


@pytest.fixture(autouse=True)
def few_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw one cell, coarsely."""
    monkeypatch.setattr(command, "PLANES", command.PLANES[:1])
    monkeypatch.setattr(command, "PLANE_POINTS", 4)


@pytest.mark.usefixtures("traced")
def test_the_command_writes_and_prints_the_account(tegum_: Any, tmp_path: Path) -> None:
    words = "basins --densities 0.3,0.8 --importances 0.5:2:3 --scales 0.5 --seeds 2 --steps 20"
    account = tegum_(f"{words} --out {tmp_path} --json").json()
    assert account == json.loads((tmp_path / "basins.json").read_text())
    assert account["settings"]["importance"] == [0.5, 1.0, 2.0]
    assert [(block["objective"], block["runs"]) for block in account["blocks"]] == [("exact", 12), ("sampled", 12)]
    assert all(sum(end["runs"] for end in block["ends"].values()) == block["runs"] for block in account["blocks"])
    for name in ("basins.png", "basin-planes.png"):
        assert (tmp_path / name).stat().st_size > 0
    # What is there isn't measured again.
    printed = tegum_(f"{words} --out {tmp_path}").out
    assert "Percent of 12 runs" in printed.replace("\n", " ")
    assert "sampled" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--densities", "none"), "--densities must be"),
        (("--importances", "1"), "importance must be at least 2"),
        (("--scales=-1,1",), "initial_scale must be"),
        (("--seeds", "0"), "seeds must be"),
        (
            ("--densities", "0.01:1:100000", "--importances", "0.1:10:100000"),
            "1,000,000 cells at most, got 10,000,000,000",
        ),
        (("--scales", "0.1:1:1000000"), "basin shares are of 100,000,000 runs at most, got 1,568,000,000"),
        (("--batch", "1000000000000"), "batch_size must be an integer from 1 to 1000000"),
    ],
)
def test_bad_input_is_one_line(tegum_: Any, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    tegum_("basins", *words, "--out", str(tmp_path)).is_misuse(message)
