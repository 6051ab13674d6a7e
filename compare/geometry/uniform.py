"""Equal features in many dimensions: training along 1/(1−S) against the best packings of an atlas of polytopes.

Models of one size are trained over a line of densities. Each is held against the cheapest tegum product of polytopes
for that size (`finite_packing`): its exact loss, its D* = m/‖W‖_F², the dimensionality of each feature, and which
polytope each feature's tegum factor is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.empirical.files import load_models, save_models
from tegum.empirical.runs import Optimisation, Session, TrainedModels
from tegum.empirical.training import resolve_device, train
from tegum.theory.geometry import feature_dimensionality, gram
from tegum.theory.loss.spectral import SpectralLoss
from tegum.theory.models import IndependentFeatures, ToyModel
from tegum.theory.numerics import (
    MOST_SIZE,
    MOST_STEPS,
    FloatArray,
    Summarised,
    check_callable,
    check_count,
    check_kind,
    check_rate,
    check_seed,
    members,
    reals,
    whole_numbers,
)
from tegum.theory.packing import BestPacking, FinitePacking, Transition, finite_packing
from tegum.theory.polytopes import recognise
from tegum.theory.storage import (
    SHA256,
    Destination,
    check_path,
    json_of,
    sealed,
    unsealed,
    warn_unverified,
    write_whole,
)

from ..progress import InterruptedRunError

# Overlaps below this share of ‖W_i‖‖W_j‖ don't join features, and columns below this share of the longest aren't
# represented: what training leaves of an overlap that should vanish lies well below.
TOLERANCE = 0.2
# Distance of Gram matrices within which a factor is a polytope (`tegum.theory.likeness`).
ALIKE = 0.25
# Of the exact loss; far below what training leaves.
LOSS_TOLERANCE = 1e-7
NOTHING = ""


@dataclass(frozen=True, eq=False)
class UniformRun(Summarised):
    """Models of one size, trained at P densities, beside the best packings.

    Attributes:
        n_features: n.
        n_hidden: m.
        weights: W, shape (P, m, n).
        bias: b, shape (P, n).
        loss: exact, shape (P,).
        loss_error: of the exact loss, as the engine estimates it, its rounding bounded, shape (P,).
        packings: the best tegum products of the atlas, P of them.
        dimensionality: D_i, shape (P, n).
        stored: which features are represented, shape (P, n).
        factor: number of each feature's tegum factor at its density, −1 if it isn't represented, shape (P, n).
        polytope: name of what that factor is, "" if it is none that is known, shape (P, n).
        switched_off: outputs that no input turns on, shape (P, n). Each costs E[x_i²], more than a feature that isn't
            represented.
    """

    n_features: int
    n_hidden: int
    weights: FloatArray
    bias: FloatArray
    loss: FloatArray
    loss_error: FloatArray
    packings: tuple[FinitePacking, ...]
    dimensionality: FloatArray
    stored: NDArray[np.bool_]
    factor: NDArray[np.int64]
    polytope: NDArray[np.str_]
    switched_off: NDArray[np.bool_]

    @property
    def dimensions_per_feature(self) -> FloatArray:
        """D* = m/‖W‖_F², shape (P,)."""
        return np.asarray(self.n_hidden / (self.weights**2).sum(axis=(1, 2)))

    @property
    def ratio(self) -> FloatArray:
        """Trained loss over that of the best packing, shape (P,); the same for each hidden dimension."""
        return np.asarray(self.loss / np.array([packing.loss for packing in self.packings]))

    @property
    def predicted_share(self) -> FloatArray:
        """Share of the represented features whose factor is a polytope of the best packing, shape (P,)."""
        hit = [
            np.isin(names, list(packing.copies)) for names, packing in zip(self.polytope, self.packings, strict=True)
        ]
        return np.asarray((np.array(hit) & self.stored).sum(axis=1) / np.maximum(self.stored.sum(axis=1), 1))


@dataclass(frozen=True, eq=False)
class UniformSweep(Summarised):
    """Runs of several sizes along one line of densities.

    Attributes:
        inverse_density: 1/(1−S), ascending, shape (P,).
        packings: the best packing of many features at each.
        transitions: where it changes, located.
        runs: one for each size.
    """

    inverse_density: FloatArray
    packings: tuple[BestPacking, ...]
    transitions: tuple[Transition, ...]
    runs: tuple[UniformRun, ...]


def train_uniform(
    sizes: Sequence[tuple[int, int]],
    inverse_density: Any,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    device: str,
    out: Path,
    report: Callable[[str, float], None],
) -> tuple[TrainedModels, ...]:
    """Train a model of each size at each density, ReLU output, Adam with a cosine schedule on fresh samples.

    Args:
        sizes: n and m of each.
        inverse_density: 1/(1−S), shape (P,).
        steps: optimiser steps.
        learning_rate: at the first step.
        seed: of all models.
        device: "auto", "cpu" or "cuda".
        out: folder for the trained models, which aren't trained again, and for checkpoints.
        report: called with a stage and the share of it that is done.

    Raises:
        InterruptedRunError: if training was interrupted; it goes on from its checkpoint when asked again.
        ValueError: as `train`, if a size or the number of steps isn't one, a model diverges, `out` holds runs of other
            settings, or another process is writing it.
        OSError: if `out` can't be written to. If it is a `MovedError`, the models that were trained last are elsewhere.
    """
    check_callable("report", report, 2)
    sizes, asked = _checked(
        sizes, inverse_density, steps=steps, learning_rate=learning_rate, seed=seed, device=device, out=out
    )
    out = Path(out)
    with Destination(out, _files(sizes)):
        return tuple(_trained_size(n, m, asked, device, out, report) for n, m in sizes)


def check_uniform(
    sizes: Sequence[tuple[int, int]],
    inverse_density: Any,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    device: str,
    out: Path,
) -> None:
    """Raise `ValueError` where `train_uniform`, which has the same arguments, would before it begins."""
    sizes, asked = _checked(
        sizes, inverse_density, steps=steps, learning_rate=learning_rate, seed=seed, device=device, out=out
    )
    for n, m in sizes:
        _check_kept(Path(out) / f"uniform-{n}-{m}.safetensors", asked)


def _files(sizes: Sequence[tuple[int, int]]) -> list[str]:
    return [f"uniform-{n}-{m}{suffix}" for n, m in sizes for suffix in (".safetensors", ".json", ".npz")]


def _checked(
    sizes: Any, inverse_density: Any, *, steps: int, learning_rate: float, seed: int, device: str, out: Any
) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """Return sizes and settings of a training.

    Raises:
        ValueError: if they are none.
    """
    inverse_density = reals("inverse_density", inverse_density)
    check_path("out", out)
    sizes = [
        whole_numbers("sizes", size, (2,), least=1, most=MOST_SIZE).tolist()
        for size in members("sizes", sizes, tuple, list, least=1)
    ]
    check_seed("seed", seed)
    # Settings are kept as JSON, which has no numbers of NumPy's.
    learning_rate = check_rate("learning_rate", learning_rate)
    check_count("steps", steps, 1, MOST_STEPS)
    for n, m in sizes:
        if not 1 <= m <= n:
            raise ValueError(f"a size has 1 ≤ m ≤ n, got n={n}, m={m}")
    inverse_density = np.asarray(inverse_density, dtype=np.float64)
    if inverse_density.ndim != 1 or not len(inverse_density) or not (inverse_density > 1).all():
        raise ValueError(f"inverse_density must be a line of 1/(1−S) above 1, got {inverse_density}")
    resolve_device(device)
    asked = {"steps": steps, "learning_rate": learning_rate, "seed": seed, "inverse_density": inverse_density.tolist()}
    return sizes, asked


def _trained_size(
    n: int, m: int, asked: dict[str, Any], device: str, out: Path, report: Callable[[str, float], None]
) -> TrainedModels:
    """Return the trained models of one size, from a folder where they are there already."""
    inverse_density = np.array(asked["inverse_density"])
    model = ToyModel(n, m, IndependentFeatures(1 / inverse_density[:, None]))
    stage, kept = f"training n={n}, m={m}", out / f"uniform-{n}-{m}.safetensors"
    noted, checkpoint = kept.with_suffix(".json"), kept.with_suffix(".npz")
    if kept.exists():
        _check_kept(kept, asked)
        checkpoint.unlink(missing_ok=True)
        return load_models(kept)
    trained = train(
        model,
        seeds=[asked["seed"]],
        steps=asked["steps"],
        learning_rate=asked["learning_rate"],
        device=device,
        optimisation=Optimisation(schedule="cosine"),
        session=Session(checkpoint, on_progress=lambda done, total: report(stage, done / total), keep=True),
    )
    if trained.status != "finished":
        raise InterruptedRunError(trained.reason)
    lost = np.flatnonzero(trained.diverged[:, 0])
    if lost.size:
        checkpoint.unlink(missing_ok=True)
        places = ", ".join(f"{place:g}" for place in inverse_density[lost])
        raise ValueError(f"training n={n}, m={m} diverged at 1/(1−S) = {places}; a smaller learning rate may help")
    write_whole(noted, json.dumps(sealed(asked)) + "\n")
    save_models(trained, kept, model=model)
    # The models are safe.
    checkpoint.unlink(missing_ok=True)
    return trained


def _check_kept(kept: Path, asked: dict[str, Any]) -> None:
    """Raise `ValueError` if trained models are there that are others than what is asked for."""
    noted = kept.with_suffix(".json")
    if not kept.exists():
        return
    before = _settings(noted) if noted.exists() else None
    if before != asked:
        raise ValueError(
            f"{kept} holds runs of other settings: expected {asked}, got {before}; give another "
            "folder, or the settings of those runs"
        )


def _settings(path: Path) -> dict[str, Any]:
    """Return the settings that are noted beside trained models."""
    what, way_out = "settings of a training", "remove it and the models beside it to train them again"
    try:
        noted = json_of(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"expected {what} in {path}, can't read it: {error}; {way_out}") from None
    if isinstance(noted, dict) and SHA256 not in noted:
        warn_unverified(path, what)
        return noted
    return unsealed(noted, path, what, way_out)


def uniform_run(
    trained: TrainedModels,
    inverse_density: FloatArray,
    packings: Sequence[BestPacking],
    report: Callable[[float], None] | None = None,
) -> UniformRun:
    """Hold trained models of one size against the best packings.

    Args:
        trained: batch shape (P, 1).
        inverse_density: 1/(1−S), shape (P,).
        packings: at the same densities.
        report: called with the share that is done.

    Raises:
        ValueError: if a weight isn't finite.
    """
    packings = members("packings", packings, BestPacking)
    inverse_density = reals("inverse_density", inverse_density, (len(packings),), above=1)
    check_callable("report", report, 1, optional=True)
    check_kind("trained", trained, TrainedModels)
    weights, bias = trained.weights[:, 0], trained.bias[:, 0]
    count, m, n = weights.shape
    loss, error = np.zeros(count), np.zeros(count)
    factor, names = np.full((count, n), -1), np.full((count, n), NOTHING, dtype="<U32")
    for place, inverse in enumerate(inverse_density):
        engine = SpectralLoss(ToyModel(n, m, IndependentFeatures(1 / inverse)), tolerance=LOSS_TOLERANCE)
        outputs = engine.outputs(weights[place], bias[place], slopes=False)
        loss[place], error[place] = outputs.value.sum(), outputs.error.sum()
        for number, found in enumerate(recognise(weights[place], tolerance=TOLERANCE)):
            together = list(found.features)
            factor[place, together] = number
            if found.best is not None and found.best.distance <= ALIKE:
                # Which antiprism it is doesn't matter to the atlas, where its height is free.
                names[place, together] = found.best.name.split(" (")[0]
        if report is not None:
            report((place + 1) / count)
    return UniformRun(
        n_features=n,
        n_hidden=m,
        weights=weights,
        bias=bias,
        loss=loss,
        loss_error=error,
        packings=tuple(finite_packing(n, m, packing) for packing in packings),
        dimensionality=np.asarray(feature_dimensionality(weights)),
        stored=factor >= 0,
        factor=factor,
        polytope=names,
        # Inputs lie in [0, 1].
        switched_off=bias + np.maximum(gram(weights), 0).sum(axis=-1) <= 0,
    )
