"""Equal runs are equal bytes: trained models and checkpoints, written twice, by processes of their own."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tegum.empirical.files import load_models
from tests.support.forks import python
from tests.support.sweeps import output

# The law has metadata of several words, whose order might be any.
WRITE = """
import sys
from tegum.empirical import save_models, train
from tegum.empirical.runs import Session
from tegum.theory import CorrelatedFeatures, ToyModel
model = ToyModel(4, 2, CorrelatedFeatures(0.1, [(0, 1), (2, 3)]), weight_penalty=0.1)
session = Session(sys.argv[1] + "/run.npz", keep=True)
trained = train(model, seeds=2, steps=3, objective="exact", device="cpu", session=session)
for suffix in ("safetensors", "zarr"):
    save_models(trained, f"{sys.argv[1]}/runs.{suffix}", model=model)
"""


def tree(folder: Path) -> dict[str, str]:
    """Return a hash of each file in a folder, by name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = [tmp_path_factory.mktemp("written") for _ in range(2)]
    for folder in folders:
        output(python(WRITE, folder))
    return folders


def test_equal_runs_are_equal_bytes(written: list[Path]) -> None:
    one, other = map(tree, written)
    assert {"run.npz", "runs.safetensors", "runs.zarr/zarr.json"} <= set(one)
    assert one == other


def test_the_bytes_are_read_by_the_formats_library(written: list[Path]) -> None:
    from safetensors import safe_open

    path = written[0] / "runs.safetensors"
    with safe_open(path, framework="numpy") as file:
        words = file.metadata()
        assert list(file.keys())
    assert "law" in str(words)
    assert load_models(path).weights.shape == (2, 2, 4)
    assert sorted(os.listdir(written[0])) == ["run.npz", "runs.safetensors", "runs.zarr"]
