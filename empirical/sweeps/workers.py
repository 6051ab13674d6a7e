"""Where the units of a sweep are trained: this process, processes of its own, or an executor that the user brings.

Workers send their results back and write nothing, so that they may run where the store's file system isn't.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory.models import ToyModel

from ..runs import Session
from ..training import train

# Units in flight for each worker: one that is trained and one that waits.
AHEAD = 2
UNGUARDED = (
    "worker processes start by importing the script that called sweep, so that the call must stand under "
    "`if __name__ == '__main__':`"
)

Results = dict[str, NDArray[Any]]


class StoppedError(Exception):
    """A unit that was stopped halfway because the sweep ends."""


@dataclass(frozen=True)
class Work:
    """One unit, ready to be sent away.

    Attributes:
        model: its models, with one batch dimension.
        seeds: its seeds.
        options: arguments of `train`.
        variables: which results to send back.
    """

    model: ToyModel
    seeds: tuple[int, ...]
    options: Mapping[str, Any]
    variables: tuple[str, ...]


class _OneThread:
    """Keeps torch's operators on one thread each while units are trained, which `train` spreads over cores itself.

    With more, sums could be added up in another order, and a result depend on how many cores there are.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._before = threading.Lock(), 0, 1

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = torch.get_num_threads()
                torch.set_num_threads(1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                torch.set_num_threads(self._before)


_one_thread = _OneThread()
# Set in the processes of `_Pool`.
_stop: Any = None


def train_unit(work: Work, watch: Callable[[float], None] | None = None) -> Results:
    """Train a unit and return its results, each of shape (models, seeds, ...).

    Args:
        work: the unit.
        watch: called now and then with the share that is done.

    Raises:
        StoppedError: if the sweep's own process told this one to stop.
        KeyboardInterrupt: if this process was.
    """

    def look(done: int, total: int) -> None:
        # What ends a training early, and cleanly.
        if _stop is not None and _stop.is_set():
            raise KeyboardInterrupt
        if watch is not None:
            watch(done / max(total, 1))

    with _one_thread:
        trained = train(work.model, seeds=list(work.seeds), session=Session(on_progress=look), **work.options)
    if trained.status == "interrupted":
        raise StoppedError if _stop is not None and _stop.is_set() else KeyboardInterrupt
    return {name: np.asarray(getattr(trained, name)) for name in work.variables}


class _InProcess(Executor):
    """Trains in this process, one unit at a time."""

    def __init__(self, watch: Callable[[float], None]) -> None:
        self._watch = watch

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Train now; the future that is returned is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, watch=self._watch, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _begin(stop: Any) -> None:
    """Prepare a worker process."""
    global _stop
    _stop = stop
    # Ctrl-C reaches all processes of a terminal; this one is told by its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # `train` starts a thread for each core that it counts, but this process has one core to itself.
    os.cpu_count = lambda: 1
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """End this process when its parent has ended, however that did: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Pool:
    """Processes of the sweep's own."""

    def __init__(self, workers: int) -> None:
        # Never forked from this process: torch's threads don't survive it. On Linux a fresh process loads torch once
        # and forks the workers.
        context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
        if sys.platform == "linux":
            context.set_forkserver_preload(["__main__", __name__])
        self._stop = context.Event()
        self.executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(self._stop,))

    def close(self) -> None:
        self._stop.set()
        self.executor.shutdown(wait=True, cancel_futures=True)


class Crew:
    """Those who train the units.

    Args:
        executor: a `concurrent.futures.Executor`, a `dask.distributed.Client`, or None for processes of its own.
        workers: how many processes, or workers of the executor; 1 without an executor means this process.
        watch: called with the share of a unit that is done, if it is trained in this process.
    """

    def __init__(self, executor: Any, workers: int, watch: Callable[[float], None]) -> None:
        """Start, or take over, the workers."""
        self._pool: _Pool | None = None
        self._borrowed: Executor | None = None
        self._workers = workers
        self.ahead = AHEAD * workers
        if executor is None and workers == 1:
            self._executor: Executor = _InProcess(watch)
            self.ahead = 1
        elif executor is None:
            self._pool = _Pool(workers)
            self._executor = self._pool.executor
        elif _is_client(executor):
            self._borrowed = self._executor = executor.get_executor(pure=False)
        else:
            self._executor = executor

    @property
    def renewable(self) -> bool:
        """Whether a lost worker takes all units in flight with it, and new ones can be had."""
        return self._pool is not None

    def submit(self, work: Work) -> Future[Results]:
        """Have a unit trained."""
        return self._executor.submit(train_unit, work)

    def renew(self) -> None:
        """Replace processes of which one was lost."""
        assert self._pool is not None
        self._pool.close()
        self._pool = _Pool(self._workers)
        self._executor = self._pool.executor

    def close(self) -> None:
        """Stop what still runs, and leave an executor that isn't ours as it was."""
        if self._pool is not None:
            self._pool.close()
        if self._borrowed is not None:
            # Takes back what was asked of Dask; the client itself goes on.
            self._borrowed.shutdown(wait=False)


def check_main_process() -> None:
    """Raise `RuntimeError` in a worker process that is still importing its parent's script.

    There a call of `sweep` would wait for the units that its parent waits for.
    """
    # Set by multiprocessing for just as long as that takes, which it looks at itself before it starts a process.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(UNGUARDED)


def check_executor(executor: Any) -> None:
    """Raise `ValueError` unless work can be given to `executor`."""
    if executor is not None and not isinstance(executor, Executor) and not _is_client(executor):
        raise ValueError(
            "executor must be a concurrent.futures.Executor or a dask.distributed.Client that is not asynchronous, "
            f"got {executor!r}"
        )


def worker_count(executor: Any, workers: int | None, units: int, device: str) -> int:
    """Return how many workers there are to be.

    Args:
        executor: the user's, or None.
        workers: what the user asked for.
        units: how many units there are left.
        device: which one is trained on; processes don't share a GPU unless asked to.
    """
    if executor is None:
        return max(1, min(workers or (1 if device.startswith("cuda") else _cores()), units))
    if workers is not None:
        return workers
    if _is_client(executor):
        return max(1, sum(int(threads) for threads in executor.nthreads().values()))
    return int(getattr(executor, "_max_workers", None) or _cores())


def _cores() -> int:
    """Return how many cores this process may use, which on a cluster are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_loss_of_worker(error: BaseException) -> bool:
    """Return whether a unit failed because whoever trained it is gone."""
    dask = sys.modules.get("distributed.scheduler")
    return isinstance(error, (BrokenExecutor, CancelledError)) or (
        dask is not None and isinstance(error, dask.KilledWorker)
    )


def _is_client(executor: Any) -> bool:
    # Whoever has a client has imported its module.
    dask = sys.modules.get("distributed")
    return dask is not None and isinstance(executor, dask.Client) and not executor.asynchronous
