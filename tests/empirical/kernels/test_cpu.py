"""Machine code on disk: all processes run the same, whoever compiled it. test_models.py has what it computes."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.forks import forking
from tests.support.sweeps import output

# Behind the face: parts of the compiled loop against their definition.
kernels: Any = import_module("tegum.empirical.kernels.cpu")

# Prints trained parameters as hexadecimal digits, and how often compiled code was found on disk, and not. The losses of
# these models are exact, and evaluated without compiled code: nothing else is compiled, nor for another type.
TRAINING = """
import json
import numpy as np
from importlib import import_module
from tegum.empirical import Optimisation, Sampling, train
from tegum.theory import CorrelatedFeatures, IndependentFeatures, KHotFeatures, ToyModel
# Behind the face: one engine by itself.
import_module("tegum.theory.loss.compiled").CompiledEngine.covers = staticmethod(lambda *_: False)
found = []
for n, m, law, options in (
    (2, 1, IndependentFeatures([[0.1], [0.4]]), {}),
    (5, 2, IndependentFeatures([[0.1], [0.4]]), {"sampling": Sampling(zero_inputs="exact")}),
    (8, 4, IndependentFeatures(0.3), {"optimisation": Optimisation("sgd")}),
    (5, 3, CorrelatedFeatures([[0.2], [0.6]], [(0, 1, 2)]), {"sampling": Sampling("stratified")}),
    (6, 2, KHotFeatures(2, amplitude="symmetric"), {"optimisation": Optimisation(weight_decay=0.1)}),
):
    model = ToyModel(n, m, law, interference_penalty=0.02, weight_penalty=0.01)
    trained = train(model, seeds=2, steps=60, batch_size=1000, device="cpu", **options)
    found += [trained.weights.tobytes().hex(), trained.bias.tobytes().hex(), trained.loss_history.tobytes().hex()]
# Behind the face: parts of the compiled loop against their definition.
compiled = import_module("tegum.empirical.kernels.cpu")._advance_in(np.dtype("float32"))
print(json.dumps([found, sum(compiled.stats.cache_hits.values()), sum(compiled.stats.cache_misses.values())]))
"""


def test_processes_that_compile_and_those_that_load_train_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    # They have loaded everything and compiled nothing.
    with forking("tegum.empirical.training", "tegum.empirical.kernels.cpu") as start:
        # Two that begin at the same time, with nothing on disk yet, of which one compiles; and one that comes later.
        both = [start(TRAINING) for _ in range(2)]
        (first, *one), (second, *other) = (json.loads(output(process)) for process in both)
        later = json.loads(output(start(TRAINING)))
    assert sorted([one, other]) == [[0, 1], [1, 0]]
    assert second == first
    assert later == [first, 1, 0]
    assert len(list(tmp_path.rglob("cpu.*.nbc"))) == 1


def test_each_type_has_its_own_file_and_one_signature() -> None:
    names = set()
    for dtype in (np.dtype("float32"), np.dtype("float64")):
        compiled = kernels._advance_in(dtype)
        assert len(compiled.signatures) == 1
        # The last part is a hash of the sources.
        names.add(compiled.py_func.__qualname__.rpartition("_")[0])
    assert names == {"advance_float32", "advance_float64"}
