"""Progress of a training run on standard error."""

from __future__ import annotations

import time


class Bar:
    """A progress bar on standard error, or nothing."""

    def __init__(self, shown: bool, total: int, before: int = 0) -> None:
        """Set a bar up over `total` model-steps, of which some were done `before`."""
        self._shown, self._total, self._before, self._began = shown, total, before, time.monotonic()

    def __enter__(self) -> Bar:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("training"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
            rate = TextColumn("{task.fields[rate]}")
            self._bar = Progress(*columns, rate, TimeRemainingColumn(), console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task("training", total=self._total, rate="")
        return self

    def show(self, done: int, total: int, converged: int) -> None:
        """Show how many model-steps are done of how many that are left to take, and how many models have converged."""
        if self._shown:
            ended = f", {converged} models converged" if converged else ""
            rate = (done - self._before) / max(time.monotonic() - self._began, 1e-3)
            self._bar.update(self._task, completed=done, total=total, rate=f"{rate:,.0f} model-steps/s{ended}")

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._bar.stop()
