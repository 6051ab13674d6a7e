"""What several files of tests ask for, and takes seconds: computed once in a session and shared by its workers.

Results are pickled under the session's temporary folder. The lock is the operating system's, so it is free again when
the worker that holds it is killed; the next one finds no result, and computes it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

from tegum.theory import BoundaryMap, boundary_map
from tegum.theory.minima import diagram_minima

T = TypeVar("T")


class Shared:
    """Results by name, in a folder that the workers of a session share."""

    def __init__(self, folder: Path) -> None:
        """Keep results in a folder."""
        self.folder = folder

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """Return a result, computed unless some worker has done so."""
        path = self.folder / f"{name}.pickle"
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                unfinished = path.with_suffix(".part")
                unfinished.write_bytes(pickle.dumps(compute()))
                os.replace(unfinished, path)
        # Read back by the worker that wrote it, too: all of them test the same thing.
        found: T = pickle.loads(path.read_bytes())
        return found


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """What the workers of this session share."""
    own = tmp_path_factory.getbasetemp()
    # Each worker of xdist has a folder of its own in that of the session.
    return Shared(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


def traced(found: BoundaryMap, *names: str) -> BoundaryMap:
    """Return a map after it was asked for something, which it keeps."""
    for name in names:
        getattr(found, name)
    return found


@pytest.fixture(scope="session")
def default_map(shared: Shared) -> BoundaryMap:
    """The default map of boundaries with its curves: 20 seconds, since the whole map is what its tests are about."""
    return shared.once("default-map", lambda: traced(boundary_map(), "curves"))


@pytest.fixture(scope="session")
def tricritical_map(shared: Shared) -> BoundaryMap:
    """The boundaries around the point where the continuous transition becomes a jump: segments and curves."""

    def compute() -> BoundaryMap:
        diagram = diagram_minima([0.81, 0.84, 0.87], [0.87, 0.9, 0.93], starts=16)
        return traced(boundary_map(diagram), "segments", "curves")

    return shared.once("tricritical-map", compute)
