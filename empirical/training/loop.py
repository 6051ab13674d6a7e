"""Training many toy models at once: four models, every input law, sampled or exact objective.

On a CPU sampled training runs compiled (`kernels/cpu.py`), elsewhere on the device (`groups/device.py`); the exact
objective has groups of its own (`groups/exact.py`). A model's result depends on its own parameters and its seed alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory.models import PENALTIES, DataFeatures, ToyModel
from tegum.theory.numerics import MOST_SIZE, MOST_STEPS, check_choice, check_count, check_kind, check_rate
from tegum.theory.storage import MovedError, replacing

from ..inputs import initial_weights, input_table
from ..recording import Film, losses_of
from ..runs import (
    ARCHITECTURES,
    CONVERGED,
    DIVERGED,
    Optimisation,
    Recorder,
    Sampling,
    Session,
    Settings,
    TrainedModels,
    TrainingState,
)
from .arguments import check_together, seed_numbers
from .running import resolve_device, run_groups

Objective = Literal["sampled", "exact"]

RECORDS = 20
# Pattern probabilities by which a checkpoint knows its input law again.
PATTERNS_IN_IDENTITY = 256


def record_steps(steps: int) -> NDArray[np.int64]:
    """Return the steps at which the loss is recorded: evenly spread, before the update, the first included."""
    return np.unique(np.linspace(0, max(steps - 1, 0), min(RECORDS, steps)).round().astype(np.int64))


def train(
    model: ToyModel,
    *,
    seeds: int | Sequence[int] = 8,
    steps: int = 4000,
    batch_size: int = 1024,
    learning_rate: float | None = None,
    objective: Objective = "sampled",
    architecture: str = "relu_output",
    device: str = "auto",
    optimisation: Optimisation | None = None,
    sampling: Sampling | None = None,
    record: Recorder | None = None,
    session: Session | None = None,
) -> TrainedModels:
    """Train a batch of models, each from several seeds.

    The sampled objective is the paper's: fresh inputs from the model's law at every step, Adam, no weight decay
    (arXiv:2209.10652). The exact objective is `expected_loss`, without sampling noise. Weights start from
    Xavier's normal law of one matrix, biases from zero. A result depends on the model and the seed alone, and is
    bit-identical when repeated on the same device; on a GPU, if as many models are trained together.

    Args:
        model: what to train, with any batch shape, input law and penalties.
        seeds: how many seeds, 0, 1, …, or a list of them. Every model of the batch is trained from each.
        steps: optimiser steps, at most.
        batch_size: inputs for each model and step of the sampled objective.
        learning_rate: at the first step, default 1e-3. L-BFGS has none, it finds the lengths of its steps.
        objective: "sampled" or "exact"; the latter is there for "relu_output".
        architecture: "relu_output" x' = ReLU(WᵀWx + b), "linear" x' = WᵀWx + b, "relu_hidden"
            x' = ReLU(WᵀReLU(Wx) + b), or "absolute_value" y = ReLU(W₂ReLU(W₁x) + b) with target |x|.
        device: "auto", "cpu" or "cuda".
        optimisation: optimiser, schedule, momentum, decay, initial scale, tolerance and precision; default Adam.
        sampling: how the inputs of the sampled objective are drawn; default plainly.
        record: metrics to record on the way, of which models and when; `TrainedModels.recorded` has them.
        session: checkpoint and progress; default none.

    Returns:
        The trained models. Ctrl-C ends training early: the models are returned as they are, with status
        "interrupted", and saved if there is a checkpoint.

    Raises:
        ValueError: if an argument is out of range, the device isn't there, the law can't be drawn as asked, or the
            checkpoint belongs to another run.
        MovedError: if the checkpoint can't be written; what was trained is elsewhere then.
        MemoryError: if a single model doesn't fit on the device; groups that don't are halved. What was trained is in
            the checkpoint.
    """
    check_count("steps", steps, 0, MOST_STEPS)
    check_count("batch_size", batch_size, 1, MOST_SIZE)
    if learning_rate is not None:
        learning_rate = check_rate("learning_rate", learning_rate)
    check_kind("record", record, Recorder, optional=True)
    check_kind("model", model, ToyModel)
    optimisation = Optimisation() if optimisation is None else optimisation
    sampling = Sampling() if sampling is None else sampling
    session = Session() if session is None else session
    check_kind("optimisation", optimisation, Optimisation)
    check_kind("sampling", sampling, Sampling)
    check_kind("session", session, Session)
    check_choice("architecture", architecture, ARCHITECTURES)
    check_choice("objective", objective, get_args(Objective))
    check_together(model, architecture, objective, optimisation, sampling)
    chosen = seed_numbers(seeds)
    flat, row_seeds = _rows(model, chosen)
    film = None
    if record is not None:
        film = Film.of(record, ARCHITECTURES[architecture], flat, (*model.batch_shape, len(chosen)), steps)
    settings = Settings(
        architecture=ARCHITECTURES[architecture],
        objective=objective,
        steps=steps,
        batch_size=batch_size,
        rates=optimisation.rates(None if learning_rate is None else float(learning_rate), steps),
        rule=optimisation.rule,
        stratified=sampling.sampling == "stratified",
        exact_zeros=sampling.zero_inputs == "exact",
        tolerance=optimisation.tolerance,
        dtype=optimisation.dtype or (torch.float64 if objective == "exact" else torch.float32),
        device=resolve_device(device),
        marks=record_steps(steps),
        film=film,
    )
    if objective == "sampled":
        # A law that can't be drawn as asked says so before anything is computed.
        input_table(
            flat.take(slice(0, 1)),
            batch_size=batch_size,
            stratified=settings.stratified,
            exact_zeros=settings.exact_zeros,
        )
    path = None if session.checkpoint is None else Path(session.checkpoint)
    identity = _identity(flat, row_seeds, settings, optimisation.initial_scale)
    state = _fresh(flat, row_seeds, settings, optimisation.initial_scale)
    if path and path.exists():
        state = TrainingState.load(path, identity, state)
    else:
        settings.record(state, np.arange(len(row_seeds)))
    try:
        finished = run_groups(flat, row_seeds, state, settings, session)
        if path and not finished:
            state.save(path, identity)
        result = _result(model, chosen, state, settings, finished, path)
        if path and finished and session.keep:
            # The result is there too: a disk that is full doesn't end the run.
            with suppress(OSError), replacing(path) as new:
                state.write(new, identity)
    except MovedError:
        # Saved already.
        raise
    # Whatever ends a run, be it Ctrl-C while losses are worked out, what is trained isn't lost.
    except BaseException:
        if path:
            state.save(path, identity)
        raise
    if path and finished and not session.keep:
        # One that stays behind does no harm; losing the result would.
        with suppress(OSError):
            path.unlink()
    return result


def _rows(model: ToyModel, seeds: NDArray[np.int64]) -> tuple[ToyModel, NDArray[np.int64]]:
    """Return one row for each model and seed, seeds running fastest."""
    cells = int(np.prod(model.batch_shape, dtype=int))
    index = np.unravel_index(np.repeat(np.arange(cells), len(seeds)), model.batch_shape or (1,))
    flat = model.take((np.newaxis,)).take(index) if model.batch_shape == () else model.take(index)
    return flat, np.tile(seeds, cells)


def _fresh(model: ToyModel, seeds: NDArray[np.int64], settings: Settings, scale: float) -> TrainingState:
    m, n, count = model.n_hidden, model.n_features, len(seeds)
    dtype = np.float64 if settings.dtype == torch.float64 else np.float32
    unique, where = np.unique(seeds, return_inverse=True)
    drawn = [initial_weights([int(seed) for seed in unique], m, n, scale=scale)]
    if not settings.architecture.tied:
        drawn.append(initial_weights([int(seed) for seed in unique], n, m, layer=1, scale=scale))
    parts = [weights[where].reshape(count, m * n) for weights in drawn]
    parameters = np.concatenate([*parts, np.zeros((count, n))], axis=1).astype(dtype)
    memory_size = settings.rule.memory_size(parameters.shape[1])
    film = settings.film
    return TrainingState.begin(parameters, settings.marks, memory_size, film.shape if film else (0, 0, 0))


def _identity(model: ToyModel, seeds: NDArray[np.int64], settings: Settings, scale: float) -> dict[str, Any]:
    """Return what a checkpoint must have in common with the run that continues it."""
    penalties = [getattr(model, name) for name in PENALTIES]
    law = model.features
    patterns = list(islice(law.patterns(model.n_features), PATTERNS_IN_IDENTITY))
    chances = [chance for _, chance in patterns]
    arrays = (model.densities(), model.importances(), seeds, settings.rates, *penalties, *chances)
    amplitude = None if isinstance(law, DataFeatures) else law.amplitude
    if isinstance(law, DataFeatures):
        arrays += (law.inputs, law.chances_of_inputs())
    if settings.film is not None:
        arrays += (settings.film.steps, settings.film.rows)
    content = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
    content += f"{type(law).__name__} {amplitude} {[on for on, _ in patterns]}".encode()
    content += "".join(f" {name}={word}" for name, word in model.choices.items()).encode()
    return {
        "n_features": model.n_features,
        "n_hidden": model.n_hidden,
        "models": len(seeds),
        "architecture": settings.architecture.name,
        "objective": settings.objective,
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "learning_rate": float(settings.rates[0]) if settings.steps else 0.0,
        "optimiser": [settings.rule.kind, settings.rule.momentum, settings.rule.decay],
        "stratified": settings.stratified,
        "exact_zeros": settings.exact_zeros,
        "initial_scale": scale,
        "tolerance": settings.tolerance,
        "dtype": str(settings.dtype),
        "record": list(settings.film.metrics) if settings.film else [],
        "device": settings.device.type,
        "rows_and_rates": hashlib.sha256(content).hexdigest(),
    }


def _result(
    model: ToyModel,
    seeds: NDArray[np.int64],
    state: TrainingState,
    settings: Settings,
    finished: bool,
    path: Path | None,
) -> TrainedModels:
    shape, m, n = (*model.batch_shape, len(seeds)), model.n_hidden, model.n_features
    parameters = state.parameters.astype(np.float64).reshape(*shape, -1)
    weights, bias = parameters[..., : m * n].reshape(*shape, m, n), parameters[..., -n:]
    tied = settings.architecture.tied
    second = None if tied else parameters[..., m * n : 2 * m * n].reshape(*shape, n, m)
    finite = np.asarray(np.isfinite(parameters).all(axis=-1))
    loss, error = losses_of(settings.architecture, model, weights, second, bias, finite)
    saved = f", saved to {path}" if path else ""
    counts = {
        "converged": int((state.outcome == CONVERGED).sum()),
        "diverged": int((state.outcome == DIVERGED).sum()),
    }
    reason = f"all {settings.steps} steps taken"
    if not finished:
        reason = f"stopped after {state.steps.min()} to {state.steps.max()} of {settings.steps} steps{saved}"
    elif any(counts.values()):
        kinds = " and ".join(f"{count} {name}" for name, count in counts.items() if count)
        reason = f"{kinds} of {len(state.steps)} models, after {state.steps.min()} steps or more"
    return TrainedModels(
        weights=weights,
        bias=bias,
        seeds=seeds,
        loss=loss,
        loss_error=error,
        loss_history=state.history.reshape(-1, *shape),
        history_steps=settings.marks,
        steps=state.steps.reshape(shape),
        converged=(state.outcome == CONVERGED).reshape(shape),
        diverged=~finite,
        second=second,
        recorded=settings.film.develop(state, np.tile(seeds, len(state.steps) // len(seeds)), shape)
        if settings.film
        else None,
        architecture=settings.architecture.name,
        status="finished" if finished else "interrupted",
        reason=reason,
    )
