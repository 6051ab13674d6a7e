"""Runs that an account of training has to reject: untrained, stopped too early, or of a wrong model.

Each control is trained on a coarse part of a phase diagram's grid and judged as if it were what the diagram is of. The
wrong models are the mistakes found in public replications of arXiv:2209.10652, and errors of a user's own making.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.empirical.runs import Optimisation, TrainedModels
from tegum.empirical.training import train
from tegum.theory.geometry import PUBLISHED_SIZES, published_candidates
from tegum.theory.loss import expected_loss
from tegum.theory.models import CorrelatedFeatures, IndependentFeatures, ToyModel
from tegum.theory.numerics import check_callable, check_kind

from ..judgement import Recipe
from ..progress import Report, quiet
from .account import Account
from .dataset import judge_runs
from .ledger import grid_account
from .planes import axes_of, is_usual, model_of

# Cells along each axis, and seeds in each, that are trained for a control.
CELLS, SEEDS = 7, 4
# What a density is mistaken by, and the least that is trained at in place of 0.
FACTOR, LEAST_DENSITY = 1.5, 1e-3
# Xavier's deviation computed over (instances, n, m) instead of (n, m): for a thousand models of two features it is
# 0.02 in place of 0.8.
SHRUNK = 0.025
# torch's default for AdamW.
WEIGHT_DECAY = 0.01
Runs = tuple[NDArray[np.float64], NDArray[np.float64]]
# Whether a diagram, of these models, has runs of a kind that are another than its own.
Suits = Callable[[xr.Dataset, ToyModel], bool]
Trainer = Callable[[ToyModel, Recipe, int], Runs]


@dataclass(frozen=True)
class Control:
    """A set of runs that aren't what they are judged as.

    Attributes:
        name: in `ledger.json`.
        text: what it is, for a table.
        runs: weights and biases, by the models of a grid, the recipe and the seeds.
        suits: whether a diagram has them; default any.
    """

    name: str
    text: str
    runs: Trainer
    suits: Suits = lambda dataset, model: True  # noqa: ARG005


def _trained(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
    found: TrainedModels = train(
        model,
        seeds=seeds,
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        objective=recipe.objective,  # type: ignore[arg-type]
        optimisation=recipe.optimisation,
        sampling=recipe.sampling,
        device="cpu",
    )
    if found.status == "interrupted":
        raise KeyboardInterrupt
    return found.weights, found.bias


def _untrained(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
    return _trained(model, replace(recipe, steps=0), seeds)


def _early(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
    # At the first rate: within a tenth of a run a schedule hasn't fallen yet.
    constant = replace(recipe.optimisation, schedule="constant")
    return _trained(model, replace(recipe, steps=recipe.steps // 10, optimisation=constant), seeds)


def _of_density(
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Trainer:
    def runs(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
        known = model.densities()
        density = np.clip(change(known), min(LEAST_DENSITY, float(known.min())), 1.0)
        law = IndependentFeatures(density, amplitude=model.features.amplitude)
        return _trained(_with(model, features=law), recipe, seeds)

    return runs


def _with(model: ToyModel, **changed: Any) -> ToyModel:
    """Return a model with another law or other importances."""
    parts: dict[str, Any] = {"features": model.features, "importance": model.importances()} | changed
    penalties = model.interference_penalty, model.weight_penalty, model.activation_penalty
    return ToyModel(
        model.n_features, model.n_hidden, parts["features"], parts["importance"], *penalties, **model.choices
    )


def _swapped(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
    return _trained(_with(model, importance=model.importances()[..., ::-1]), recipe, seeds)


def _together(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
    everyone = [tuple(range(model.n_features))]
    law = CorrelatedFeatures(model.densities()[..., :1], groups=everyone, amplitude=model.features.amplitude)
    return _trained(_with(model, features=law), recipe, seeds)


def _optimised(**changed: Any) -> Trainer:
    def runs(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
        optimisation: Optimisation = replace(recipe.optimisation, **changed)
        return _trained(model, replace(recipe, optimisation=optimisation), seeds)

    return runs


def _averaged(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
    weights, bias = _trained(model, recipe, seeds)
    return weights.mean(axis=-3, keepdims=True), bias.mean(axis=-2, keepdims=True)


def _published(model: ToyModel, recipe: Recipe, seeds: int) -> Runs:
    del recipe, seeds
    candidates = published_candidates(model.n_features, model.n_hidden)
    density = model.densities()
    biases = np.stack([c.bias_per_density * density for c in candidates], axis=-2)
    weights = np.stack([c.weights for c in candidates])
    return np.broadcast_to(weights, (*biases.shape[:-1], *weights.shape[1:])).copy(), biases


def _independent(dataset: xr.Dataset, model: ToyModel) -> bool:
    del dataset
    return model.features.kind == "independent"


def _one_density(dataset: xr.Dataset, model: ToyModel) -> bool:
    densities = model.densities()
    return _independent(dataset, model) and bool((densities == densities[..., :1]).all())


def _lopsided(dataset: xr.Dataset, model: ToyModel) -> bool:
    del dataset
    importances = model.importances()
    return bool((importances != importances[..., ::-1]).any())


def _was_published(dataset: xr.Dataset, model: ToyModel) -> bool:
    return is_usual(dataset) and (model.n_features, model.n_hidden) in PUBLISHED_SIZES


# Mistakes on purpose, each of which the account has to notice, but for those below.
CONTROLS: tuple[Control, ...] = (
    Control("untrained", "untrained", _untrained),
    Control("a_tenth_of_the_steps", "a tenth of the steps", _early),
    Control("density_times_1.5", "density 1.5 times too large", _of_density(lambda p: FACTOR * p), _independent),
    Control("importance_swapped", "importances swapped", _swapped, _lopsided),
    Control("sparsity_for_density", "sparsity for density", _of_density(lambda p: 1 - p), _independent),
    Control("features_together", "features firing together", _together, _one_density),
    Control("seeds_averaged", "weights averaged over seeds", _averaged),
    Control("published_candidates", "published candidates, not optimised", _published, _was_published),
    Control("weight_decay", "AdamW's default decay", _optimised(weight_decay=WEIGHT_DECAY)),
    Control("shrunk_initial_scale", "initial scale shrunk by the batch", _optimised(initial_scale=SHRUNK)),
)
# These leave minima where they are, up to noise: the account by its nature doesn't see them, and says so.
UNSEEN = ("weight_decay", "shrunk_initial_scale")


def control_accounts(dataset: xr.Dataset, recipe: Recipe, *, report: Report = quiet) -> dict[str, Account]:
    """Return the account of each control on a coarse part of a phase diagram's grid.

    Args:
        dataset: the exact part of a phase diagram, with curves.
        recipe: how the diagram's own runs are trained; controls are trained and judged likewise.
        report: called with the share that is done.

    Returns:
        By name, in the order of `CONTROLS`, of those that the diagram has.

    Raises:
        KeyboardInterrupt: if training was stopped.
    """
    check_kind("dataset", dataset, xr.Dataset)
    check_kind("recipe", recipe, Recipe)
    check_callable("report", report, 2)
    picks = [np.unique(np.linspace(0, dataset.sizes[axis] - 1, CELLS).round()).astype(int) for axis in axes_of(dataset)]
    part = dataset.isel(dict(zip(axes_of(dataset), picks, strict=True)))
    model = model_of(part)
    accounts = {}
    suited = [control for control in CONTROLS if control.suits(dataset, model)]
    for done, control in enumerate(suited):
        report("controls", done / len(suited))
        weights, bias = control.runs(model, recipe, SEEDS)
        found = judge_runs(part, weights, bias, recipe)
        shape = weights.shape[:-2]
        losses = expected_loss(model.take((..., np.newaxis)), np.nan_to_num(weights), np.nan_to_num(bias))
        losses = np.where(np.isfinite(weights).all(axis=(-2, -1)), losses, np.nan)
        accounts[control.name] = grid_account(part, found.verdict.reshape(shape), found.nearest.reshape(shape), losses)
    return accounts
