"""Training many toy models at once, by Adam on sampled inputs or on the exact loss.

Models are trained in groups of a fixed size, each group on one core from its first step to its last. Because the size
never changes (the last group is filled up), a model's arithmetic is the same whatever it is batched with.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tegum.theory import Amplitude, ExactLoss, IndependentFeatures, ToyModel, expected_loss

from .models import SampledLoss
from .records import TrainedModels, TrainingState
from .sampling import InputStreams, initial_weights

Objective = Literal["sampled", "exact"]

# Numbers that a group's inputs fill for each step. Smaller groups fit better in cache, but with several threads the
# interpreter's lock then costs more than the arithmetic; a GPU wants larger ones.
GROUP_NUMBERS = {"cpu": 1 << 18, "cuda": 1 << 24}
EXACT_GROUP = {"cpu": 1024, "cuda": 1 << 16}
# Steps between looks at the stop flag and calls for fresh inputs.
BLOCK = 8
RECORDS = 20
# Pattern probabilities by which a checkpoint knows its input law again.
PATTERNS_IN_IDENTITY = 256
BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class _Settings:
    objective: Objective
    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dtype: torch.dtype
    device: torch.device


class _Adam:
    """AdamW with bias correction (arXiv:1412.6980, arXiv:1711.05101) over packed parameters, shape (models, P)."""

    def __init__(self, mean: Tensor, square: Tensor, learning_rate: float, weight_decay: float) -> None:
        self.mean, self.square = mean, square
        self._rate, self._decay = learning_rate, weight_decay

    def update(self, parameters: Tensor, gradient: Tensor, step: int) -> None:
        """Take step number `step`, counted from 1, in place."""
        if self._decay:
            parameters.mul_(1 - self._rate * self._decay)
        self.mean.lerp_(gradient, 1 - BETAS[0])
        self.square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        deviation = (self.square / (1 - BETAS[1] ** step)).sqrt_().add_(EPSILON)
        parameters.addcdiv_(self.mean, deviation, value=-self._rate / (1 - BETAS[0] ** step))


def resolve_device(device: str) -> torch.device:
    """Return the torch device that a name stands for; "auto" is a CUDA device if there is one.

    Raises:
        ValueError: if the name is unknown or the device isn't there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}") from None
    if resolved.type not in GROUP_NUMBERS:
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}")
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but torch finds no CUDA device here")
    return resolved


class _Group:
    """Models that are trained together, from `begin` on; rows past the last model repeat it."""

    def __init__(
        self,
        model: ToyModel,
        seeds: NDArray[np.int64],
        state: TrainingState,
        rows: slice,
        size: int,
        settings: _Settings,
    ) -> None:
        self._state, self._rows, self._settings = state, rows, settings
        self._count = rows.stop - rows.start
        index = np.minimum(np.arange(rows.start, rows.start + size), rows.stop - 1)

        def place(array: NDArray[Any]) -> Tensor:
            return torch.tensor(array, dtype=settings.dtype, device=settings.device)

        self._parameters, mean, square = (place(array[index]) for array in (state.parameters, state.mean, state.square))
        self._adam = _Adam(mean, square, settings.learning_rate, settings.weight_decay)
        self._step = int(state.steps[rows.start])
        part, m, n = model.take(index), model.n_hidden, model.n_features
        self._weights = self._parameters[:, : m * n].view(size, m, n)
        self._bias = self._parameters[:, m * n :]
        self._exact: ExactLoss | None = None
        if settings.objective == "exact":
            self._exact = ExactLoss(part, like=self._parameters)
            return
        importance = place(np.array(part.importances()))
        self._sampled = SampledLoss(importance, m, settings.batch_size)
        density = part.densities()
        chosen = [int(seed) for seed in seeds[index]]
        self._streams = InputStreams(chosen, density, settings.batch_size, BLOCK, settings.dtype, settings.device)
        if self._step:
            self._streams.states = state.streams[index]

    def run(self, stop: threading.Event, advance: Callable[[int], None]) -> None:
        """Train until the last step or until `stop` is set, then hand the state back."""
        settings = self._settings
        marks = record_steps(settings.steps)
        while self._step < settings.steps and not stop.is_set():
            block = min(BLOCK, settings.steps - self._step)
            inputs = None if self._exact else self._streams.draw()
            for k in range(block):
                self._advance(inputs[:, k] if inputs is not None else None, marks)
            advance(self._count * block)
        self._hand_back()

    def _advance(self, inputs: Tensor | None, marks: NDArray[np.int64]) -> None:
        if self._exact is not None:
            loss, d_weights, d_bias = self._exact.loss_and_gradient(self._weights, self._bias)
        else:
            assert inputs is not None
            d_weights, d_bias = self._sampled.gradient(self._weights, self._bias, inputs)
            loss = None
        mark = int(np.searchsorted(marks, self._step))
        if mark < len(marks) and marks[mark] == self._step:
            if inputs is not None:
                loss = self._sampled.value(self._weights, self._bias, inputs)
            self._state.history[mark, self._rows] = loss[: self._count].cpu().numpy()
        self._step += 1
        self._adam.update(self._parameters, torch.cat([d_weights.flatten(1), d_bias], dim=1), self._step)

    def _hand_back(self) -> None:
        state, rows = self._state, self._rows
        for array, tensor in (
            (state.parameters, self._parameters),
            (state.mean, self._adam.mean),
            (state.square, self._adam.square),
        ):
            array[rows] = tensor[: self._count].cpu().numpy()
        state.steps[rows] = self._step
        if self._exact is None:
            state.streams[rows] = self._streams.states[: self._count]


def record_steps(steps: int) -> NDArray[np.int64]:
    """Return the steps at which the loss is recorded: evenly spread, before the update, the first included."""
    return np.unique(np.linspace(0, max(steps - 1, 0), min(RECORDS, steps)).round().astype(np.int64))


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")


def _check_rate(name: str, value: float, *, zero: bool) -> None:
    if not (np.isfinite(value) and (value > 0 or (zero and value == 0))):
        raise ValueError(f"{name} must be finite and {'not negative' if zero else 'positive'}, got {value!r}")


def _seeds(seeds: int | Sequence[int]) -> NDArray[np.int64]:
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        _check_count("seeds", seeds, 1)
        return np.arange(seeds)
    chosen = np.asarray(seeds)
    if chosen.ndim != 1 or not len(chosen) or chosen.dtype.kind not in "iu" or (chosen < 0).any():
        raise ValueError(f"seeds must be a number of seeds or a list of non-negative integers, got {seeds!r}")
    return chosen.astype(np.int64)


def train(
    model: ToyModel,
    *,
    seeds: int | Sequence[int] = 8,
    objective: Objective = "sampled",
    steps: int = 4000,
    batch_size: int = 1024,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    device: str = "auto",
    dtype: torch.dtype | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainedModels:
    """Train a batch of models, each from several seeds.

    The sampled objective is the paper's: fresh inputs from the model's law at every step, Adam, no weight decay
    (arXiv:2209.10652). The exact objective is Adam on `expected_loss`, without sampling noise. Weights start from
    Xavier's normal law of one matrix, biases from zero. A result depends on the model and the seed alone, and is
    bit-identical when repeated on the same device.

    Args:
        model: what to train, with any batch shape; importances and densities may differ between its models.
        seeds: how many seeds, 0, 1, …, or a list of them. Every model of the batch is trained from each.
        objective: "sampled" or "exact".
        steps: optimiser steps.
        batch_size: inputs for each model and step of the sampled objective.
        learning_rate: Adam's, constant.
        weight_decay: decoupled, as in AdamW; 0 as the theory has none.
        device: "auto", "cpu" or "cuda".
        dtype: torch.float32 or torch.float64; default float32 for the sampled and float64 for the exact objective.
        checkpoint: file that an interrupted run is saved to, and continued from where it exists.
        progress: whether to show a progress bar on standard error.
        on_progress: called now and then with the model-steps done and to be done.

    Returns:
        The trained models. Ctrl-C ends training early: the models are returned as they are, with status
        "interrupted", and saved if there is a `checkpoint`.

    Raises:
        ValueError: if an argument is out of range, the device isn't there, the law can't be sampled, or the
            checkpoint belongs to another run.
    """
    if not isinstance(model, ToyModel):
        raise ValueError(f"model must be a ToyModel, got {type(model).__name__}")
    if objective not in ("sampled", "exact"):
        raise ValueError(f"objective must be 'sampled' or 'exact', got {objective!r}")
    if objective == "sampled":
        _check_sampled(model)
    _check_count("steps", steps, 0)
    _check_count("batch_size", batch_size, 1)
    _check_rate("learning_rate", learning_rate, zero=False)
    _check_rate("weight_decay", weight_decay, zero=True)
    if dtype not in (None, torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    dtype = dtype or (torch.float64 if objective == "exact" else torch.float32)
    settings = _Settings(objective, steps, batch_size, learning_rate, weight_decay, dtype, resolve_device(device))
    chosen = _seeds(seeds)
    flat, row_seeds = _rows(model, chosen)
    path = None if checkpoint is None else Path(checkpoint)
    identity = _identity(flat, row_seeds, settings)
    state = TrainingState.load(path, identity) if path and path.exists() else _fresh(flat, row_seeds, settings)
    finished = _run(flat, row_seeds, state, settings, progress, on_progress)
    if path and not finished:
        state.save(path, identity)
    elif path:
        path.unlink(missing_ok=True)
    return _result(model, chosen, state, settings, finished, path)


def _check_sampled(model: ToyModel) -> None:
    """Raise `ValueError` unless the model's inputs can be drawn, and its loss sampled, during training."""
    law = model.features
    expected = "training on sampled inputs takes IndependentFeatures with amplitudes uniform on [0, 1] and no penalties"
    if not isinstance(law, IndependentFeatures) or law.amplitude != Amplitude(0, 1):
        raise ValueError(f"{expected}, got {type(law).__name__} with {law.amplitude}; objective='exact' takes any")
    if model.has_penalty:
        raise ValueError(f"{expected}, got penalties; objective='exact' takes them")


def _rows(model: ToyModel, seeds: NDArray[np.int64]) -> tuple[ToyModel, NDArray[np.int64]]:
    """Return one row for each model and seed, seeds running fastest."""
    cells = int(np.prod(model.batch_shape, dtype=int))
    index = np.unravel_index(np.repeat(np.arange(cells), len(seeds)), model.batch_shape or (1,))
    flat = model.take((np.newaxis,)).take(index) if model.batch_shape == () else model.take(index)
    return flat, np.tile(seeds, cells)


def _fresh(model: ToyModel, seeds: NDArray[np.int64], settings: _Settings) -> TrainingState:
    m, n, count = model.n_hidden, model.n_features, len(seeds)
    dtype = np.float64 if settings.dtype == torch.float64 else np.float32
    unique, where = np.unique(seeds, return_inverse=True)
    weights = initial_weights([int(seed) for seed in unique], m, n)[where]
    parameters = np.concatenate([weights.reshape(count, m * n), np.zeros((count, n))], axis=1).astype(dtype)
    return TrainingState(
        parameters=parameters,
        mean=np.zeros_like(parameters),
        square=np.zeros_like(parameters),
        steps=np.zeros(count, dtype=np.int64),
        streams=np.zeros((count, 4), dtype=np.uint64),
        history=np.full((len(record_steps(settings.steps)), count), np.nan),
    )


def _identity(model: ToyModel, seeds: NDArray[np.int64], settings: _Settings) -> dict[str, Any]:
    """Return what a checkpoint must have in common with the run that continues it."""
    penalties = model.interference_penalty, model.weight_decay, model.activation_penalty
    patterns = [chance for _, chance in islice(model.features.patterns(model.n_features), PATTERNS_IN_IDENTITY)]
    arrays = (model.densities(), model.importances(), seeds, *penalties, *patterns)
    content = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
    content += f"{type(model.features).__name__} {model.features.amplitude}".encode()
    return {
        "n_features": model.n_features,
        "n_hidden": model.n_hidden,
        "models": len(seeds),
        "objective": settings.objective,
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "dtype": str(settings.dtype),
        "device": settings.device.type,
        "cells_and_seeds": hashlib.sha256(content).hexdigest(),
    }


def _run(
    model: ToyModel,
    seeds: NDArray[np.int64],
    state: TrainingState,
    settings: _Settings,
    progress: bool,
    on_progress: Callable[[int, int], None] | None,
) -> bool:
    """Train all groups, and return whether every model took every step."""
    kind, count = settings.device.type, len(seeds)
    size = EXACT_GROUP[kind]
    if settings.objective == "sampled":
        size = max(1, GROUP_NUMBERS[kind] // (model.n_features * settings.batch_size))
    groups = [slice(begin, min(begin + size, count)) for begin in range(0, count, size)]
    total, done, lock, stop = count * settings.steps, int(state.steps.sum()), threading.Lock(), threading.Event()

    def advance(model_steps: int) -> None:
        nonlocal done
        with lock:
            done += model_steps

    def work(rows: slice) -> None:
        if not stop.is_set() and state.steps[rows.start] < settings.steps:
            _Group(model, seeds, state, rows, size, settings).run(stop, advance)

    workers = (os.cpu_count() or 1) if kind == "cpu" else 1
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if kind == "cpu" and len(groups) > 1 else threads)
    with _Bar(progress, total) as bar, ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(work, rows) for rows in groups]
        try:
            waiting = set(jobs)
            while waiting:
                _, waiting = wait(waiting, timeout=0.1)
                bar.show(done)
                if on_progress:
                    on_progress(done, total)
        except KeyboardInterrupt:
            stop.set()
            wait(jobs)
        finally:
            stop.set()
            torch.set_num_threads(threads)
    for job in jobs:
        job.result()
    return bool((state.steps == settings.steps).all())


class _Bar:
    """A progress bar on standard error, or nothing."""

    def __init__(self, shown: bool, total: int) -> None:
        self._shown, self._total, self._began = shown, total, time.monotonic()

    def __enter__(self) -> _Bar:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("training"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
            rate = TextColumn("{task.fields[rate]}")
            self._bar = Progress(*columns, rate, TimeRemainingColumn(), console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task("training", total=self._total, rate="")
        return self

    def show(self, done: int) -> None:
        """Show how many model-steps are done."""
        if self._shown:
            rate = done / max(time.monotonic() - self._began, 1e-3)
            self._bar.update(self._task, completed=done, rate=f"{rate / 1e6:.2f} M model-steps/s")

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._bar.stop()


def _result(
    model: ToyModel,
    seeds: NDArray[np.int64],
    state: TrainingState,
    settings: _Settings,
    finished: bool,
    path: Path | None,
) -> TrainedModels:
    shape, m, n = (*model.batch_shape, len(seeds)), model.n_hidden, model.n_features
    parameters = state.parameters.astype(np.float64)
    weights = parameters[:, : m * n].reshape(*shape, m, n)
    bias = parameters[:, m * n :].reshape(*shape, n)
    everywhere = model.take((..., np.newaxis))
    finite = np.asarray(np.isfinite(parameters).all(axis=1)).reshape(shape)
    some_weights = np.where(finite[..., None, None], weights, 0)
    losses = expected_loss(everywhere, some_weights, np.where(finite[..., None], bias, 0))
    saved = f", saved to {path}" if path else ""
    reason = f"all {settings.steps} steps taken"
    if not finished:
        reason = f"stopped after {state.steps.min()} to {state.steps.max()} of {settings.steps} steps{saved}"
    return TrainedModels(
        weights=weights,
        bias=bias,
        seeds=seeds,
        loss=np.where(finite, losses, np.nan),
        loss_history=state.history.reshape(-1, *shape),
        history_steps=record_steps(settings.steps),
        steps=state.steps.reshape(shape),
        status="finished" if finished else "interrupted",
        reason=reason,
    )
