"""Where a run's models are trained, how many at once, and the threads that train them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory.models import ToyModel
from tegum.theory.numerics import check_text

from ..groups import CompiledGroup, DeviceGroup, ExactGroup, Group
from ..inputs import input_table
from ..runs import CONVERGED, DIVERGED, FINISHED, RUNNING, Session, Settings, TrainingState
from .progress import Bar

# Most models of a group on the exact objective.
EXACT_GROUP = {"cpu": 1 << 13, "cuda": 1 << 20}
# Numbers for each model, step and sample that a tensor group keeps at once, in units of (n_features + n_hidden).
TENSORS_PER_SAMPLE = 12
# Share of the device's free memory that a group may fill, and bytes where free memory isn't known.
MEMORY_SHARE = 0.5
GROUP_BYTES = 1 << 26
# Groups for each core, so that all are busy to the end.
GROUPS_PER_CORE = 8


def resolve_device(device: str) -> torch.device:
    """Return the torch device that a name stands for; "auto" is a CUDA device if there is one.

    Raises:
        ValueError: if the name is unknown or the device isn't there.
    """
    check_text("device", device)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}") from None
    if resolved.type not in EXACT_GROUP:
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}")
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but torch finds no CUDA device here")
    return resolved


def group_size(model: ToyModel, count: int, settings: Settings) -> int:
    """Return how many models a group holds: all that fit, and on a CPU few enough to keep every core busy."""
    cores = os.cpu_count() or 1
    if settings.objective == "exact":
        most = EXACT_GROUP[settings.device.type]
        return most if settings.device.type == "cuda" else max(1, min(most, -(-count // cores)))
    if settings.device.type == "cpu":
        return max(1, -(-count // (cores * GROUPS_PER_CORE)))
    numbers = TENSORS_PER_SAMPLE * (model.n_features + model.n_hidden) * settings.batch_size
    free = torch.cuda.mem_get_info(settings.device)[0] * MEMORY_SHARE if torch.cuda.is_available() else GROUP_BYTES
    return max(1, min(count, int(free) // (8 * numbers)))


def run_groups(
    model: ToyModel,
    seeds: NDArray[np.int64],
    state: TrainingState,
    settings: Settings,
    session: Session,
) -> bool:
    """Train all models, and return whether none is left running."""
    kind, count = settings.device.type, len(seeds)
    compiled = kind == "cpu" and settings.objective == "sampled"
    if compiled and count:
        first = input_table(
            model.take(slice(0, 1)),
            batch_size=settings.batch_size,
            stratified=settings.stratified,
            exact_zeros=settings.exact_zeros,
        )
        # Lists and mixtures are drawn in tensors, on any device.
        compiled = first.is_product
    state.outcome[(state.outcome == RUNNING) & (state.steps >= settings.steps)] = FINISHED
    size = group_size(model, count, settings)
    total, done, lock, stop = count * settings.steps, int(state.steps.sum()), threading.Lock(), threading.Event()

    def advance(model_steps: int) -> None:
        nonlocal done
        with lock:
            done += model_steps

    def together(rows: NDArray[np.int64], room: int) -> None:
        group: Group
        if settings.objective == "exact":
            group = ExactGroup(model, state, rows, room, settings)
        elif compiled:
            group = CompiledGroup(model, seeds, state, rows, settings)
        else:
            group = DeviceGroup(model, seeds, state, rows, room, settings)
        group.run(stop.is_set, advance)

    def work(rows: NDArray[np.int64]) -> None:
        nonlocal size
        while not stop.is_set() and len(running := rows[state.outcome[rows] == RUNNING]):
            # A checkpoint, or a group that didn't fit, can leave models at different steps; those that are level go
            # together.
            room, steps = size, state.steps[running]
            try:
                together(running[steps == steps.min()][:room], room)
            except torch.cuda.OutOfMemoryError as error:
                if room == 1:
                    raise MemoryError(f"a single model doesn't fit on {settings.device}: {error}") from None
                size = min(size, -(-room // 2))
            else:
                continue
            # Here, not above, nothing holds on to the group any more.
            torch.cuda.empty_cache()

    workers = (os.cpu_count() or 1) if kind == "cpu" else 1
    parts = settings.film.divide(count) if settings.film else [np.arange(count)]
    groups = [part[begin : begin + size] for part in parts for begin in range(0, len(part), size)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if kind == "cpu" and len(groups) > 1 else threads)
    with Bar(session.progress, total, done) as bar, ThreadPoolExecutor(workers) as pool:
        jobs: list[Future[None]] = []
        try:
            jobs.extend(pool.submit(work, rows) for rows in groups)
            waiting = set(jobs)
            while waiting:
                _, waiting = wait(waiting, timeout=0.1)
                early = (state.outcome == CONVERGED) | (state.outcome == DIVERGED)
                left_out = int((settings.steps - state.steps[early]).sum())
                bar.show(done, total - left_out, int((state.outcome == CONVERGED).sum()))
                if session.on_progress:
                    session.on_progress(done, total)
        except KeyboardInterrupt:
            stop.set()
            wait(jobs)
        finally:
            stop.set()
            torch.set_num_threads(threads)
    for job in jobs:
        job.result()
    return not bool((state.outcome == RUNNING).any())
