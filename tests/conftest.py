"""What all tests run under: profiles of Hypothesis, threads of linear algebra, and what files of tests share.

The profile "ci", the default, draws the same examples in every run and times none of them.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Tests run side by side, and their matrices are small: further threads of BLAS and OpenMP wait for work in a busy loop.
# Libraries look at this when they are loaded, so it stands before anything that loads NumPy.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
# glibc gives large arrays back to the system and asks for them again, which costs as much as computing with them. It
# looks at this when a process starts: the workers of xdist and what tests start.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(32 << 20))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(512 << 20))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while files of tests are loaded: there is next to none, among half a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what stays until the end."""
    gc.collect()
    gc.freeze()


Report = pytest.CollectReport


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Report, Report]:
    """Load a file of tests in one worker after another: what the first compiles to bytecode the others find."""
    if not (isinstance(collector, pytest.Module) and "PYTEST_XDIST_WORKER" in os.environ):
        return (yield)
    # Here, since NumPy looks at the settings above.
    from tegum.theory.storage import claimed

    with claimed(collector.path, wait=True):
        return (yield)


# Loaded after the settings above, which NumPy looks at.
pytest_plugins = ["tests.support.shared"]
