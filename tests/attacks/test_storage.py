"""Storage under attack: commands killed at random moments and at every file operation, and two at once.

A process that has loaded everything forks for each command, so that a kill costs the command and not its imports. What
ends a command comes after a random time or at a random one of its operations on files; seeds are fixed, clocks aren't.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.forks import python

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals here")]

# Reads commands from standard input, runs each in a fork, and says how it ended. `after` is a share of a second or a
# number of operations on files at which the signal comes.
SERVER = """
import json, os, signal, sys, time
from importlib import import_module
# All that a command loads late.
import matplotlib.backends.backend_agg, torch, xarray, zarr, rich.progress, safetensors.numpy
import tegum.compare.figures, tegum.compare.foreign, tegum.compare.basins, tegum.compare.geometry
import tegum.empirical.sweeps, tegum.theory.proofs, tegum.theory.boundaries
from tegum.compare.commands.app import main
from tegum.empirical import train
from tegum.theory import diagram_model
train(diagram_model(2, 1, 0.1, 1.0), seeds=2, steps=4, batch_size=64)
# Tracing boundaries takes half a minute, and is no storage.
stages = import_module("tegum.compare.diagrams.diagram")
stages.seed_diagram, stages.phase_boundaries = (lambda *_: None), (lambda _: ())
NUMBERS = {name: getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}

def child(words, error, after, name):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    file = os.open(error, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["tegum", *words]
    done = [0]
    def count(event, _):
        if event.startswith(("open", "os.", "shutil.", "ctypes.call_function")):
            done[0] += 1
            if done[0] == after and name and isinstance(after, int):
                os.kill(os.getpid(), NUMBERS[name])
    sys.addaudithook(count)
    try:
        main()
    except SystemExit as stop:
        operations = done[0]
        with open(error + ".operations", "w") as file:
            file.write(str(operations))
        os._exit(stop.code)
    except KeyboardInterrupt:
        # Before the command line has begun, or after it has ended.
        os._exit(130)
    except BaseException as error:
        import traceback
        traceback.print_exc()
        os._exit(99)

def begin(one):
    process = os.fork()
    if process == 0:
        child(one["words"], one["error"], one.get("after"), one.get("signal"))
    return process

print("ready", flush=True)
for line in sys.stdin:
    orders, began, codes = json.loads(line), time.monotonic(), []
    processes = [begin(one) for one in orders]
    for one, process in zip(orders, processes):
        if one.get("signal") and isinstance(one["after"], float):
            time.sleep(one["after"])
            os.kill(process, NUMBERS[one["signal"]])
    for process in processes:
        codes.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
    print(json.dumps([codes, time.monotonic() - began]), flush=True)
"""
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
CODES = {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130, "SIGHUP": 129}
# How each command writes, what its result is called, and how often it is killed.
TRAIN = "train --density 0.1 --seeds 2 --steps 40 --objective exact --device cpu"
COMMANDS: dict[str, tuple[str, str, int]] = {
    "train zarr": (f"{TRAIN} --out OUT/runs.zarr", "runs.zarr", 140),
    "train safetensors": (f"{TRAIN} --out OUT/runs.safetensors", "runs.safetensors", 60),
    "certify": (
        "certify --density 0.375 --importance 1/4 --interference-penalty 0.1 --out OUT/proof.json",
        "proof.json",
        80,
    ),
    "sweep": (
        "sweep --densities 0.1,0.3 --features 2,3 --seeds 2 --steps 200 --batch 64 --workers 1 --out OUT/grid.zarr",
        "grid.zarr",
        80,
    ),
    "diagram": (
        "diagram --cells 2 --seeds 1 --steps 16 --objective exact --device cpu --no-controls --out OUT/d",
        "d",
        60,
    ),
}
# What looks like somebody else's litter of a save.
FOREIGN = ("{}.old", "{}.partial", "{}.lock", ".{}.lock", ".{}.saving", "{}.0123456789abcdef.partial")


class Server:
    """The process that forks."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] = python(SERVER)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.process.communicate()

    def run(self, *orders: dict[str, Any]) -> tuple[list[int], float]:
        """Run commands side by side, and return their codes and how long that took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(orders), file=self.process.stdin, flush=True)
        codes, seconds = json.loads(self.process.stdout.readline())
        return codes, seconds


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.process.communicate()


def tree(place: Path) -> dict[str, str]:
    """Return a hash of each file at a place, but for the claims of sweeps."""
    files = [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.is_file()]
    found = {path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {name: number for name, number in found.items() if name != "work/claims"}


def plant(folder: Path, name: str) -> list[str]:
    planted = [pattern.format(name) for pattern in FOREIGN]
    for one in planted:
        (folder / one).mkdir(parents=True)
        (folder / one / "f").write_text("mine")
    return planted


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_any_moment_the_old_or_the_new_is_there_and_the_same_command_finishes(
    server: Server, tmp_path: Path, command: str
) -> None:
    words, name, kills = COMMANDS[command]
    error = str(tmp_path / "error")

    def order(folder: Path, extra: str = "", **more: Any) -> dict[str, Any]:
        return {"words": f"{words.replace('OUT', str(folder))} {extra}".split(), "error": error, **more}

    (tmp_path / "whole").mkdir()
    codes, seconds = server.run(order(tmp_path / "whole"))
    assert codes == [0], Path(error).read_text()
    whole = tree(tmp_path / "whole" / name)
    operations = int(Path(f"{error}.operations").read_text())
    draws, counts = random.Random(f"{command} 1"), Counter[str]()
    for trial in range(kills):
        folder, number = tmp_path / str(trial), draws.choice(SIGNALS)
        planted = plant(folder, name)
        # An older result, of other seeds, where the command replaces one.
        older = command.startswith("train") and trial % 2 == 1
        extra = "--force" if older else ""
        if older:
            others = {"words": words.replace("OUT", str(folder)).replace("--seeds 2", "--seeds 3").split()}
            assert server.run({**others, "error": error})[0] == [0], Path(error).read_text()
        before = tree(folder / name)
        after: float | int = draws.uniform(0, 1.1 * seconds) if trial % 3 == 0 else draws.randrange(1, operations)
        (code,), _ = server.run(order(folder, extra, signal=number, after=after))
        counts["came too late" if code == 0 else number] += 1
        # Before the command line handles a signal, and after, the system does.
        assert code in (0, CODES[number], -getattr(signal, number)), (trial, number, code, Path(error).read_text())
        now = tree(folder / name)
        if command.startswith("train") or command == "certify":
            assert now in (before, whole), (trial, number)
            assert older is False or now, (trial, number)
        if extra or now != whole:
            (code,), _ = server.run(order(folder, extra))
            assert code == 0, (trial, number, Path(error).read_text())
        elif command in ("diagram", "sweep", "certify"):
            assert server.run(order(folder))[0] == [0], (trial, number, Path(error).read_text())
        else:
            # What is there isn't replaced, but what was left is removed.
            assert server.run(order(folder))[0] == [2], (trial, number)
            assert server.run(order(folder, "--force"))[0] == [0]
        assert tree(folder / name) == whole, (trial, number)
        found = sorted(entry.name for entry in folder.iterdir())
        assert found == sorted([name, *planted]), (trial, number, after)
        assert all((folder / one / "f").read_text() == "mine" for one in planted)
        hidden = [path.name for path in (folder / name).rglob(".*")] if (folder / name).is_dir() else []
        assert hidden == [], (trial, number, after)
    ended = sum(counts[one] for one in SIGNALS)
    print(f"\n{command}: {kills} signals, {ended} ended the command: {dict(counts)}")
    assert ended > kills / 4


@pytest.mark.parametrize(("command", "tries"), [("train zarr", 36), ("diagram", 8)])
def test_of_two_at_once_one_writes_and_the_other_is_told(
    server: Server, tmp_path: Path, command: str, tries: int
) -> None:
    words, name, _ = COMMANDS[command]
    (tmp_path / "w").mkdir()
    assert server.run({"words": words.replace("OUT", str(tmp_path / "w")).split(), "error": str(tmp_path / "e")})[
        0
    ] == [0]
    whole, told = tree(tmp_path / "w" / name), 0
    for number in range(tries):
        folder = tmp_path / str(number)
        folder.mkdir()
        errors = [tmp_path / f"{number}-{k}" for k in range(2)]
        orders = [{"words": words.replace("OUT", str(folder)).split(), "error": str(error)} for error in errors]
        codes, _ = server.run(*orders)
        assert 0 in codes, [error.read_text() for error in errors]
        for code, error in zip(codes, errors, strict=True):
            if code:
                assert code == 2
                line = error.read_text().splitlines()[-1]
                assert "is writing" in line or "exists" in line
                told += "is writing" in line
        assert tree(folder / name) == whole
        assert [entry.name for entry in folder.iterdir()] == [name]
    print(f"\n{command}: {tries} pairs, {told} told that another process writes")
    assert told >= tries / 2
