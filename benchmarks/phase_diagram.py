"""Ratios against the published recipe, measured side by side in one run.

(i) Model-steps per second of sampled training, at the same batch size and semantics: fresh uniform sparse inputs, Adam
in effect (weight decay 0), float32.
(ii) Time until the best of 8 seeds is within 1e-6 relative of the exact optimum in every cell of a small grid: exact
objective against the recipe, from the same initial weights. Sampling noise keeps the recipe from getting there in its
10,000 published steps. Its excess loss falls in proportion to the learning rate, and the steps needed grow in inverse
proportion to it; so its time is extrapolated as that of 10,000 steps times (excess after them) / 1e-6. The plain
ratio, against 10,000 steps that don't get there, is printed as well.

On a machine with a CUDA device the full 256 x 256 x 16 diagram is trained on the exact objective as well.

    .venv/bin/python benchmarks/phase_diagram.py [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from typing import Any

import numpy as np
import torch

from tegum.empirical.inputs import initial_weights
from tegum.empirical.training import train
from tegum.theory import ToyModel, diagram_model, expected_loss, polish
from tegum.theory.minima import census

BATCH, RECIPE_STEPS, ADAM_STEPS, RATE = 1024, 10_000, 4000, 1e-3
WITHIN = 1e-6
ROUNDS = 3


class Recipe:
    """The published recipe written out plainly: batched einsum, autograd, AdamW, one mask and one amplitude drawn."""

    def __init__(self, model: ToyModel, seeds: int, device: torch.device) -> None:
        """Start every model from the same initial weights as `train`."""
        n, m = model.n_features, model.n_hidden
        cells = int(np.prod(model.batch_shape, dtype=int))
        place = {"dtype": torch.float32, "device": device}
        start = np.tile(initial_weights(range(seeds), m, n).transpose(0, 2, 1), (cells, 1, 1))
        self.weights = torch.nn.Parameter(torch.tensor(start, **place))
        self.bias = torch.nn.Parameter(torch.zeros(cells * seeds, n, **place))
        self.density = torch.tensor(model.densities().reshape(-1, n).repeat(seeds, axis=0), **place)
        self.importance = torch.tensor(model.importances().reshape(-1, n).repeat(seeds, axis=0), **place)
        self.optimiser = torch.optim.AdamW([self.weights, self.bias], lr=RATE, weight_decay=0.0)

    def step(self) -> None:
        """Take one step."""
        shape = (BATCH, *self.density.shape)
        amplitude = torch.rand(shape, device=self.density.device)
        mask = torch.rand(shape, device=self.density.device) <= self.density
        inputs = torch.where(mask, amplitude, 0.0)
        hidden = torch.einsum("...if,ifh->...ih", inputs, self.weights)
        output = torch.relu(torch.einsum("...ih,ifh->...if", hidden, self.weights) + self.bias)
        loss = (self.importance * (inputs - output) ** 2).mean(dim=0).sum()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


def grid(cells: int) -> ToyModel:
    """Return the models of a square phase diagram."""
    return diagram_model(2, 1, np.geomspace(0.01, 1, cells)[:, None], np.geomspace(0.1, 10, cells))


def timed(task: Any) -> float:
    """Return the seconds that a task takes."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    begin = time.perf_counter()
    task()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def throughput(device: torch.device) -> dict[str, float]:
    """Measure (i): both in turn, the median of the ratios."""
    model, seeds, steps = grid(8), 8, 64
    models = 64 * seeds
    recipe = Recipe(model, seeds, device)
    recipe.step()
    train(model, seeds=seeds, steps=8, batch_size=BATCH, device=device.type)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(timed(lambda: [recipe.step() for _ in range(steps // 4)]) / (steps // 4))
        ours.append(timed(lambda: train(model, seeds=seeds, steps=steps, batch_size=BATCH, device=device.type)) / steps)
    ratios = np.array(theirs) / np.array(ours)
    return {
        "models": models,
        "batch": BATCH,
        "recipe_us_per_model_step": float(np.median(theirs)) / models * 1e6,
        "tegum_us_per_model_step": float(np.median(ours)) / models * 1e6,
        "ratio": float(np.median(ratios)),
        "ratio_min": float(ratios.min()),
        "ratio_max": float(ratios.max()),
    }


def time_to_optimum(device: torch.device) -> dict[str, float]:
    """Measure (ii) on a small grid."""
    cells, seeds = 6, 8
    model = grid(cells)
    flat = model.take(np.unravel_index(np.arange(cells**2), (cells, cells)))
    optimum = np.array([points[0].loss for points in census(flat)])
    everyone = flat.take(np.repeat(np.arange(cells**2), seeds))
    start = np.tile(initial_weights(range(seeds), 1, 2), (cells**2, 1, 1))

    def worst(losses: np.ndarray) -> float:
        return float((losses.reshape(cells**2, seeds).min(axis=1) / optimum - 1).max())

    ended: dict[str, np.ndarray] = {}

    def newton() -> None:
        ended["newton"] = polish(everyone, start, np.zeros((len(start), 2))).loss

    newton_seconds = min(timed(newton) for _ in range(ROUNDS))

    def adam() -> None:
        ended["adam"] = train(model, seeds=seeds, steps=ADAM_STEPS, objective="exact", device=device.type).loss

    adam_seconds = timed(adam)
    recipe = Recipe(model, seeds, device)

    def published() -> None:
        for _ in range(RECIPE_STEPS):
            recipe.step()

    recipe_seconds = timed(published)
    weights = recipe.weights.detach().cpu().double().numpy().transpose(0, 2, 1)
    after = expected_loss(everyone, weights, recipe.bias.detach().cpu().double().numpy())
    return {
        "cells": cells**2,
        "seeds": seeds,
        "newton_seconds": newton_seconds,
        "newton_worst_excess": worst(ended["newton"]),
        "adam_exact_steps": ADAM_STEPS,
        "adam_exact_seconds": adam_seconds,
        "adam_exact_worst_excess": worst(ended["adam"]),
        "recipe_seconds": recipe_seconds,
        "recipe_worst_excess": worst(after),
        "ratio_newton_to_10000_recipe_steps": recipe_seconds / newton_seconds,
        "ratio_newton_extrapolated": recipe_seconds / newton_seconds * max(worst(after) / WITHIN, 1.0),
    }


def full_diagram(device: torch.device) -> dict[str, float]:
    """Train the published 256 x 256 x 16 diagram on the exact objective (CUDA only)."""
    seconds = timed(lambda: train(grid(256), seeds=16, steps=2000, objective="exact", learning_rate=5e-3))
    return {"models": 256 * 256 * 16, "steps": 2000, "seconds": seconds, "device": str(device)}  # type: ignore[dict-item]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{os.cpu_count()} cores, {platform.machine()}"
    result: dict[str, Any] = {"device": name, "torch": torch.__version__}
    result["throughput"] = throughput(device)
    result["time_to_optimum"] = time_to_optimum(device)
    if device.type == "cuda":
        result["full_diagram"] = full_diagram(device)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{name}, torch {torch.__version__}")
    for part in ("throughput", "time_to_optimum", "full_diagram"):
        for key, value in result.get(part, {}).items():
            print(f"  {part}: {key} = {value:.6g}" if isinstance(value, float) else f"  {part}: {key} = {value}")


if __name__ == "__main__":
    main()
