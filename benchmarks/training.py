"""Ratios of sampled and exact training against the published recipe, measured side by side in one run.

(i) Model-steps per second at the published batch size and semantics: fresh uniform sparse inputs, Adam in effect
(weight decay 0), float32, batch 1024. The recipe is written out plainly in `phase_diagram.py`: batched einsum,
autograd, AdamW, on the same device. Time to set up and to evaluate the result is left out: ours is the difference
between two runs. On a CUDA device each size is measured with few models, where launches take the recipe's time, and
with as many as fill the device. `ceiling` is the share of the measured rate of float32 multiply-adds that our
operations take: for each input 5 m multiply-adds, 15 operations of the random numbers and 12 others.
(ii) Variance of the sampled loss at the exact optimum of two features: plain, with x = 0 added exactly, and stratified
by activity pattern.
(iii) What recording costs: a run of 512 models against the same run with the feature dimensionalities of 16 of them
recorded at every tenth step.
(iv) Time to train the published 256 x 256 x 16 phase diagram on the exact loss, from random starts, by L-BFGS and by
Adam (`--full`).

    .venv/bin/python benchmarks/training.py [--full] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from phase_diagram import BATCH, RATE, Recipe, grid, timed

from tegum.empirical.groups import DeviceGroup
from tegum.empirical.inputs import Inputs, initial_weights, input_table
from tegum.empirical.runs import (
    ARCHITECTURES,
    BETAS,
    Optimisation,
    Recorder,
    Rule,
    SampledLoss,
    Settings,
    TrainingState,
)
from tegum.empirical.training import train
from tegum.theory import IndependentFeatures, ToyModel, global_minimum

# Sizes with the number of models, and steps of ours and of the recipe.
SIZES = {
    (2, 1): (256, 800, 8),
    (5, 2): (128, 600, 8),
    (20, 5): (32, 400, 8),
    (80, 20): (8, 300, 8),
    (400, 30): (4, 100, 8),
}
# As many as fill a CUDA device.
MANY = {(2, 1): 16384, (5, 2): 8192, (20, 5): 4096, (80, 20): 1024, (400, 30): 256}
ROUNDS = 5
DENSITIES = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
BATCHES = 4000


def throughput(n: int, m: int, device: torch.device) -> dict[str, float]:
    """Measure (i) for one size on a CPU."""
    models, steps, recipe_steps = SIZES[n, m]
    model = ToyModel(n, m, IndependentFeatures(np.geomspace(0.01, 1, models)[:, None]))

    def ours(count: int) -> float:
        return timed(lambda: train(model, seeds=1, steps=count, batch_size=BATCH, device=device.type))

    ours(steps)
    return side_by_side(model, device, recipe_steps, lambda: (ours(2 * steps) - ours(steps)) / steps)


def side_by_side(
    model: ToyModel, device: torch.device, recipe_steps: int, ours: Callable[[], float]
) -> dict[str, float]:
    """Time the recipe and ours in turn, and return the median of the ratios; `ours` returns the seconds of a step."""
    models, recipe = model.batch_shape[0], Recipe(model, 1, device)
    recipe.step()
    mine, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(timed(lambda: [recipe.step() for _ in range(recipe_steps)]) / recipe_steps)
        mine.append(ours())
    ratios = np.array(theirs) / np.array(mine)
    return {
        "models": models,
        "recipe_us_per_model_step": float(np.median(theirs)) / models * 1e6,
        "tegum_us_per_model_step": float(np.median(mine)) / models * 1e6,
        "ratio": float(np.median(ratios)),
        "ratio_min": float(ratios.min()),
        "ratio_max": float(ratios.max()),
    }


def device_throughput(n: int, m: int, models: int, rate: float) -> dict[str, float]:
    """Measure (i) on a CUDA device that does `rate` float32 multiply-adds in a second."""
    device, steps = torch.device("cuda"), 200
    model = ToyModel(n, m, IndependentFeatures(np.geomspace(0.01, 1, models)[:, None]))
    settings = Settings(
        architecture=ARCHITECTURES["relu_output"],
        objective="sampled",
        steps=(ROUNDS + 1) * steps,
        batch_size=BATCH,
        rates=np.full((ROUNDS + 1) * steps, RATE),
        rule=Rule("adam", BETAS[0], 0.0),
        stratified=False,
        exact_zeros=False,
        tolerance=None,
        dtype=torch.float32,
        device=device,
        marks=np.zeros(1, dtype=np.int64),
    )
    parameters = np.concatenate(
        [initial_weights(range(models), m, n).reshape(models, m * n), np.zeros((models, n))], axis=1
    )
    state = TrainingState.begin(parameters.astype(np.float32), settings.marks, settings.rule.memory_size(m * n + n))
    group = DeviceGroup(model, np.arange(models), state, np.arange(models), models, settings)

    def ours() -> float:
        until = int(state.steps[0]) + steps
        return timed(lambda: group.run(lambda: bool(state.steps[0] >= until), lambda _: None)) / steps

    # The first compiles.
    ours()
    result = side_by_side(model, device, max(20, 4000 // models), ours)
    operations = BATCH * n * (5 * m + 27)
    return result | {"ceiling": operations / rate / result["tegum_us_per_model_step"] * 1e6}


def ceilings() -> dict[str, float]:
    """Measure what a CUDA device does: float32 multiply-adds in a product of matrices, bytes copied, in a second."""
    torch.backends.cuda.matmul.allow_tf32 = False
    one, other = torch.randn(2, 8192, 8192, device="cuda")
    from_here, to = torch.randn(2, 1 << 28, device="cuda")

    def rate(task: Callable[[], object]) -> float:
        task()
        return 1 / min(timed(task) for _ in range(ROUNDS))

    return {
        "multiply_adds_per_second": rate(lambda: one @ other) * 8192**3,
        "bytes_per_second": rate(lambda: to.copy_(from_here)) * (8 << 28),
    }


def variance(density: float) -> dict[str, float]:
    """Measure (ii) at one density, for 1,024 inputs a batch: how many times less variance than plain sampling."""
    model = ToyModel(2, 1, IndependentFeatures(np.full((1, 1), density)))
    best = global_minimum(model.take(0))
    weights, bias = torch.from_numpy(best.weights[None]), torch.from_numpy(best.bias[None])
    found = []
    for stratified, exact_zeros in ((False, False), (False, True), (True, False)):
        table = input_table(model, batch_size=BATCH, stratified=stratified, exact_zeros=exact_zeros)
        inputs = Inputs(table, [1], 2, BATCH, torch.float64, torch.device("cpu"))
        loss = SampledLoss(
            ARCHITECTURES["relu_output"],
            torch.ones(1, 2, dtype=torch.float64),
            torch.zeros(1, 3),
            inputs.weight,
            torch.from_numpy(table.empty),
        )
        losses = [float(loss(weights, None, bias, inputs.draw(torch.tensor(k)))[0]) for k in range(BATCHES)]
        found.append(float(np.var(losses)))
    return {"exact_zeros": found[0] / found[1], "stratified": found[0] / found[2]}


def recording(device: torch.device) -> dict[str, float]:
    """Measure (iii): both in turn, the median of the ratios."""
    model, steps = ToyModel(2, 1, IndependentFeatures(np.geomspace(0.01, 1, 256)[:, None])), 4000
    some = np.zeros((256, 2), dtype=bool)
    some[::16, 0] = True
    recorder = Recorder(range(0, steps + 1, 10), models=some)

    def run(record: Recorder | None) -> float:
        return timed(lambda: train(model, seeds=2, steps=steps, batch_size=BATCH, record=record, device=device.type))

    ratios = np.array([run(recorder) / run(None) for _ in range(ROUNDS)])
    return {"ratio": float(np.median(ratios)), "ratio_min": float(ratios.min()), "ratio_max": float(ratios.max())}


# Options of (iv); rates and steps of Adam are such that most models converge.
FULL: dict[str, dict[str, Any]] = {
    "lbfgs": {"optimisation": Optimisation("lbfgs", tolerance=1e-6), "steps": 400},
    "adam": {
        "optimisation": Optimisation("adam", schedule="cosine", tolerance=1e-6),
        "steps": 1500,
        "learning_rate": 0.02,
    },
}


def full_diagram(optimiser: str, device: torch.device) -> dict[str, float]:
    """Measure (iv)."""
    model, ended = grid(256), {}

    def run() -> None:
        ended["trained"] = train(model, seeds=16, objective="exact", device=device.type, **FULL[optimiser])

    seconds = timed(run)
    trained = ended["trained"]
    return {
        "models": 256 * 256 * 16,
        "seconds": seconds,
        "converged": float(trained.converged.mean()),
        "median_steps": float(np.median(trained.steps)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="measure (iv) as well")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{os.cpu_count()} cores, {platform.machine()}"
    result: dict[str, Any] = {"device": name, "torch": torch.__version__}

    def show(part: str, case: str, values: dict[str, float]) -> None:
        result.setdefault(part, {})[case] = values
        if not arguments.json:
            found = ", ".join(f"{key} = {value:.6g}" for key, value in values.items())
            print(f"  {part}, {case}: {found}", flush=True)

    if not arguments.json:
        print(f"{name}, torch {torch.__version__}")
    if device.type == "cuda":
        show("ceilings", "float32", ceilings())
        rate = result["ceilings"]["float32"]["multiply_adds_per_second"]
        for n, m in SIZES:
            for models in (SIZES[n, m][0], MANY[n, m]):
                show("throughput", f"n={n}, m={m}, {models} models", device_throughput(n, m, models, rate))
    else:
        for n, m in SIZES:
            show("throughput", f"n={n}, m={m}", throughput(n, m, device))
    if arguments.full:
        for optimiser in FULL:
            show("full diagram", optimiser, full_diagram(optimiser, device))
    show("recording", "n=2, m=1", recording(device))
    if device.type == "cpu":
        for density in DENSITIES:
            show("variance", f"density {density:g}", variance(density))
    if arguments.json:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
