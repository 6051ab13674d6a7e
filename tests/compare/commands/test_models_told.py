"""Every command says which model its numbers are of: in full in its first line, and as a description in JSON."""

from __future__ import annotations

import json
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tegum.compare.terminal import described_in
from tegum.theory import ToyModel
from tegum.theory.models import diagram_plane
from tegum.theory.packing import best_packing, packing_transitions
from tests.support.command_line import FAILED, not_json

# Behind the faces: the registry of commands, and what takes long and has tests of its own.
commands: Any = import_module("tegum.compare.commands.app").COMMANDS
basins: Any = import_module("tegum.compare.commands.basins")
stages: Any = import_module("tegum.compare.diagrams.diagram")

WORDS = {
    "diagram": "--cells 2 --seeds 1 --steps 4 --batch 8 --no-controls --device cpu --out OUT",
    "minima": "--density 0.3 --weight-penalty 0.1",
    "derive": "",
    "loss": "--weights WEIGHTS",
    "boundary": "digon(1,2) --x density=0.01:1",
    "train": "--density 0.1 --bias none --seeds 1 --steps 4 --batch 8 --device cpu --force --out OUT.zarr",
    "sweep": "--densities 0.1,0.3 --seeds 1 --steps 4 --batch 8 --device cpu --workers 1 --out OUT.zarr",
    "basins": "--densities 0.3,0.8 --importances 0.5,2 --scales 0.5 --seeds 1 --steps 4 --batch 8 --out OUT",
    "packing": "--density 0.1 --amplitude constant",
    "uniform": "--features 4 --hidden 2 --points 2 --steps 4 --device cpu --out OUT",
    "thomson": "--against WEIGHTS",
    "deform": "--features 3 --low 0.9 --high 1.1 --probes 1 --starts 4 --runs 0 --out OUT",
    "correlated": "--features 4 --low 0.24 --high 0.26 --probes 1 --starts 4 --runs 0 --out OUT",
    "certify": "--density 0.5 --max-boxes 2",
    "certified-diagram": "--cells 2 --divisions 0 --interference-penalty 0.1 --out OUT",
}
# What a command leaves open is no part of its description, and told in other words.
OPEN = {
    "derive": (
        "2 features in 1 dimension, independent, density p, uniform on [0, 1], importances 1, r, no penalties, "
    ),
    "packing": "equal features, n ≫ m, independent, density 0.1, constant 1, importance 1, no penalties, ",
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes long, or have it worked out already."""
    monkeypatch.setattr(stages, "seed_diagram", lambda *_, **__: None)
    monkeypatch.setattr(stages, "phase_boundaries", lambda _: ())
    monkeypatch.setattr(basins, "PLANES", basins.PLANES[:1])
    monkeypatch.setattr(basins, "PLANE_POINTS", 4)
    among = ("axis", "digon", "triangle", "pentagon")
    monkeypatch.setattr("tegum.theory.packing.packing_transitions", partial(packing_transitions, among=among))
    monkeypatch.setattr("tegum.theory.packing.best_packing", partial(best_packing, among=among))
    traced = SimpleNamespace(plane=diagram_plane(2, 1, (0.01, 1), (0.1, 10)), stability=lambda _: ())
    monkeypatch.setattr("tegum.theory.boundaries.boundary_map", lambda **_: traced)


def test_no_command_is_left_out() -> None:
    assert set(WORDS) == set(commands)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("command", WORDS)
def test_the_model_is_told_in_full(tegum_: Any, tmp_path: Path, command: str) -> None:
    weights = tmp_path / "weights.npz"
    W = np.array([[1.0, -0.5, 0], [0, 0.5, 1]])
    np.savez(weights, W=W, b=np.zeros(3), density=0.2, importance=np.array([1.0, 1, 2]))
    words = WORDS[command].replace("WEIGHTS", str(weights)).replace("OUT", str(tmp_path / "out"))
    told = tegum_(f"{command} {words}")
    asked = tegum_(f"{command} {words} --json")
    # A proof that isn't found is told as well.
    assert {told.code, asked.code} <= ({FAILED} if command == "certify" else {0}), told.err
    plain = json.loads(asked.out, parse_constant=not_json)["model"]
    line = OPEN[command] + "free biases" if command in OPEN else ToyModel.from_plain(plain).describe()
    head = " ".join(told.out.split())
    assert line in head
    # Nothing but a file's name, or what varies, stands before it.
    assert not any(mark in head[: head.index(line)] for mark in ("─", "loss "))
    # What was printed describes the model to every command.
    file = tmp_path / "account.json"
    file.write_text(asked.out)
    assert described_in(file) == plain


def test_a_sweep_over_sizes_describes_each(tegum_: Any, tmp_path: Path) -> None:
    words = (
        "sweep --densities 0.1,0.3 --importances 0.5,1,2 --features 2,3 --hidden 1 --weight-penalty 0.1 --law "
        "correlated --group 1,2 --seeds 1 --steps 4 --batch 8 --device cpu --workers 1"
    )
    found = tegum_(f"{words} --out {tmp_path / 'grid.zarr'} --json").json()
    models = [ToyModel.from_plain(plain) for plain in found["descriptions"]]
    assert [(model.n_features, model.batch_shape) for model in models] == [(2, (2, 3)), (3, (2, 3))]
    assert models[1].importances()[1].tolist() == [[1, 1, 0.5], [1, 1, 1], [1, 1, 2]]
    assert models[0].densities()[:, 0].tolist() == [[0.1, 0.1], [0.3, 0.3]]
    lines = tegum_(f"{words} --out {tmp_path / 'grid.zarr'}").out.splitlines()
    assert lines[:2] == [model.describe() for model in models]
