"""What loading costs: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded(code: str) -> set[str]:
    """Return the modules that are loaded after running code in a fresh interpreter, and the packages they are of."""
    report = "import sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules = set(done.stderr.split())
    return modules | {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("package", ["tegum.theory", "tegum.empirical", "tegum.compare"])
def test_a_layer_loads_nothing_before_a_name_is_used(package: str) -> None:
    modules = loaded(
        f"import {package} as layer\nassert layer.__all__\nassert set(layer.__all__) <= set(dir(layer)), dir(layer)"
    )
    assert not modules & {"numpy", "scipy", "sympy", "numba", "torch", "matplotlib", "xarray", "flint"}


def test_the_exact_loss_loads_neither_torch_nor_matplotlib_nor_sympy_nor_numba() -> None:
    modules = loaded("from tegum.theory import ToyModel, expected_loss, local_minima")
    assert "numpy" in modules
    assert not modules & {"torch", "matplotlib", "sympy", "numba"}


def test_an_engine_loads_numba_when_it_evaluates() -> None:
    prepared = (
        "from tegum.theory import ExactLoss, IndependentFeatures, ToyModel\n"
        "engine = ExactLoss(ToyModel(2, 1, IndependentFeatures(0.1)))\n"
    )
    assert "numba" not in loaded(prepared)
    assert "numba" in loaded(f"import numpy as np\n{prepared}engine.loss(np.ones((1, 2)), np.zeros(2))")


def test_help_loads_neither_torch_nor_matplotlib_nor_numpy() -> None:
    modules = loaded(
        "import sys\n"
        "from tegum.compare.commands import app\n"
        "sys.argv = ['tegum', '--help']\n"
        "try:\n"
        "    app.main()\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0, stop.code\n"
    )
    assert "typer" in modules
    assert not modules & {"torch", "matplotlib", "numpy", "tegum.theory", "tegum.empirical"}


def test_training_loads_no_matplotlib() -> None:
    modules = loaded("from tegum.empirical import train")
    assert "torch" in modules
    assert "matplotlib" not in modules
