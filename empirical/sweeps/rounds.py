"""The rounds of a sweep: units are claimed, given to workers, taken back, written, and tried again where it helps."""

from __future__ import annotations

import errno
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from typing import Any

from .claims import Claims
from .grid import Grid, Unit
from .store import WORK, Store
from .workers import UNGUARDED, Crew, Results, Work, is_loss_of_worker, worker_count

# How often a unit is tried whose worker dies, and how many units may fail before the rest isn't tried any more.
TRIES = 3
FAILURES = 3
# Seconds between looks at what is in flight, and at units that other processes have claimed; the latter grow.
LOOK, LONGEST_LOOK = 0.1, 5.0
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Rounds:
    """One call's work on a store.

    Args:
        store: where results are written.
        grid: the store's, with laws.
        options: of `train`.

    Attributes:
        models: how many models there are.
        models_done: how many are saved.
        units: how many units there are.
        units_done: how many are saved.
        trained: how many units were trained here.
        damaged: numbers of the units that were damaged.
    """

    def __init__(self, store: Store, grid: Grid, options: Mapping[str, Any]) -> None:
        """Find out which units are left."""
        self._store, self._grid, self._options = store, grid, options
        self.models, self.units = grid.models, 0
        self.models_done = self.units_done = self.trained = 0
        self.damaged: list[int] = []
        self._share = 0.0
        self._left: deque[Unit] = deque()
        self._elsewhere: deque[Unit] = deque()
        # Units whose worker may have been the one that died; each is tried alone.
        self._suspects: deque[Unit] = deque()
        self._flying: dict[Future[Results], Unit] = {}
        self._tries: Counter[int] = Counter()
        self._failed: dict[str, BaseException] = {}
        for unit in grid.units():
            self.units += 1
            if store.state(unit) == "done":
                self._count(unit)
            else:
                self._left.append(unit)

    @property
    def models_now(self) -> float:
        """Models that are done, with the share of a unit that this process is at."""
        return self.models_done + self._share

    def progress(self) -> str:
        """Say how much is done."""
        return f"{self.units_done} of {self.units} units are done"

    def _count(self, unit: Unit) -> None:
        self.units_done += 1
        self.models_done += self._grid.size(unit)

    def run(self, executor: Any, workers: int | None, report: Callable[[], None]) -> bool:
        """Train what is left.

        Returns:
            Whether all is done; False after Ctrl-C.

        Raises:
            OSError: if a result can't be written.
            RuntimeError: if workers died.
            Exception: what `train` raised.
        """
        self._store.tidy()
        if not self._left:
            return True
        count = worker_count(executor, workers, len(self._left), self._options["device"])

        def watch(share: float) -> None:
            (unit,) = self._here
            self._share = share * self._grid.size(unit)
            report()

        self._here: tuple[Unit, ...] = ()
        self._crew = Crew(executor, count, watch)
        try:
            with Claims(self._store.path / WORK / "claims") as self._claims:
                if not self._claims.locked:
                    # So that processes which can't see each other's claims rarely train the same unit.
                    random.shuffle(self._left)
                try:
                    self._go(report)
                except KeyboardInterrupt:
                    self._salvage()
                    return False
                except BaseException:
                    self._salvage()
                    raise
        finally:
            self._crew.close()
        if self._failed:
            self._complain()
        return True

    def _go(self, report: Callable[[], None]) -> None:
        pause, look_again = LOOK, 0.0
        report()
        while self._left or self._suspects or self._elsewhere or self._flying:
            if not self._left and time.monotonic() >= look_again:
                self._left, self._elsewhere = self._elsewhere, self._left
                pause = min(2 * pause, LONGEST_LOOK)
                look_again = time.monotonic() + pause
            self._send()
            if self._flying:
                finished, _ = wait(self._flying, timeout=LOOK, return_when=FIRST_COMPLETED)
                for future in finished:
                    if future in self._flying:
                        self._receive(future)
            elif not self._left and not self._suspects and self._elsewhere:
                time.sleep(LOOK)
            report()
            if len(self._failed) >= FAILURES:
                self._salvage()
                return

    def _send(self) -> None:
        if self._suspects:
            if not self._flying:
                self._submit(self._suspects.popleft())
            return
        while self._left and len(self._flying) < self._crew.ahead:
            unit = self._left.popleft()
            if not self._claims.take(unit.number):
                self._elsewhere.append(unit)
                continue
            # Another process may have trained it meanwhile.
            state = self._store.state(unit)
            if state == "done":
                self._count(unit)
                self._claims.release(unit.number)
                continue
            if state == "damaged":
                self.damaged.append(unit.number)
                self._store.forget(unit)
            self._submit(unit)

    def _submit(self, unit: Unit) -> None:
        seeds = self._grid.block(unit)["seed"]
        variables = tuple(self._store.settings["variables"])
        self._here, self._share = (unit,), 0.0
        try:
            future = self._crew.submit(Work(self._grid.model(unit), seeds, self._options, variables))
        except BrokenExecutor as error:
            if not self._crew.renewable:
                self._salvage()
                raise RuntimeError(f"the executor broke before {self._grid.describe(unit)}; {self._saved()}") from error
            future = Future()
            future.set_exception(error)
        self._flying[future] = unit

    def _receive(self, future: Future[Results]) -> None:
        unit = self._flying.pop(future)
        error = future.exception() if not future.cancelled() else None
        if not future.cancelled() and error is None:
            self._write(unit, future.result())
            return
        if error is not None and not is_loss_of_worker(error):
            error.add_note(f"{self._grid.describe(unit)} of {self._store.path}")
            self._fail(unit, error)
            return
        lost = [unit]
        if self._crew.renewable:
            # All that were in flight are lost, and none of them can be blamed unless it was alone.
            lost += self._salvage()
            self._crew.renew()
            if len(lost) > 1:
                self._suspects.extend(lost)
                return
        elif isinstance(error, BrokenExecutor):
            self._salvage()
            raise RuntimeError(f"the executor broke in {self._grid.describe(unit)}; {self._saved()}") from error
        self._tries[unit.number] += 1
        if self._tries[unit.number] < TRIES:
            (self._suspects if self._crew.renewable else self._left).appendleft(unit)
            return
        hint = f" ({UNGUARDED})" if self._crew.renewable and not self.trained else ""
        died = RuntimeError(f"{self._grid.describe(unit)} lost its worker {TRIES} times{hint}")
        died.__cause__ = error
        self._fail(unit, died)

    def _fail(self, unit: Unit, error: BaseException) -> None:
        self._claims.release(unit.number)
        self._failed[self._grid.describe(unit)] = error

    def _write(self, unit: Unit, results: Results) -> None:
        self._share = 0.0
        try:
            # A process without locks may have been faster; its mark must keep fitting its data.
            if self._store.state(unit) != "done":
                self._store.write(unit, results)
        except OSError as error:
            what = "no space is left" if error.errno in FULL else "writing failed"
            text = f"{what} ({error.strerror or error}) at {self._grid.describe(unit)}; {self._saved()}"
            raise OSError(error.errno, text, str(self._store.path)) from error
        self.trained += 1
        self._count(unit)
        self._claims.release(unit.number)

    def _salvage(self) -> list[Unit]:
        """Write what has come back, and return the units that haven't."""
        lost = []
        while self._flying:
            future, unit = self._flying.popitem()
            if future.done() and not future.cancelled() and future.exception() is None:
                try:
                    self._write(unit, future.result())
                except OSError:
                    lost.append(unit)
            else:
                future.cancel()
                lost.append(unit)
        return lost

    def _saved(self) -> str:
        return f"{self.progress()} and saved in {self._store.path}, and the same call goes on from there"

    def _complain(self) -> None:
        (_, error), *others = self._failed.items()
        if others:
            error.add_note(f"and also {', '.join(unit for unit, _ in others)}")
        error.add_note(self._saved())
        raise error


class SweepBar:
    """A progress bar on standard error, or nothing.

    Args:
        shown: whether there is to be one.
        rounds: what it shows.
    """

    def __init__(self, shown: bool, rounds: Rounds) -> None:
        """Nothing is shown yet."""
        self._shown, self._rounds, self._began, self._first = shown, rounds, time.monotonic(), rounds.models_now

    def __enter__(self) -> SweepBar:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("sweep"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task("sweep", total=self._rounds.models, counts="")
            self.show()
        return self

    def show(self) -> None:
        """Show what is done, and how fast."""
        if self._shown:
            rounds, passed = self._rounds, time.monotonic() - self._began
            rate = (rounds.models_now - self._first) / max(passed, 1e-3)
            counts = (
                f"{rounds.units_done}/{rounds.units} units, {rounds.models_now:.0f}/{rounds.models} models, "
                f"{rate:.3g} models/s"
            )
            self._bar.update(self._task, completed=rounds.models_now, counts=counts)

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._bar.stop()
