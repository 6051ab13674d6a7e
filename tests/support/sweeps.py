"""Small sweeps for tests, in this process and in others, and what is compared of them."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from tegum.empirical.sweeps import sweep
from tegum.theory import IndependentFeatures
from tests.support.forks import Process

# Four units of two models each.
SMALL: dict[str, Any] = {
    "density": [0.1, 0.4],
    "n_features": [2, 3],
    "n_hidden": 1,
    "seeds": 2,
    "steps": 4,
    "batch_size": 64,
    "chunk": 2,
}
UNITS = 4
# What a unit is written to, in this order.
FILES = ("weights", "bias", "loss", "loss_error", "steps", "converged", "diverged", "done", "marks")


def contents(path: Path) -> dict[str, bytes]:
    """Return every file of a store by its name, but for claims and unfinished files."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    named = {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
    return {name: content for name, content in named.items() if not name.startswith("work/")}


def marks(path: Path) -> list[str]:
    """Return the marks of finished units."""
    return sorted(file.name for file in (path / "marks").glob("0*.json"))


def same_models(one: xr.Dataset, other: xr.Dataset) -> None:
    """Assert that two datasets are the same, bit for bit."""
    xr.testing.assert_identical(one.drop_attrs().load(), other.drop_attrs().load())


def output(process: Process) -> str:
    """Return what a process prints, once it has ended well."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


@dataclass(frozen=True, eq=False)
class Deadly(IndependentFeatures):
    """A law that kills the process that uses it, unless that is where it was made."""

    home: int = field(default_factory=os.getpid, kw_only=True)

    def check(self, n_features: int) -> None:
        if os.getpid() != self.home:
            os.kill(os.getpid(), signal.SIGKILL)
        super().check(n_features)


def small_sweep(path: Path, **changes: Any) -> Any:
    """Run the small sweep in this process, unless asked otherwise."""
    return sweep(path, **({"workers": 1} | SMALL | changes))
