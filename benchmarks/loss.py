"""What an exact loss costs: engine against engine, and against Monte Carlo at equal error.

(a) Each engine's cost of a model's loss, of loss and gradient, and of loss, gradient and Hessian, against the number of
features; in units of the loss of two features by enumeration with NumPy, in batches, measured in the same run. What an
engine prepares once (tables, formulas, machine code) isn't counted.
(b) The compiled evaluation against array operations, which evaluate the same recursion, for one model a call and for
many.
(c) The exact loss of one model against plain Monte Carlo. Its standard error falls like 1/√N: the cost of a sample and
the variance of the squared error are measured, and the cost of an error is extrapolated. The sampler is whichever of
NumPy and torch is faster, in single precision, with one random number per feature. The errors compared are relative to
the loss: 1e-2, 1e-4, 1e-6, and what the exact engine makes itself. That is its distance from a proven enclosure, at
least half a unit of the last place, or, where there are too many features to enclose, the estimate that the spectral
engine gives. The other way round: which standard error Monte Carlo reaches in the exact engine's time.

Costs are processor time on one core, the smallest of a few rounds, and are reported as ratios; (b) adds what they are.
The unit of (a) is measured anew beside each row; its largest over its smallest value says how steady the machine was.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/loss.py [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tegum.theory import ExactLoss, IndependentFeatures, ToyModel, derive_loss, enclosure
from tegum.theory.loss import ArrayEngine
from tegum.theory.loss.spectral import SpectralLoss

DENSITY = 0.1
HIDDEN = {2: 1, 3: 2, 4: 2, 5: 2, 6: 3, 7: 3, 8: 4, 20: 5, 100: 10, 400: 30}
# Models per call: enough that what a call costs by itself doesn't count.
BATCH = {2: 4096, 3: 1024, 4: 256, 5: 128, 6: 32, 7: 16, 8: 4}
# Models per call for which compiled code is compared with array operations.
FEW_AND_MANY = (1, 100_000)
# Features, density.
COMPARED = ((2, 0.1), (3, 0.1), (5, 0.1), (8, 0.1), (20, 0.1), (400, 0.1), (400, 0.01))
TARGETS = (1e-2, 1e-4, 1e-6)
# What one batch of samples keeps, so that it stays in a cache, and how many numbers are drawn for a variance.
SAMPLED_NUMBERS, VARIANCE_NUMBERS = 1 << 16, 1 << 24
ROUNDS, SHORTEST_ROUND, LONG = 3, 0.05, 1.0
LARGEST_ENCLOSED = 8
# Numbers, below 32 MiB.
LARGE_ARRAY = 4_000_000
HALF_UNIT = 2.0**-53

Points = tuple[Any, Any]


@dataclass(frozen=True)
class Cost:
    """An engine's cost for models of n features, in units of the reference; None for what it doesn't do.

    Attributes:
        engine: its name.
        n_features: n.
        batch: models per call.
        loss: cost per model.
        gradient: with the gradient.
        hessian: with gradient and Hessian.
        alone: cost of the loss with one model per call.
    """

    engine: str
    n_features: int
    batch: int
    loss: float
    gradient: float | None
    hessian: float | None
    alone: float


@dataclass(frozen=True)
class Speedup:
    """What array operations cost, compiled code being 1; processor time, in turn.

    Attributes:
        n_features: n.
        batch: models per call.
        gradient: for loss and gradient.
        hessian: with the Hessian.
        microseconds: what compiled code takes for each model of these two, on one core of this machine.
    """

    n_features: int
    batch: int
    gradient: float
    hessian: float
    microseconds: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """An exact loss beside Monte Carlo; errors are relative to the loss.

    Attributes:
        n_features: n.
        n_hidden: m.
        density: of the features.
        engine: which evaluates the loss exactly.
        sampler: which Monte Carlo is faster.
        error: of the exact engine.
        deviation: standard deviation of a sample's squared error over its mean.
        cost_ratios: Monte Carlo's cost over the exact one's for each standard error of `TARGETS`, then for `error`.
        batched: what the exact cost of a model in a batch is of that of a model alone.
        error_in_equal_time: the standard error that Monte Carlo reaches in the time of the exact engine.
    """

    n_features: int
    n_hidden: int
    density: float
    engine: str
    sampler: str
    error: float
    deviation: float
    cost_ratios: tuple[float, ...]
    batched: float
    error_in_equal_time: float


def timed(task: Callable[[], Any]) -> tuple[float, Any]:
    """Return a task's processor time, the smallest of a few rounds or of a single one if it takes long, and result."""
    begin = time.process_time()
    result = task()
    first = time.process_time() - begin
    if first > LONG:
        return first, result
    calls = max(int(SHORTEST_ROUND / max(first, 1e-6)), 1)
    found = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for _ in range(calls):
            task()
        found.append((time.process_time() - begin) / calls)
    return min(found), result


def core_seconds(task: Callable[[], Any]) -> float:
    """Return a task's processor time."""
    return timed(task)[0]


def toy_model(n: int, density: float = DENSITY) -> ToyModel:
    """Return a model of equal, independent features."""
    return ToyModel(n, HIDDEN[n], IndependentFeatures(density))


def random_points(n: int, batch: int) -> Points:
    """Return weights whose columns have lengths of about 1, and small biases."""
    rng, m = np.random.default_rng([n, batch]), HIDDEN[n]
    return rng.normal(size=(batch, m, n)) / sqrt(m), 0.1 * rng.normal(size=(batch, n))


def tensors(points: Points, dtype: torch.dtype = torch.float64) -> Points:
    """Return arrays as tensors."""
    return torch.tensor(points[0], dtype=dtype), torch.tensor(points[1], dtype=dtype)


# --- (a) Engine against engine -----------------------------------------------------------------------------------


def measured(engine: str, n: int, batch: int, orders: list[Callable[[Points], Any]], convert: Any = None) -> Cost:
    """Measure the functions that give a loss, its gradient too, and its Hessian too, as far as there are any."""
    many, one = (random_points(n, size) if convert is None else convert(random_points(n, size)) for size in (batch, 1))
    costs = [core_seconds(lambda f=f: f(many)) / batch for f in orders]  # type: ignore[misc]
    alone = costs[0] if batch == 1 else core_seconds(lambda: orders[0](one))
    loss, gradient, hessian = (*costs, None, None, None)[:3]
    assert loss is not None
    return Cost(engine, n, batch, loss, gradient, hessian, alone)


def prepared(exact: ExactLoss, most: int) -> list[Callable[[Points], Any]]:
    """Return what an engine evaluates, up to derivatives of order `most`."""
    functions = (exact.loss, exact.loss_and_gradient, exact.loss_gradient_hessian)
    return [lambda points, f=f: f(*points) for f in functions[: most + 1]]  # type: ignore[misc]


def enclosed(n: int, order: int) -> Callable[[Points], Any]:
    """Return the proof of the first model of a batch."""
    return lambda points: enclosure(toy_model(n), points[0][0], points[1][0], order=order)


def by_arrays(n: int, like: Any = None) -> ExactLoss:
    """Return the evaluation by array operations, for small models too; NumPy's is what all are compared with."""
    return ExactLoss.by(ArrayEngine(toy_model(n), like))


def engine_seconds() -> Iterator[Cost]:
    """Yield every engine's costs in seconds."""
    for n, batch in BATCH.items():
        yield measured("enumeration, NumPy", n, batch, prepared(by_arrays(n), 2))
    for n, batch in BATCH.items():
        exact = by_arrays(n, torch.zeros((), dtype=torch.float64))
        yield measured("enumeration, torch", n, batch, prepared(exact, 2), tensors)
    for n in (2, 3, 4):
        yield measured("enumeration, compiled", n, BATCH[n], prepared(ExactLoss(toy_model(n)), 2))
    for n, batch in {2: 64, 4: 32, 8: 16, 20: 8, 100: 1, 400: 1}.items():
        yield measured("spectral", n, batch, prepared(ExactLoss(toy_model(n), method="spectral"), 1))
    for n in (2, 3, 4, 5, 6):
        yield measured("enclosure", n, 1, [enclosed(n, order) for order in (0, 1, 2)])
    for n, batch in {2: 4096, 3: 1024}.items():
        formula = derive_loss(n, HIDDEN[n]).lambdify("numpy")
        yield measured("formula, NumPy", n, batch, [lambda points, f=formula: f(*points, DENSITY, 1.0)])  # type: ignore[misc]


def engine_costs() -> tuple[list[Cost], float]:
    """Return every engine's costs in units of the reference, and the unit's largest over its smallest value."""
    reference, points = by_arrays(2), random_points(2, BATCH[2])

    def unit() -> float:
        return core_seconds(lambda: reference.loss(*points)) / BATCH[2]

    # Having freed a large array, the allocator keeps what it is given back. Without, the unit is mostly page faults.
    np.ones(LARGE_ARRAY).sum()
    units, costs = [unit()], []
    for c in engine_seconds():
        units.append(unit())
        # A neighbour's load makes either larger, never smaller.
        here = min(units[-2:])
        scaled = (None if value is None else value / here for value in (c.loss, c.gradient, c.hessian, c.alone))
        costs.append(Cost(c.engine, c.n_features, c.batch, *scaled))  # type: ignore[arg-type]
    return costs, max(units) / min(units)


# --- (b) Compiled code -------------------------------------------------------------------------------------------


def speedups() -> Iterator[Speedup]:
    """Yield what compiled code gains."""
    for n in (2, 3, 4):
        for batch in FEW_AND_MANY:
            points, ratios, times = random_points(n, batch), [], []
            for order in (1, 2):
                arrays, compiled = (prepared(exact, order)[order] for exact in (by_arrays(n), ExactLoss(toy_model(n))))
                cost = core_seconds(lambda f=compiled, p=points: f(p))  # type: ignore[misc]
                ratios.append(core_seconds(lambda f=arrays, p=points: f(p)) / cost)  # type: ignore[misc]
                times.append(1e6 * cost / batch)
            yield Speedup(n, batch, ratios[0], ratios[1], (times[0], times[1]))


# --- (c) Against Monte Carlo -------------------------------------------------------------------------------------

Sampler = Callable[[int], Any]


def numpy_sampler(density: float, points: Points) -> Sampler:
    """Return a function that draws squared errors; an active feature's size is the rest of the number that chose it."""
    rng = np.random.default_rng(0)
    W, b = (array[0].astype(np.float32) for array in points)

    def draw(samples: int) -> Any:
        x = rng.random((samples, W.shape[1]), dtype=np.float32)
        x /= np.float32(density)
        x[x >= 1] = 0
        error = x @ W.T @ W
        error += b
        np.maximum(error, 0, out=error)
        error -= x
        return np.einsum("si,si->s", error, error)

    return draw


def torch_sampler(density: float, points: Points) -> Sampler:
    """Do the same with torch."""
    W, b = tensors((points[0][0], points[1][0]), torch.float32)
    generator = torch.Generator().manual_seed(0)

    def draw(samples: int) -> Any:
        x = torch.rand((samples, W.shape[1]), generator=generator).div_(density)
        x.mul_(x < 1)
        error = torch.addmm(b, x @ W.T, W).relu_().sub_(x)
        return error.square_().sum(dim=1).numpy()

    return draw


SAMPLERS = {"NumPy": numpy_sampler, "torch": torch_sampler}


def moments_of(sampler: Sampler, n: int) -> tuple[float, float]:
    """Return a sampled loss and the standard deviation of a sample."""
    chunk, total, square = SAMPLED_NUMBERS // n, 0.0, 0.0
    chunks = VARIANCE_NUMBERS // SAMPLED_NUMBERS
    for _ in range(chunks):
        errors = sampler(chunk).astype(np.float64)
        total += errors.sum()
        square += (errors * errors).sum()
    count = chunk * chunks
    return total / count, sqrt(square / count - (total / count) ** 2)


def exact_loss(model: ToyModel, points: Points) -> tuple[float, float, float]:
    """Return the loss of one model, its relative error, and the time that it takes."""
    if model.n_features > LARGEST_ENCLOSED:
        spectral = SpectralLoss(model)
        alone, outputs = timed(lambda: spectral.outputs(*points, slopes=False))
        loss = float(outputs.value.sum())
        return loss, float(outputs.error.sum()) / loss, alone
    exact = ExactLoss(model)
    exact.loss(*points)
    alone, found = timed(lambda: exact.loss(*points))
    loss = float(found[0])
    proof = enclosure(model, points[0][0], points[1][0])
    assert proof.status == "narrow"
    return loss, max(float(proof.loss.distance(loss)) / loss, HALF_UNIT), alone


def comparison(n: int, density: float) -> Comparison:
    """Measure the exact loss of one model beside Monte Carlo."""
    model, points = toy_model(n, density), random_points(n, 1)
    loss, error, alone = exact_loss(model, points)
    batch, each = BATCH.get(n, 1), alone
    if batch > 1:
        exact, many = ExactLoss(model), random_points(n, batch)
        each = core_seconds(lambda: exact.loss(*many)) / batch
    chunk = SAMPLED_NUMBERS // n
    samplers = {name: make(density, points) for name, make in SAMPLERS.items()}
    per_sample = {name: core_seconds(lambda d=d: d(chunk)) / chunk for name, d in samplers.items()}  # type: ignore[misc]
    fastest = min(per_sample, key=lambda name: per_sample[name])
    mean, deviation = moments_of(samplers[fastest], n)
    # Six standard errors: both compute the same thing.
    assert abs(mean - loss) < 6 * deviation / sqrt(VARIANCE_NUMBERS // n), (mean, loss)
    relative = deviation / loss
    ratios = tuple((relative / target) ** 2 * per_sample[fastest] / alone for target in (*TARGETS, error))
    engine = "enumeration" if n <= LARGEST_ENCLOSED else "spectral"
    equal = relative / sqrt(alone / per_sample[fastest])
    return Comparison(n, model.n_hidden, density, engine, fastest, error, relative, ratios, each / alone, equal)


# --- Output ------------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Return a number with two digits."""
    if value is None:
        return "–"
    if value >= 1e5 or value < 1e-3:
        return f"{value:.0e}"
    return f"{float(f'{value:.2g}'):,g}"


def engine_table(costs: list[Cost]) -> Table:
    table = Table(title="(a) Cost of a model, the loss of two features by enumeration (NumPy, in batches) being 1")
    for title in ("engine", "n", "models per call", "loss", "+ gradient", "+ Hessian", "loss, one model per call"):
        table.add_column(title, justify="left" if title == "engine" else "right")
    for c in costs:
        cells = map(number, (c.loss, c.gradient, c.hessian, c.alone))
        table.add_row(c.engine, str(c.n_features), f"{c.batch:,}", *cells)
    return table


def speedup_table(found: list[Speedup]) -> Table:
    table = Table(title="(b) Cost of array operations, compiled code being 1")
    for title in ("n", "models per call", "loss + gradient", "with Hessian", "compiled, µs per model and core"):
        table.add_column(title, justify="right")
    for s in found:
        micro = " and ".join(map(number, s.microseconds))
        table.add_row(str(s.n_features), f"{s.batch:,}", number(s.gradient), number(s.hessian), micro)
    return table


def comparison_table(comparisons: list[Comparison]) -> Table:
    title = "(c) Cost of Monte Carlo over that of the exact loss, one model per call, at equal relative error"
    table = Table(title=title, caption="* Monte Carlo wins")
    titles = ["n", "m", "density", "exact engine", "its error", "sampler"]
    titles += [*(f"at {target:g}" for target in TARGETS), "at its error"]
    titles += ["Monte Carlo's error in equal time", "exact, per model in a batch"]
    for column in titles:
        table.add_column(column, justify="left" if column in ("exact engine", "sampler") else "right")
    for c in comparisons:
        ratios = [number(r) + ("*" if r < 1 else "") for r in c.cost_ratios]
        row = [str(c.n_features), str(c.n_hidden), f"{c.density:g}", c.engine, f"{c.error:.0e}", c.sampler, *ratios]
        table.add_row(*row, f"{c.error_in_equal_time:.0e}", number(c.batched))
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, NumPy {np.__version__}, torch {torch.__version__}"
    costs, spread = engine_costs()
    gains = list(speedups())
    comparisons = [comparison(n, density) for n, density in COMPARED]
    if arguments.json:
        found = {"machine": machine, "unit_spread": spread, "engines": [asdict(c) for c in costs], "targets": TARGETS}
        found["compiled"] = [asdict(s) for s in gains]
        print(json.dumps(found | {"monte_carlo": [asdict(c) for c in comparisons]}, indent=2))
        return
    console = Console(width=140)
    console.print(f"{machine}; one thread; the unit varied by a factor of {spread:.1f}")
    console.print(engine_table(costs))
    console.print(speedup_table(gains))
    console.print(comparison_table(comparisons))


if __name__ == "__main__":
    main()
