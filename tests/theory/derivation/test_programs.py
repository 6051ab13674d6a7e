"""Derived formulas as programs: Python functions, and compiled C and JavaScript, against the exact loss."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch

from tegum.theory import derive_loss, diagram_model, expected_loss
from tegum.theory.numerics import FloatArray
from tests.support.oracles import oracle
from tests.support.tolerances import loss_scale, tolerance

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
NODE = shutil.which("node")
languages = pytest.mark.parametrize(
    "language",
    [
        pytest.param("c", marks=pytest.mark.skipif(COMPILER is None, reason="no C compiler")),
        pytest.param("javascript", marks=pytest.mark.skipif(NODE is None, reason="no node")),
    ],
)
C_MAIN = """
#include <stdio.h>
int main(void)
{{
    double x[{count}];
    for (;;) {{
        for (int i = 0; i < {count}; i++)
            if (scanf("%lf", &x[i]) != 1) return 0;
        printf("%.17g\\n", loss({arguments}));
    }}
}}
"""
NODE_MAIN = """
const points = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const point of points) console.log(String(loss(...point)));
"""


def generic_points(n: int, m: int, count: int) -> tuple[Any, Any, Any, Any]:
    """Return weights, biases, densities and relative importances whose overlaps are far from zero."""
    rng = np.random.default_rng(n + m)
    weights = rng.choice([-1.0, 1.0], (8 * count, m, n)) * rng.uniform(0.6, 1.3, (8 * count, m, n))
    sizes = np.abs(weights.mT @ weights).min(axis=(-2, -1))
    weights = weights[sizes > 0.2][:count]
    assert len(weights) == count
    return weights, rng.uniform(-1.5, 1.5, (count, n)), rng.uniform(0.01, 1, count), rng.uniform(0.1, 3, count)


@pytest.mark.parametrize(
    ("modules", "n", "m"),
    [
        ("numpy", 1, 1),
        ("numpy", 2, 1),
        ("numpy", 3, 1),
        ("numpy", 3, 2),
        ("torch", 1, 1),
        ("torch", 2, 1),
        ("torch", 3, 2),
    ],
)
def test_lambdified_arrays_agree_with_the_loss(modules: str, n: int, m: int) -> None:
    points = generic_points(n, m, 400)
    weights, bias, density, ratio = points
    arrays = points if modules == "numpy" else [torch.from_numpy(array) for array in points]
    model = diagram_model(n, m, density, ratio)
    expected = expected_loss(model, weights, bias)
    scale = expected + density * model.importances().sum(axis=-1) / 3
    values = derive_loss(n, m).lambdify(modules)(*arrays)
    assert isinstance(values, np.ndarray if modules == "numpy" else torch.Tensor)
    assert np.abs(np.asarray(values) - expected).max() <= tolerance("law") * scale.min()


def test_lambdified_arrays_broadcast() -> None:
    weights, bias, density, ratio = generic_points(2, 1, 6)
    evaluate = derive_loss(2, 1).lambdify()
    grid = evaluate(weights[:, None], bias[0], density[:4], ratio[1])
    assert grid.shape == (6, 4)
    assert grid[5, 3] == evaluate(weights[5], bias[0], density[3], ratio[1])


@pytest.mark.parametrize(("n", "m"), [(2, 1), (2, 2)])
def test_lambdified_numbers_agree_with_fifty_digits(n: int, m: int) -> None:
    points = generic_points(n, m, 12)
    formula = derive_loss(n, m)
    in_floats, in_digits = formula.lambdify("math"), formula.lambdify("mpmath")
    for weights, bias, density, ratio in zip(*points, strict=True):
        model = diagram_model(n, m, density, ratio)
        truth = oracle(model, weights, bias)
        scale = loss_scale(model, truth.loss)
        assert abs(in_floats(weights.tolist(), bias.tolist(), density, ratio) - truth.loss) <= tolerance("law") * scale
        with mpmath.workdps(60):
            exact_inputs = [[mpmath.mpf(x) for x in row] for row in weights], [mpmath.mpf(x) for x in bias]
            value = in_digits(*exact_inputs, mpmath.mpf(density), mpmath.mpf(ratio))
            assert abs(value - truth.digits) <= tolerance("oracle", "mpf") * scale


def test_lambdify_rejects_unknown_modules() -> None:
    with pytest.raises(ValueError, match='"numpy", "torch", "math" or "mpmath", got \'jax\''):
        derive_loss(2, 1).lambdify("jax")


def run_program(language: str, source: str, points: FloatArray, folder: Path) -> FloatArray:
    """Return what a printed program says at points, shape (count, parameters), in a process of its own."""
    if language == "c":
        count = points.shape[1]
        arguments = ", ".join(f"x[{i}]" for i in range(count))
        (folder / "loss.c").write_text(source + C_MAIN.format(count=count, arguments=arguments))
        strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
        subprocess.run([str(COMPILER), *strict, "loss.c", "-o", "loss", "-lm"], cwd=folder, check=True)
        command, text = ["./loss"], "\n".join(" ".join(map(repr, point)) for point in points.tolist())
    else:
        (folder / "loss.js").write_text('"use strict";\n' + source + NODE_MAIN)
        command, text = [str(NODE), "loss.js"], repr(points.tolist())
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=folder)
    return np.array([float(line) for line in done.stdout.split()])


@languages
@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)])
def test_programs_agree_with_the_loss(language: str, n: int, m: int, tmp_path: Path) -> None:
    weights, bias, density, ratio = generic_points(n, m, 400)
    flat = np.concatenate([weights.reshape(400, -1), bias, density[:, None], ratio[:, None]], axis=1)
    values = run_program(language, derive_loss(n, m).code(language), flat, tmp_path)
    model = diagram_model(n, m, density, ratio)
    expected = expected_loss(model, weights, bias)
    scale = expected + density * model.importances().sum(axis=-1) / 3
    assert values.shape == expected.shape
    assert np.abs(values - expected).max() <= tolerance("law") * scale.min()


@languages
def test_programs_know_corners_at_zero(language: str, tmp_path: Path) -> None:
    # W = (1, −1) with b = 0, and with biases that put further corners on zero: 19079/248832 is derived exactly.
    points = np.array([[1, -1, 0, 0, 0.5, 1], [1, -1, 1 / 12, 1 / 12, 0.5, 1], [1, -1, -1, 1, 0.5, 2]])
    values = run_program(language, derive_loss(2, 1).code(language), points, tmp_path)
    exact = derive_loss(2, 1).at([[1, -1]], [-1, 1], "1/2", 2)
    np.testing.assert_allclose(values, [1 / 12, 19079 / 248832, float(exact)], rtol=tolerance("law"))


@pytest.mark.parametrize("language", ["c", "javascript"])
def test_programs_say_what_they_take(language: str) -> None:
    formula = derive_loss(2, 1)
    source = formula.code(language)
    assert f"Parameters: {', '.join(symbol.name for symbol in formula.symbols)}." in source
    assert source.count("case ") == 9


def test_code_rejects_other_languages() -> None:
    with pytest.raises(ValueError, match='language must be "c" or "javascript", got \'fortran\''):
        derive_loss(2, 1).code("fortran")
