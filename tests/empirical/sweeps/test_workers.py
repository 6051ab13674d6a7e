"""Sweeps by other processes: pools, executors that a user brings, Dask; and what happens when their workers die."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tegum.empirical.sweeps import read_sweep
from tegum.theory import IndependentFeatures
from tests.support.forks import python
from tests.support.sweeps import SMALL, UNITS, Deadly, contents, marks, output, small_sweep

# Behind the face: a unit is trained without its pool.
workers: Any = import_module("tegum.empirical.sweeps.workers")
# Behind the face: rounds are stopped in the middle.
rounds: Any = import_module("tegum.empirical.sweeps.rounds")
# Enough for a worker to be in the middle of it when it is killed.
STEPS = 100_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("whole") / "sweep.zarr"
    small_sweep(path, steps=STEPS)
    return contents(path)


def kill_once(processes: Callable[[], list[int]]) -> tuple[list[int], Callable[[int, int], None]]:
    """Return a callback that kills one of some processes as soon as a unit is done, and the list of the killed."""
    killed: list[int] = []

    def kill(done: int, _total: int) -> None:
        running = processes()
        if done and running and not killed:
            os.kill(running[0], signal.SIGKILL)
            killed.append(running[0])

    return killed, kill


def own_workers() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def test_processes_give_the_same_files(tmp_path: Path, whole: dict[str, bytes]) -> None:
    found = small_sweep(tmp_path / "a", steps=STEPS, workers=2)
    assert (found.status, found.trained) == ("finished", UNITS)
    assert contents(tmp_path / "a") == whole
    assert own_workers() == []


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path, whole: dict[str, bytes]) -> None:
    killed, kill = kill_once(own_workers)
    found = small_sweep(tmp_path / "a", steps=STEPS, workers=2, on_progress=kill)
    assert len(killed) == 1
    assert (found.status, found.trained) == ("finished", UNITS)
    assert contents(tmp_path / "a") == whole


def test_a_unit_that_kills_its_workers_is_named_and_the_others_are_saved(tmp_path: Path) -> None:
    laws = {"good": IndependentFeatures, "deadly": Deadly}
    path, kind = tmp_path / "a", {"n_features": 2, "density": [0.1], "law": laws}
    with pytest.raises(
        RuntimeError, match=r"unit 1 \(law deadly, density 0.1, .*\) lost its worker 3 times"
    ) as failure:
        small_sweep(path, workers=2, **kind)
    assert "1 of 2 units are done and saved" in " ".join(failure.value.__notes__)
    assert read_sweep(path).dataset["done"].sel(law="good").all()
    # At home the law does no harm.
    assert small_sweep(path, workers=1, **kind).trained == 1


def test_ctrl_c_stops_the_workers(tmp_path: Path, whole: dict[str, bytes]) -> None:
    def press(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    stopped = small_sweep(tmp_path / "a", steps=STEPS, workers=2, on_progress=press)
    assert (stopped.status, own_workers()) == ("interrupted", [])
    assert 1 <= stopped.trained == len(marks(tmp_path / "a"))
    small_sweep(tmp_path / "a", steps=STEPS)
    assert contents(tmp_path / "a") == whole


def test_an_executor_of_the_user_s_is_used_and_left_open(tmp_path: Path, whole: dict[str, bytes]) -> None:
    with ThreadPoolExecutor(2) as executor:
        found = small_sweep(tmp_path / "a", steps=STEPS, workers=None, executor=executor)
        assert executor.submit(os.getpid).result() == os.getpid()
    assert found.trained == UNITS
    assert contents(tmp_path / "a") == whole


class Breaking(Executor):
    """Runs so many calls, and breaks at the next."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.calls:
            future.set_result(fn(*args, **kwargs))
        else:
            future.set_exception(BrokenExecutor("gone"))
        self.calls -= bool(self.calls)
        return future


def test_an_executor_that_breaks_is_an_error_that_names_the_unit(tmp_path: Path, whole: dict[str, bytes]) -> None:
    with pytest.raises(RuntimeError, match=r"the executor broke in unit 3 .* 3 of 4 units are done and saved"):
        small_sweep(tmp_path / "a", steps=STEPS, executor=Breaking(3), workers=1)
    assert small_sweep(tmp_path / "a", steps=STEPS).trained == 1
    assert contents(tmp_path / "a") == whole


def test_work_can_be_sent_even_if_its_law_is_a_lambda() -> None:
    # Behind the face: limits of units are set to small values.
    grids: Any = import_module("tegum.empirical.sweeps.grid")
    axes = {name: SMALL[name] for name in ("n_features", "n_hidden", "density")} | {"importance": 1.0, "seed": 2}
    axes |= dict.fromkeys(grids.PENALTIES, 0.0)
    grid = grids.make_grid(axes, lambda density: IndependentFeatures(density), None)
    unit = next(grid.units())
    work = workers.Work(grid.model(unit), (0, 1), {"steps": 2, "batch_size": 8}, ("loss",))
    sent = pickle.loads(pickle.dumps(work))
    assert (workers.train_unit(sent)["loss"] == workers.train_unit(work)["loss"]).all()


UNGUARDED = """
import sys
from tests.support.sweeps import SMALL
from tegum.empirical import sweep
sweep(sys.argv[1], workers=2, **SMALL)
"""


def test_a_script_without_a_guard_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    command = [sys.executable, str(script), str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("RuntimeError: unit")]
    assert "the call must stand under `if __name__ == '__main__':`" in said


def test_no_dask_is_imported_unless_a_client_is_passed(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nsys.modules['dask'] = sys.modules['distributed'] = None\n"
        "from tests.support.sweeps import small_sweep\nprint(small_sweep(Path(sys.argv[1])).status)\n"
    )
    assert output(python(code, tmp_path / "a")) == "finished\n"


@pytest.fixture(scope="module")
def cluster() -> Any:
    """The client of one cluster for all tests that need one."""
    distributed = pytest.importorskip("distributed")
    # Forked from the process that has loaded torch for the sweeps' own workers, they don't load it again.
    forked = import_module("dask").config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    with (
        forked,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def client(cluster: Any) -> Any:
    """The client, once workers that a test has killed are replaced."""
    cluster.wait_for_workers(2)
    return cluster


def test_dask_gives_the_same_files(tmp_path: Path, whole: dict[str, bytes], client: Any) -> None:
    found = small_sweep(tmp_path / "a", steps=STEPS, executor=client, workers=None)
    assert found.trained == UNITS
    assert contents(tmp_path / "a") == whole


def test_a_dask_worker_that_is_killed_is_made_up_for(tmp_path: Path, whole: dict[str, bytes], client: Any) -> None:
    pids = list(client.run(os.getpid).values())
    killed, kill = kill_once(lambda: pids)
    found = small_sweep(tmp_path / "a", steps=STEPS, executor=client, workers=None, on_progress=kill)
    assert len(killed) == 1
    assert found.trained == UNITS
    assert contents(tmp_path / "a") == whole
    assert client.submit(os.getpid).result() not in killed


def test_a_unit_that_dask_gives_up_is_named(tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "TRIES", 1)
    client.run_on_scheduler(allow_no_failure)
    laws = {"good": IndependentFeatures, "deadly": Deadly}
    with pytest.raises(RuntimeError, match=r"unit 1 \(law deadly.*\) lost its worker 1 times"):
        small_sweep(tmp_path / "a", n_features=2, density=[0.1], law=laws, executor=client, workers=None)
    assert read_sweep(tmp_path / "a").dataset["done"].sel(law="good").all()


def allow_no_failure(dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = 0
