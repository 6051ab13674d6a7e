"""The Thomson problem: known minima in three and more dimensions, exact values, derivatives."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

from tegum.theory import polytope
from tegum.theory.spheres import ThomsonMinimum, coulomb_energy, thomson_minimum

# Behind the face: the expansion behind the Hessian.
from tegum.theory.spheres.coulomb import tangent_expansion

# Behind the face: the compiled descent against its definition.
from tegum.theory.spheres.kernels import descend, energies_and_gradients

# Lowest known energies: Wales and Ulker 2006 (W17), Wales, McKay and Altschuler 2009 (W23) and others, as the column
# `source` says; exact expressions; universal optima of Cohn and Kumar 2007 and its successors.
DATA = Path(__file__).resolve().parents[3] / "tests" / "data"


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open() as table:
        return list(csv.DictReader(table))


KNOWN = {int(row["n"]): row for row in rows("thomson_energies.csv")}
ENERGY, RESTING = 1e-10, 1e-9


def check(found: ThomsonMinimum, n: int) -> None:
    row = KNOWN[n]
    assert found.energy == pytest.approx(float(row["energy"]), rel=ENERGY)
    assert found.residual < RESTING
    assert found.point_group == row["point_group"]
    np.testing.assert_allclose(np.linalg.norm(found.points, axis=1), 1, rtol=0, atol=1e-12)
    # A minimum but for rotations.
    assert found.hessian_eigenvalues[0] > -1e-6 * found.hessian_eigenvalues[-1]
    assert found.status == "agreed"


@pytest.mark.parametrize("n", [*range(2, 16), 20, 32, 37, 46])
def test_known_minima_are_found(n: int) -> None:
    found = thomson_minimum(n)
    check(found, n)
    zero = np.abs(found.hessian_eigenvalues) < 1e-6 * found.hessian_eigenvalues[-1]
    assert zero.sum() == (2 if n == 2 else 3)


@pytest.mark.slow
@pytest.mark.parametrize("n", range(2, 101))
def test_every_known_minimum_up_to_a_hundred_is_found(n: int) -> None:
    check(thomson_minimum(n), n)


@pytest.mark.parametrize("n", [5, 7, 12, 32])
def test_degrees_are_those_of_the_hull(n: int) -> None:
    degrees = thomson_minimum(n).degrees
    for degree in range(3, 9):
        assert (degrees == degree).sum() == int(KNOWN[n][f"v{degree}"] or 0)
    assert degrees.sum() == 2 * int(KNOWN[n]["edges"])


@pytest.mark.parametrize("row", rows("thomson_exact.csv"), ids=lambda row: row["n"])
def test_exact_values(row: dict[str, str]) -> None:
    exact = sympy.sympify(row["expression"])
    if row["params"]:
        exact = exact.subs("u", sympy.Rational(row["params"].partition("=")[2]))
    assert float(exact.evalf(20)) == pytest.approx(float(row["decimal_20_digits"]), rel=1e-15)
    assert thomson_minimum(int(row["n"])).energy == pytest.approx(float(exact.evalf(20)), rel=1e-13)


OPTIMA = {(int(row["dim"]), int(row["n"])): row["inner_products"] for row in rows("universal_optima.csv")}


def check_inner_products(dim: int, n: int) -> None:
    points = thomson_minimum(n, dim).points
    gram = points @ points.T
    found = np.sort(gram, axis=1)[:, :-1]
    wanted: list[float] = []
    for part in OPTIMA[dim, n].split(";"):
        value, _, times = part.strip().strip("()").rpartition(",")
        wanted += [float(sympy.sympify(value))] * int(times)
    np.testing.assert_allclose(found, np.broadcast_to(sorted(wanted), found.shape), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("dim", "n"), [(2, 5), (3, 12), (4, 5), (5, 16), (6, 27)])
def test_universal_optima_are_found_with_their_inner_products(dim: int, n: int) -> None:
    check_inner_products(dim, n)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "n"), [(7, 56), (10, 40), (14, 64)])
def test_universal_optima_in_many_dimensions_are_found(dim: int, n: int) -> None:
    check_inner_products(dim, n)


def test_energies_are_sums_over_pairs() -> None:
    points = np.random.default_rng(0).normal(size=(3, 6, 4))
    unit = points / np.linalg.norm(points, axis=-1, keepdims=True)
    for k in range(3):
        pairs = [1 / np.linalg.norm(unit[k, i] - unit[k, j]) for i in range(6) for j in range(i)]
        assert coulomb_energy(points)[k] == pytest.approx(sum(pairs), rel=1e-14)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    np.testing.assert_allclose(coulomb_energy(points @ turn), coulomb_energy(points), rtol=1e-13)


@pytest.mark.parametrize("name", ["digon", "tetrahedron", "icosahedron", "24-cell"])
def test_energies_of_polytopes(name: str) -> None:
    assert coulomb_energy(polytope(name).points.T) == pytest.approx(polytope(name).coulomb_energy, rel=1e-14)


def test_gradients_and_hessians_are_differences() -> None:
    points = np.random.default_rng(2).normal(size=(5, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    gradient, hessian, bases = tangent_expansion(points)
    _, in_space = energies_and_gradients(np.ascontiguousarray(points.T)[None])
    np.testing.assert_allclose(np.einsum("ida,di->ia", bases, in_space[0]).ravel(), gradient, rtol=1e-12, atol=1e-12)

    def energy(step: Any) -> float:
        return float(coulomb_energy(points + np.einsum("ida,ia->id", bases, step.reshape(5, 2))))

    h, unit = 1e-4, np.eye(10)
    slopes = [(energy(h * e) - energy(-h * e)) / (2 * h) for e in unit]
    np.testing.assert_allclose(slopes, gradient, rtol=1e-6, atol=1e-6)
    bends = [[(energy(h * (a + b)) - energy(h * (a - b)) - energy(h * (b - a)) + energy(-h * (a + b))) / (4 * h * h)
              for a in unit] for b in unit]  # fmt: skip
    np.testing.assert_allclose(bends, hessian, rtol=1e-4, atol=1e-4)


def test_a_search_repeats_itself() -> None:
    one, two = thomson_minimum(9, seed=3), thomson_minimum(9, seed=3)
    np.testing.assert_array_equal(one.points, two.points)
    assert (one.starts, one.agreed) == (two.starts, two.agreed)


@pytest.mark.parametrize("n", [12, 46])
def test_a_search_ends_at_its_target(n: int) -> None:
    energy = float(KNOWN[n]["energy"])
    found = thomson_minimum(n, seed=1, target=energy * (1 + 1e-10))
    assert found.status == "target"
    assert found.energy == pytest.approx(energy, rel=ENERGY)
    assert found.residual < RESTING
    assert found.starts < thomson_minimum(n, seed=1).starts
    # Which thread is faster doesn't matter.
    again = thomson_minimum(n, seed=1, target=energy * (1 + 1e-10))
    assert found.starts == again.starts
    np.testing.assert_array_equal(found.points, again.points)


def test_a_target_out_of_reach_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tegum.theory.spheres.thomson.MOST_STARTS", 24)
    energy = float(KNOWN[12]["energy"])
    found = thomson_minimum(12, target=energy * (1 - 1e-6))
    assert (found.status, found.starts) == ("agreed", 24)
    assert found.energy == pytest.approx(energy, rel=ENERGY)


@pytest.mark.parametrize(("n", "dim"), [(2, 2), (5, 3), (20, 3), (12, 4)])
def test_the_way_down_ends_at_rest(n: int, dim: int) -> None:
    points = np.ascontiguousarray(np.random.default_rng(n).normal(size=(dim, n)))
    energy = descend(points, 1e-8, 2000, 0, np.array([1]))
    gradient, hessian, _ = tangent_expansion(points.T)
    assert energy == pytest.approx(coulomb_energy(points.T), rel=1e-14)
    assert np.abs(gradient).max() < 1e-6
    assert np.linalg.eigvalsh(hessian)[0] > -1e-5


def test_a_start_is_given_up_for_one_before_it() -> None:
    points = np.ascontiguousarray(np.random.default_rng(0).normal(size=(3, 9)))
    begin = points / np.linalg.norm(points, axis=0)
    descend(points, 1e-8, 2000, 1, np.array([0]))
    np.testing.assert_allclose(points, begin, rtol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: thomson_minimum(1), "n must be an integer of at least 2, got 1"),
        (lambda: thomson_minimum(5, 1), "dim must be an integer of at least 2, got 1"),
        (lambda: thomson_minimum(True), "n must be an integer of at least 2, got True"),
        (lambda: thomson_minimum(5, agree=0), "agree must be an integer of at least 1"),
        (lambda: thomson_minimum(5, target=0.0), "target must be positive and finite, got 0.0"),
        (lambda: coulomb_energy([1.0, 2.0]), r"shape \(..., n, d\), got \(2,\)"),
        (lambda: coulomb_energy([[0.0, 0.0, 0.0]]), "not zero"),
        (lambda: coulomb_energy([["a", "b"]]), "must be real numbers"),
    ],
)
def test_bad_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
