"""`tegum uniform`: what it writes, what is kept after Ctrl-C, and what it refuses."""

from __future__ import annotations

import json
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, best_packing
from tegum.theory.loss.spectral import SpectralLoss
from tegum.theory.packing import finite_packing, packing_transitions
from tests.support.command_line import INTERRUPTED

packing: Any = import_module("tegum.theory.packing")
# The face, where the command finds what holds models against packings.
geometry: Any = import_module("tegum.compare.geometry")
ATLAS = ("axis", "digon", "triangle", "pentagon")


def test_models_are_trained_and_held_against_packings(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "packing_transitions", partial(packing_transitions, among=ATLAS))
    account = tegum_(f"uniform --size 4,2 --points 3 --steps 300 --out {tmp_path} --json").json()
    assert account == json.loads((tmp_path / "uniform.json").read_text())
    rows = account["runs"][0]["densities"]
    assert [row["packing"] for row in rows][1] == dict(
        finite_packing(4, 2, best_packing(1 / rows[1]["inverse_density"], among=ATLAS)).copies
    )
    model = ToyModel(4, 2, IndependentFeatures(1 / rows[2]["inverse_density"]))
    assert rows[2]["ratio"] > 0.999
    assert SpectralLoss(model).output_losses(np.zeros((2, 4)), np.zeros(4)).sum() > rows[2]["loss"]
    assert (tmp_path / "uniform.png").stat().st_size > 10_000


def test_ctrl_c_after_training_says_what_is_kept(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "packing_transitions", partial(packing_transitions, among=ATLAS))
    monkeypatch.setattr(geometry, "uniform_run", interrupted)
    told = tegum_(f"uniform --size 4,2 --points 2 --steps 5 --out {tmp_path}")
    assert told.code == INTERRUPTED
    kept = f"tegum: interrupted: trained models are in {tmp_path}; the same command goes on from there"
    assert " ".join(told.err.split()).endswith(kept)
    assert (tmp_path / "uniform-4-2.safetensors").exists()


@pytest.mark.parametrize("size", ["4", "2,4", "a,b", "4,0", "999999999,5", "999999999,999999999"])
def test_bad_sizes_are_refused(tegum_: Any, size: str, tmp_path: Path) -> None:
    tegum_(f"uniform --size {size} --out {tmp_path}").is_misuse("size")


def test_one_density_is_no_line(tegum_: Any, tmp_path: Path) -> None:
    tegum_(f"uniform --points 1 --out {tmp_path}").is_misuse("--points must lie in 2 to 10,000, got 1")
