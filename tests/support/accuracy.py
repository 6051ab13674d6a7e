"""How accurate every engine is: worst errors against proven intervals, over random and degenerate models.

`tests/theory/loss/test_engines.py` holds them below their bars, and `benchmarks/accuracy.py` writes them down.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    HierarchicalFeatures,
    IndependentBlocks,
    IndependentFeatures,
    ToyModel,
    enclosure,
)
from tegum.theory.loss.spectral import SpectralLoss
from tegum.theory.numerics import FloatArray
from tests.support.cases import Case, draw_case
from tests.support.engines import ENGINES, PURPOSES, Engine, packed
from tests.support.laws import AMPLITUDES, COMPOSED, LAWS, PENALTIES
from tests.support.oracles import oracle
from tests.support.tolerances import tolerance

SPECTRAL_NODES = 1 << 12
# Relative width of the reference's intervals: far below all bars.
REFERENCE_WIDTH = 1e-17
# Below this, overlaps under amplitudes of both signs cost the Hessian digits (docs/accuracy.md).
SMALL_OVERLAP = 1e-6
# Of so many cases one has its gradient compared, and of twice as many one its Hessian.
GRADIENT_EVERY, HESSIAN_EVERY = 2, 4


# Laws of independent blocks.
BLOCKS = (IndependentFeatures, CorrelatedFeatures, AnticorrelatedFeatures)


class NotPromisedError(Exception):
    """The engine itself says that it didn't reach its bar."""


def _spectral(model: ToyModel, weights: FloatArray, bias: FloatArray, order: int) -> Any:
    engine = SpectralLoss(model, max_nodes=SPECTRAL_NODES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            value, slopes, error, *_ = engine.outputs(weights, bias)
    except RuntimeWarning:
        # Overlaps of extreme sizes overflow.
        raise NotPromisedError from None
    if (error > engine.tolerance * np.maximum(model.densities(), tolerance("rounding"))).any():
        raise NotPromisedError
    importance = model.importances()
    if order == 0:
        return float(importance @ value)
    slopes = importance[:, None] * slopes
    d_gram = slopes[:, :-1]
    return packed((weights @ (d_gram + d_gram.T), slopes[:, -1]))


def _blocks_without_penalty(model: ToyModel) -> bool:
    blocks = isinstance(model.features, (*BLOCKS, IndependentBlocks, HierarchicalFeatures))
    return blocks and not model.has_penalty


def _midpoints(intervals: Any) -> FloatArray:
    return np.array([entry.midpoint for entry in np.asarray(intervals).flat])


def _fifty_digits(model: ToyModel, weights: FloatArray, bias: FloatArray, order: int) -> Any:
    """Return what the oracle says, so that the two references are compared with each other."""
    try:
        found = oracle(model, weights, bias, order)
    except ValueError:
        # It has no δ at a corner.
        raise NotPromisedError from None
    return (found.loss, found.gradient, found.hessian)[order]


EVERY_ENGINE: dict[str, Engine] = {
    "enumeration, NumPy": ENGINES["numpy"],
    "enumeration, torch": ENGINES["torch"],
    "enumeration, arrays": ENGINES["arrays"],
    "spectral": Engine(
        loss=lambda model, W, b: _spectral(model, W, b, 0),
        gradient=lambda model, W, b: _spectral(model, W, b, 1),
        handles=_blocks_without_penalty,
        dtype="spectral",
    ),
    "enclosure, against fifty digits": Engine(
        loss=lambda model, W, b: _fifty_digits(model, W, b, 0),
        gradient=lambda model, W, b: _fifty_digits(model, W, b, 1),
        hessian=lambda model, W, b: _fifty_digits(model, W, b, 2),
        handles=lambda model: model.n_features <= 3,
    ),
}


# Engines that don't take ReLU'(0) = 0.
AVERAGING = ("spectral",)


@dataclass
class Worst:
    """The worst error of one engine in one quantity.

    Attributes:
        bar: what it promises.
        error: the largest, relative to Σ I_i E[x_i²] + L for losses and to 1 (or the largest importance) + the largest
            entry for derivatives.
        where: the case it comes from.
        cases: how many were compared.
        refused: how many the engine said it couldn't do to its bar.
    """

    bar: float
    error: float = 0.0
    where: str = ""
    cases: int = 0
    refused: int = 0


@dataclass
class Table:
    """Worst errors by engine and quantity."""

    rows: dict[tuple[str, str], Worst] = field(default_factory=dict)
    models: int = 0

    @property
    def evaluations(self) -> int:
        """Number of comparisons of a model and an engine in one quantity."""
        return sum(row.cases for row in self.rows.values())

    def misses(self) -> list[str]:
        """Return what is above its bar."""
        return [
            f"{engine}, {purpose}: {row.error:.2g} above {row.bar:g} in {row.where}"
            for (engine, purpose), row in self.rows.items()
            if not row.error <= row.bar
        ]


def cancels(case: Case) -> bool:
    """Return whether the Hessian's terms may cancel: amplitudes of both signs, and overlaps that almost vanish."""
    overlaps, amplitude = np.abs(case.weights.T @ case.weights), case.model.features.amplitude
    if case.model.activation_penalty:
        overlaps = np.concatenate([overlaps.ravel(), np.abs(case.weights).ravel()])
    return amplitude.low < 0 < amplitude.high and bool((overlaps[overlaps > 0] < SMALL_OVERLAP).any())


def add(table: Table, case: Case, order: int, engines: Iterable[str] = tuple(EVERY_ENGINE)) -> None:
    """Compare engines in one case with the middle of an interval that is proven to hold the value, and narrow."""
    model, weights, bias = case.model, case.weights, case.bias
    derivatives = (order if not cancels(case) else min(order, 1)) if case.resolved else 0
    proof = enclosure(model, weights, bias, order=derivatives, width=REFERENCE_WIDTH)
    assert not proof.status.startswith("not narrow"), case.name
    table.models += 1
    tiny = float(np.finfo(np.float64).tiny)
    references = [
        (proof.loss, case.loss_scale(proof.loss.midpoint) + tiny),
        *((x, None) for x in (proof.gradient, proof.hessian)),
    ]
    for (reference, scale), purpose in zip(references[: derivatives + 1], PURPOSES, strict=False):
        exact = np.array(proof.loss.midpoint) if scale is not None else _midpoints(reference)
        unit = case.entry_scale(float(np.abs(exact).max())) if scale is None else scale
        for name in engines:
            engine = EVERY_ENGINE[name]
            evaluate: Callable[..., Any] | None = getattr(engine, purpose)
            if evaluate is None or not engine.handles(model):
                continue
            if purpose == "gradient" and name in AVERAGING and proof.status.startswith("not defined: the gradient"):
                continue
            row = table.rows.setdefault((name, purpose), Worst(engine.bar(purpose)))
            try:
                found = np.asarray(evaluate(model, weights, bias)).reshape(exact.shape)
            except NotPromisedError:
                row.refused += 1
                continue
            row.cases += 1
            error = float(np.abs(found - exact).max()) / unit
            if not error <= row.error:
                row.error, row.where = error, case.name


def kinds() -> Iterator[dict[str, Any]]:
    """Yield every law × amplitude × penalty."""
    for law, amplitude, penalty in product(LAWS, AMPLITUDES, PENALTIES):
        yield {"law": law, "amplitude": amplitude, "penalty": penalty}


def measure(rounds: int, start: int = 0, max_features: int = 3) -> Table:
    """Return the worst errors over so many random and degenerate models of every law × amplitude × penalty."""
    table = Table()
    for number in range(start, start + rounds):
        for place, kind in enumerate(kinds()):
            turn = number + place
            order = 2 if turn % HESSIAN_EVERY == 0 else 1 if turn % GRADIENT_EVERY == 0 else 0
            add(table, draw_case(number * 1000 + place, max_features=max_features, **kind), order)
    return table


def composed(rounds: int) -> Table:
    """Return the worst errors over laws that are made of others, and trees."""
    table = Table()
    for number, law, amplitude in product(range(rounds), COMPOSED, AMPLITUDES):
        case = draw_case(1000 * number + len(table.rows) + table.models, law=law, amplitude=amplitude, max_features=3)
        add(table, case, order=table.models % 3)
    return table


def many_features(count: int, start: int = 0) -> Table:
    """Return the worst errors over models of five and six features."""
    table = Table()
    for number in range(start, start + count):
        add(table, draw_case(number, features=5 + number % 2, penalty="no penalty"), order=0)
    return table


def as_markdown(tables: dict[str, Table]) -> str:
    """Return tables of worst errors, one below the other."""
    lines: list[str] = []
    for title, table in tables.items():
        lines += [
            f"## {title}",
            "",
            f"{table.models:,} models, {table.evaluations:,} comparisons.",
            "",
            "| engine | quantity | comparisons | refused | worst error | bar |",
            "|---|---|---:|---:|---:|---:|",
        ]
        for (engine, purpose), row in sorted(table.rows.items()):
            lines.append(
                f"| {engine} | {purpose} | {row.cases:,} | {row.refused:,} | {row.error:.1e} | {row.bar:.0e} |"
            )
        lines.append("")
        lines += [*(f"- **Above its bar**: {miss}" for miss in table.misses()), ""] if table.misses() else []
    return "\n".join(lines)
