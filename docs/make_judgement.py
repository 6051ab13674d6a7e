"""Measure and print the tables of docs/judgement.md, all or those that are named.

    python docs/make_judgement.py [--diagram out/diagram.zarr] [recipes | seeds | …]

`noise` and `broken` are of the runs in that dataset, the default one of `tegum diagram`; the table of controls is in
the `ledger.json` beside it. `arcs` is of three features, `uniform` of many, the others of 14 × 14 cells of that range.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import xarray as xr

from tegum.compare.diagrams import (
    DiagramSettings,
    grid_account,
    judge_runs,
    load,
    minima_of,
    model_of,
    phase_classes,
    theory_dataset,
)
from tegum.compare.geometry import branch_account, train_along, train_uniform
from tegum.compare.judgement import IN, PAPER_RECIPE, VERDICTS, Recipe, Verdicts
from tegum.empirical import Optimisation, Sampling, train
from tegum.theory import IndependentFeatures, ToyModel, diagram_model, expected_loss
from tegum.theory.branches import branch_diagram
from tegum.theory.geometry import dead_outputs, feature_dimensionality
from tegum.theory.loss.spectral import SpectralLoss
from tegum.theory.minima import SAME_LOSS, diagram_minima
from tegum.theory.models import DENSITY_RANGE, IMPORTANCE_RANGE, one_more_important
from tegum.theory.numerics import FloatArray

CELLS = 14
DEFAULT = DiagramSettings().recipe
FORMER = Recipe(2e-3, 3000, 256)
CONSTANT = Optimisation()
RECIPES = {
    "**default**: 0.05, cosine, stratified": DEFAULT,
    "0.02, cosine, stratified": replace(DEFAULT, learning_rate=0.02),
    "0.01, cosine, stratified": replace(DEFAULT, learning_rate=0.01),
    "0.1, cosine, stratified": replace(DEFAULT, learning_rate=0.1),
    "0.05, linear, stratified": replace(DEFAULT, optimisation=Optimisation(schedule="linear")),
    "0.05, cosine, plain": replace(DEFAULT, sampling=Sampling()),
    "0.05, constant": replace(DEFAULT, optimisation=CONSTANT),
    "0.05, cosine, 1,000 steps": replace(DEFAULT, steps=1000),
    "0.002, cosine, stratified": replace(DEFAULT, learning_rate=2e-3),
    "former default: 0.002, constant, plain": FORMER,
    "the paper's: 0.001, constant, plain, 1,024 inputs, 10,000 steps": PAPER_RECIPE,
}
OF_SEEDS = {
    "default": DEFAULT,
    "0.02": replace(DEFAULT, learning_rate=0.02),
    "0.1": replace(DEFAULT, learning_rate=0.1),
    "0.05, 5,000 steps": replace(DEFAULT, steps=5000),
    "0.02, 6,000 steps": replace(DEFAULT, learning_rate=0.02, steps=6000),
    "former default": FORMER,
}
FACTORS = (1.0, 1.005, 1.01, 1.02, 1.05, 1.1, 1.5)
DECAYS, SCALES = (0.0, 0.01, 0.1), (1.0, 0.025)
# A cell of eight seeds is rejected if more than this many of its runs are.
MOST_REJECTED = 4
# Of many equal features: n, m, and 1/(1−S).
EQUAL, INVERSE_DENSITIES = (80, 20), (1.52, 2.76, 5.03, 13.6)
# `tegum deform --features 3 --vary importance --low 0.55 --high 1.9`, and where models are trained.
TRIPLES, PROBES, VALUES, SEEDS = one_more_important(3, 2, 0.7, 0.55, 1.9), 9, 20, 32


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of a grid, judged; shapes (density, importance, seed, ...)."""

    theory: xr.Dataset
    weights: FloatArray
    bias: FloatArray
    recipe: Recipe
    found: Verdicts

    @classmethod
    def of(cls, theory: xr.Dataset, weights: FloatArray, bias: FloatArray, recipe: Recipe) -> Runs:
        """Judge runs."""
        return cls(theory, weights, bias, recipe, judge_runs(theory, weights, bias, recipe))

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells and seeds."""
        return self.weights.shape[:-2]

    @property
    def inside(self) -> np.ndarray:
        """Which are in a minimum."""
        return (self.found.verdict == IN).reshape(self.shape)

    @property
    def nearest_loss(self) -> FloatArray:
        """Loss of the nearest minimum."""
        near = np.maximum(self.found.nearest.reshape(self.shape), 0)
        return np.take_along_axis(self.theory["minimum_loss"].values, near, axis=-1)

    @property
    def off(self) -> np.ndarray:
        """Which have an output that no input switches on."""
        return dead_outputs(self.weights, self.bias).any(axis=-1)

    @property
    def losses(self) -> FloatArray:
        """Exact loss."""
        return expected_loss(model_of(self.theory).take((..., np.newaxis)), self.weights, self.bias)

    def share(self, verdict: int) -> str:
        """Return the share of a verdict in percent."""
        return f"{(self.found.verdict == verdict).mean():.2%}"

    def best_right(self, losses: FloatArray, cheapest: np.ndarray) -> str:
        """Return in how many cells the best seed is in the cheapest minimum."""
        best = np.where(np.isfinite(losses), losses, np.inf).argmin(axis=-1)[..., None]
        right = np.take_along_axis(cheapest, best, axis=-1)
        return f"{right.mean():.1%} of {right.size}"

    @property
    def own_best_right(self) -> str:
        """In how many cells the best seed, as trained, is in the cheapest minimum by its own weights."""
        least = self.theory["minimum_loss"].values[..., :1]
        return self.best_right(self.losses, self.inside & (self.nearest_loss <= least + SAME_LOSS))


@cache
def coarse() -> xr.Dataset:
    """Return minima of the coarse grid."""
    return theory_dataset(diagram_minima(*(np.geomspace(*ends, CELLS) for ends in (DENSITY_RANGE, IMPORTANCE_RANGE))))


def trained(recipe: Recipe, seeds: int, of: ToyModel | None = None, optimisation: Optimisation | None = None) -> Runs:
    """Train the coarse grid, or other models, and judge them as runs of the coarse grid by the recipe."""
    theory = coarse()
    run = train(
        model_of(theory) if of is None else of, seeds=seeds, steps=recipe.steps, batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate, objective="sampled", device="cpu",
        optimisation=recipe.optimisation if optimisation is None else optimisation, sampling=recipe.sampling,
    )  # fmt: skip
    return Runs.of(theory, run.weights, run.bias, recipe)


def table(columns: list[str]) -> None:
    """Print the head of a table."""
    print("\n| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)


def row(*cells: str) -> None:
    """Print a row."""
    print("| " + " | ".join(cells) + " |", flush=True)


def recipes() -> None:
    """Each recipe by its own noise, 4 seeds."""
    verdicts = [*VERDICTS, "best seed right"]
    table(["recipe", *verdicts, "excess, median", "99 %", "distance, median", "99 %"])
    for name, recipe in RECIPES.items():
        runs = trained(recipe, 4)
        sizes = [runs.found.excess / runs.nearest_loss.ravel(), runs.found.distance]
        tails = [f"{np.nanpercentile(size, at):.1e}" for size in sizes for at in (50, 99)]
        row(name, *map(runs.share, range(len(VERDICTS))), runs.own_best_right, *tails)


def seeds() -> None:
    """Each recipe with 64 seeds, and the seed that is worst."""
    table(["recipe", *VERDICTS, "best seed right", "an output off", "least of a seed"])
    for name, recipe in OF_SEEDS.items():
        runs = trained(recipe, 64)
        each = runs.inside.mean(axis=(0, 1))
        worst = f"{each.min():.1%} (seed {each.argmin()})"
        row(name, *map(runs.share, range(len(VERDICTS))), runs.own_best_right, f"{runs.off.mean():.2%}", worst)


def noise(dataset: xr.Dataset) -> None:
    """What noise explains of the runs of the default grid, and what the mean of one-sided Hessians would."""
    allowed = dataset["distance_allowed"].values
    at = [f"{np.percentile(allowed, q):.4f}" for q in (50, 99, 100)]
    print(f"\nallowed distance: median {at[0]}, 99 % {at[1]}, largest {at[2]}")
    weights, bias = (dataset[f"trained_{name}"].values for name in ("weights", "bias"))
    # Behind the face: what the larger of the sides replaces.
    with patch("tegum.theory.noise.batches._distinct", lambda hessians: [hessians.mean(axis=0)]):
        alone = Runs.of(dataset, weights, bias, DEFAULT)
    rejected = ~alone.inside
    near = np.take_along_axis(dataset["minimum_phase"].values, alone.found.nearest.reshape(alone.shape), axis=-1)
    dropped = rejected & np.char.startswith(np.char.replace(phase_classes(dataset)[near], "axis(1) + ", ""), "drop")
    overlap = weights[..., 0, :].prod(axis=-1)
    far = alone.found.distance > alone.found.distance_allowed
    cheap = alone.found.excess <= alone.found.excess_allowed
    by_distance = rejected & (far & cheap).reshape(alone.shape)
    print(
        f"by the mean alone {rejected.sum()} are rejected, {dropped.sum()} beside a dropped feature, "
        f"{(dropped & (overlap < 0)).sum()} of these at a negative overlap; {by_distance.sum()} by distance alone"
    )
    growth = allowed / alone.found.distance_allowed.reshape(alone.shape)
    where = np.unravel_index(growth.argmax(), growth.shape)
    print(f"allowed distance grows by {np.percentile(growth, 90):.2f} (90 %), at most {growth.max():.1f}, at density "
          f"{dataset['density'].values[where[0]]:.3f}")  # fmt: skip


def power() -> None:
    """Runs of a wrong density, 8 seeds."""
    table(["factor", "cells", "runs rejected", "cells rejected"])
    theory = coarse()
    density, importance = (theory[name].values for name in ("density", "importance"))
    for factor in FACTORS:
        there = density * factor <= 1 + 1e-12
        model = diagram_model(2, 1, np.minimum(density * factor, 1)[:, None], importance)
        rejected = ~trained(DEFAULT, 8, of=model).inside[there]
        cells = rejected.sum(axis=-1) > MOST_REJECTED
        row(f"{factor:g}", f"{cells.size}", f"{rejected.mean():.1%}", f"{cells.mean():.1%}")


def unseen() -> None:
    """Weight decay and the shrunk scale, 8 seeds."""
    print()
    for decay in DECAYS:
        runs = trained(DEFAULT, 8, optimisation=replace(DEFAULT.optimisation, weight_decay=decay))
        near = runs.found.nearest.reshape(runs.shape)
        theory = runs.theory
        exact = np.take_along_axis((theory["minimum_weights"].values ** 2).sum(axis=(-2, -1)), near, axis=-1)
        short = (exact - (runs.weights**2).sum(axis=(-2, -1))) / runs.found.distance_allowed.reshape(runs.shape)
        rejected, off = ~runs.inside, runs.off
        short = short[runs.inside]
        print(
            f"decay {decay}: {runs.share(IN)} in a minimum, {rejected.sum()} aren't, {(rejected & off).sum()} of these "
            f"with an output off; |W|^2 is {short.mean():.4f} ± {short.std() / short.size**0.5:.4f} allowed distances "
            f"too small, {short.size} runs",
            flush=True,
        )
    minima = minima_of(coarse()).minima
    several = np.array([[sum(not point.dead for point in cell) > 1 for cell in line] for line in minima])
    for scale in SCALES:
        runs = trained(DEFAULT, 8, optimisation=replace(DEFAULT.optimisation, initial_scale=scale))
        least = runs.theory["minimum_loss"].values[..., :1]
        cheapest = (runs.nearest_loss <= least + SAME_LOSS)[several]
        of = f"{cheapest.size} runs in {several.sum()} cells"
        print(f"scale {scale}: {cheapest.mean():.1%} of {of} are nearest to the cheapest", flush=True)


def broken(dataset: xr.Dataset) -> None:
    """The default grid's account with what it measures broken, by polishing and by the runs' own weights."""
    weights, bias = (dataset[f"trained_{name}"].values for name in ("weights", "bias"))
    seeds = weights.shape[2]
    start = train(model_of(dataset), seeds=seeds, steps=0, objective="sampled", learning_rate=1.0, device="cpu")
    made: dict[str, tuple[FloatArray, FloatArray]] = {
        "nothing": (weights, bias),
        "no training": (start.weights, start.bias),
        "sign of $b$": (weights, -bias),
        "the same weights everywhere": (np.broadcast_to([[0.7, -0.7]], weights.shape), np.full_like(bias, 0.05)),
    }
    table(["what was broken", "polished: cheapest", "another", "none", "best right", "in a minimum", "best right"])
    least = dataset["minimum_loss"].values[..., :1]
    for name, (w, b) in made.items():
        runs = Runs.of(dataset, w, b, DEFAULT)
        ended = runs.found.ended_in.reshape(runs.shape)
        reached = np.take_along_axis(dataset["minimum_loss"].values, np.maximum(ended, 0), axis=-1)
        cheapest = (ended >= 0) & (reached <= least + SAME_LOSS)
        polished = runs.found.polished.loss.reshape(runs.shape)
        none = (ended < 0).mean()
        verdict, nearest = (getattr(runs.found, one).reshape(runs.shape) for one in ("verdict", "nearest"))
        account = grid_account(dataset, verdict, nearest, runs.losses)
        row(
            name, f"{cheapest.mean():.1%}", f"{1 - none - cheapest.mean():.1%}", f"{none:.1%}",
            runs.best_right(polished, cheapest), runs.share(IN),
            f"{account.best_seed_in_global_phase:.1%} of {account.cells_off_a_boundary}",
        )  # fmt: skip


def arcs() -> None:
    """Runs along a family with and without training."""
    places = np.geomspace(TRIPLES.low, TRIPLES.high, VALUES + 2)[1:-1]
    probes = places[np.linspace(0, VALUES - 1, PROBES).round().astype(int)]
    diagram = branch_diagram(TRIPLES, probes.tolist(), starts=64)
    table(["what was broken", "in a minimum", "of the basin of each arc, in percent"])
    for name, steps in (("nothing", 1500), ("no training", 0)):
        with patch("tegum.compare.geometry.branch_runs.EXACT_STEPS", steps):
            runs = train_along(diagram, places, seeds=SEEDS)
        account = branch_account(diagram, runs)["runs"]
        shares = ", ".join(f"{100 * share:.1f}" for share in account["by_arc"])
        row(name, f"{account['in_a_minimum'] / account['number']:.1%}", shares)


def uniform() -> None:
    """Models of equal features with and without training: losses, sum of D_i, D*, and outputs that are off."""
    (n, m), count = EQUAL, len(INVERSE_DENSITIES)
    with TemporaryDirectory() as out:
        (run,) = train_uniform(
            [EQUAL], INVERSE_DENSITIES, steps=8000, learning_rate=0.01, seed=0, device="cpu", out=Path(out),
            report=lambda *_: None,
        )  # fmt: skip
    models = [ToyModel(n, m, IndependentFeatures(1 / place)) for place in INVERSE_DENSITIES]
    start = train(models[0], seeds=[0], steps=0, device="cpu")
    weights, bias = run.weights[:, 0], run.bias[:, 0]
    made = {
        "nothing": (weights, bias),
        "no training": (np.repeat(start.weights, count, axis=0), np.repeat(start.bias, count, axis=0)),
        "sign of $b$": (weights, -bias),
        "those of the second everywhere": tuple(np.repeat(x[1:2], count, axis=0) for x in (weights, bias)),
    }
    table(["what was broken", "losses over those of training", "sum of D_i", "D*", "outputs off"])
    trained_losses = np.ones(count)
    for name, (w, b) in made.items():
        each = zip(models, w, b, strict=True)
        losses = np.array([SpectralLoss(one, tolerance=1e-5).output_losses(*of).sum() for one, *of in each])
        trained_losses = losses if name == "nothing" else trained_losses
        off = dead_outputs(w, b).sum(axis=-1)
        sizes = (losses / trained_losses, feature_dimensionality(w).sum(axis=-1), m / (w**2).sum(axis=(1, 2)), off)
        row(name, *(", ".join(f"{value:.4g}" for value in size) for size in sizes))


def main() -> None:
    """Print what is asked for."""
    parts: dict[str, Callable[..., None]] = {
        part.__name__: part for part in (recipes, seeds, noise, power, unseen, broken, arcs, uniform)
    }
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; default all", metavar="part")
    asked.add_argument("--diagram", type=Path, default=Path("out/diagram.zarr"))
    given = asked.parse_args()
    for name in given.parts or parts:
        if name not in parts:
            asked.error(f"expected some of {', '.join(parts)}, got {name}")
        if name in ("noise", "broken"):
            parts[name](load(given.diagram))
        else:
            parts[name]()


if __name__ == "__main__":
    main()
