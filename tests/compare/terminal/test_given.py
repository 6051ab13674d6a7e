"""Options that have no effect are refused, also with their default values; those that have one are not."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Outcome

# Behind the face: what is refused, and the registry of commands.
module: Any = import_module("tegum.compare.terminal.given")
late: Any = import_module("tegum.compare.terminal.late")

# How a command is used, an option that has no effect then, and what is written for it.
IDLE = {
    "diagram --from DATASET": [
        "layout auto",
        "overlap root",
        "device auto",
        "objective sampled",
        "cells 28",
        "seeds 8",
        "steps 3",
        "batch 256",
        "log-base 10",
        "log-sparsity auto",
        "tolerance 0.05",
        "no-controls",
    ],
    "diagram --from WEIGHTS": ["overlap root", "device cpu", "objective exact", "controls"],
    "diagram --from TABLE": [
        "layout auto",
        "weights-name W",
        "device auto",
        "objective exact",
        "seeds 8",
        "steps 1",
        "no-controls",
    ],
    "diagram": [
        "layout auto",
        "bias-name b",
        "density 0.1",
        "importance 1",
        "overlap squares",
        "log-base e",
        "tolerance 0.1",
        "log-sparsity density",
    ],
    "diagram --objective exact": ["batch 256"],
    "train --density 0.1 --objective exact --out a.zarr": ["batch 1024", "sampling plain", "zero-inputs sampled"],
    "sweep --density 0.1 --objective exact --out a": ["batch 1024", "sampling stratified", "zero-inputs exact"],
    "packing --density 0.1": ["out out/packing", "free 3"],
    "packing --free 3": ["amplitude uniform", "density 0.1"],
    "certify --check a.json": [
        "features 2",
        "hidden 1",
        "importance 1",
        "interference-penalty 0",
        "density 0.1",
        "max-boxes 5",
        "out b",
    ],
    "derive --code c": ["latex", "json"],
    "derive --latex": ["json"],
    "thomson 5": ["factors", "density 0.1", "model a.json", "features 2"],
    "thomson --against a.npz": ["dim 3", "target 1", "figure a.png", "turntable a.gif"],
    "boundary": ["density 0.3", "importance 1"],
    "boundary --x density[1]=0.1:0.9 --y density[2]=0.1:0.9": ["density 0.3"],
    "boundary --y importance[2]=0.5:2": ["importance 1"],
    "boundary --y interference_penalty=0:1": ["interference-penalty 0"],
    "deform --runs 0": ["seeds 32", "objective exact"],
    "correlated --runs 0": ["seeds 32", "objective exact"],
    "correlated": ["density 0.1"],
    "deform --vary importance": ["importance 1"],
    "uniform": ["density 0.1"],
    "basins": ["density 0.1", "importance 1"],
    "certified-diagram": ["density 0.1", "importance 1"],
}
CASES = [(used, option) for used, options in IDLE.items() for option in options]


@pytest.mark.parametrize(("used", "option"), CASES, ids=[f"{used} --{option}" for used, option in CASES])
def test_an_option_without_effect_is_refused(
    tegum_: Callable[[str], Outcome], tmp_path: Path, used: str, option: str
) -> None:
    # Names say nothing of what these are.
    (tmp_path / "dataset.csv").mkdir()
    (tmp_path / "weights.zarr").write_text("1,0.5\n0.5,1\n")
    (tmp_path / "table.npz").write_text("last_norm,log_weight,log_sparsity,last_polysemanticity\n")
    for word, file in (("DATASET", "dataset.csv"), ("WEIGHTS", "weights.zarr"), ("TABLE", "table.npz")):
        used = used.replace(word, str(tmp_path / file))
    name = option.partition(" ")[0].replace("no-controls", "controls")
    outcome = tegum_(f"{used} --{option}")
    outcome.is_misuse(f"--{name}")
    assert "no effect" in outcome.err


def test_groups_without_their_law_are_refused(tegum_: Callable[[str], Outcome]) -> None:
    for command in ("sweep", "train"):
        tegum_(f"{command} --density 0.1 --features 3 --group 1,2 --out a.zarr").is_misuse(
            "--group 1,2 goes with --law"
        )


@pytest.mark.parametrize(
    "words",
    [
        "boundary --x density[1]=2:3 --density 0.3",
        "boundary --y importance[1]=0.5:2:3 --importance 2",
        "packing --density 2 --amplitude uniform --features 3 --hidden 2",
        "thomson 1 --dim 3 --seed 0",
        "diagram --steps -1 --batch 256 --device cpu --objective sampled",
    ],
)
def test_options_that_have_an_effect_are_not(tegum_: Callable[[str], Outcome], words: str) -> None:
    # Each is refused for something else.
    outcome = tegum_(words)
    assert outcome.code == 2
    assert "no effect" not in outcome.err


def test_outside_of_a_command_nothing_was_written() -> None:
    assert module.given() == {}
    module.takes_only("anything", ())
