"""What was computed is kept: Ctrl-C and a full disk at every stage behind the long ones, and places that are taken."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tegum.theory.packing import packing_transitions
from tests.support.command_line import FAILED, INTERRUPTED, MISUSE, Outcome, changed
from tests.support.internals import internals

# Behind the face: a disk that is full in one folder.
saving = internals("storage.saving")
# Behind the face: a lock that another process has.
locks = internals("storage.locks")
# Behind the faces: what takes long is left out here.
stages: Any = import_module("tegum.compare.diagrams.diagram")
basins: Any = import_module("tegum.compare.commands.basins")
packing: Any = import_module("tegum.theory.packing")
ATLAS = ("axis", "digon", "triangle", "pentagon")

TRAIN = "train --density 0.1 --seeds 2 --steps 8 --objective exact --device cpu --out OUT/a.safetensors"
CERTIFY = "certify --density 0.375 --importance 1/4 --interference-penalty 0.1 --out OUT/a.json"
DIAGRAM = "diagram --cells 2 --seeds 1 --steps 16 --objective exact --device cpu --no-controls --out OUT"
BASINS = "basins --densities 0.3,0.8 --importances 0.5,2 --scales 0.5 --seeds 1 --steps 20 --out OUT"
UNIFORM = "uniform --size 4,2 --points 2 --steps 20 --out OUT"
DEFORM = "deform --features 3 --low 0.9 --high 1.1 --probes 1 --starts 4 --runs 2 --seeds 2 --out OUT"
# What trains, and is not to train again; a step of it.
TRAINS = "tegum.empirical.groups.exact.ExactGroup.run"
SAMPLES = "tegum.empirical.groups.compiled.CompiledGroup.run"

# For each command its results, and what is called behind its long part, in this order.
CASES = {
    "train": (
        TRAIN,
        ("a.safetensors",),
        ("tegum.empirical.training.loop.losses_of", "tegum.empirical.files.save_models"),
    ),
    "certify": (CERTIFY, ("a.json",), ("tegum.theory.proofs.certificates.Certificate.to_json",)),
    "diagram": (
        DIAGRAM,
        ("diagram.zarr", "diagram.png", "ledger.json"),
        (
            "tegum.compare.diagrams.diagram.trained_dataset",
            # The boundaries are merged first.
            "tegum.compare.diagrams.diagram.merged 2",
            "tegum.compare.diagrams.agreement",
            "tegum.compare.commands.diagram.write_json",
            "tegum.compare.figures.save_figure",
        ),
    ),
    "basins": (
        BASINS,
        ("basins.zarr", "basins.png", "basins.json"),
        (
            # The runs of the exact flow are entered first.
            "tegum.compare.basins.shares._enter 2",
            "tegum.compare.commands.basins._draw",
            "tegum.compare.figures.save_figure",
            "tegum.compare.commands.basins.write_json",
        ),
    ),
    "uniform": (
        UNIFORM,
        ("uniform-4-2.safetensors", "uniform.png", "uniform.json"),
        (
            "tegum.compare.geometry.uniform.save_models",
            "tegum.theory.packing.packing_transitions",
            "tegum.compare.geometry.uniform_run",
            "tegum.compare.figures.save_figure",
            "tegum.compare.commands.uniform.write_json",
        ),
    ),
    "deform": (
        DEFORM,
        ("branches.json", "branches.png"),
        ("tegum.compare.geometry.branch_runs.polish", "tegum.compare.figures.save_figure"),
    ),
}
# Those that take some seconds each are for the slow tests.
CHEAP = ("losses_of", "to_json", "trained_dataset", "uniform.save_models")
STAGES = [
    pytest.param(command, stage, marks=() if stage.endswith(CHEAP) else pytest.mark.slow)
    for command, (_, _, after) in CASES.items()
    for stage in after
]
LONG = ("diagram", "basins", "uniform", "deform")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave out what takes long and is tested elsewhere; temporary files go to a folder of the test's."""
    monkeypatch.setattr(stages, "seed_diagram", lambda *_: None)
    monkeypatch.setattr(stages, "phase_boundaries", lambda _: ())
    monkeypatch.setattr(packing, "packing_transitions", partial(packing_transitions, among=ATLAS))
    monkeypatch.setattr(basins, "PLANES", basins.PLANES[:1])
    monkeypatch.setattr(basins, "PLANE_POINTS", 4)
    for name in ("tmp", "out"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def once(monkeypatch: pytest.MonkeyPatch, stage: str, error: BaseException) -> None:
    """Have a function fail when it is called first, or at the call whose number stands behind it."""
    name, _, number = stage.partition(" ")
    module, _, attribute = name.rpartition(".")
    try:
        holder = import_module(module)
    except ModuleNotFoundError:
        outer, _, kind = module.rpartition(".")
        holder = getattr(import_module(outer), kind)
    function, left = getattr(holder, attribute), [int(number or 1)]

    def tried(*words: Any, **named: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise error
        return function(*words, **named)

    monkeypatch.setattr(holder, attribute, tried)


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("this was trained before")


@pytest.mark.parametrize(("command", "stage"), STAGES, ids=lambda name: name.rpartition(".")[2])
def test_ctrl_c_behind_the_long_part_loses_nothing(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, stage: str
) -> None:
    words, results, _ = CASES[command]
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        once(patch, stage, KeyboardInterrupt())
        stopped = tegum_(words.replace("OUT", str(out)))
    assert stopped.code == INTERRUPTED, stopped.err
    if command == "certify":
        assert (out / "a.json").exists()
        return
    assert str(out) in stopped.last
    assert stopped.last.endswith("the same command goes on from there") or command == "deform"
    monkeypatch.setattr(TRAINS, forbidden)
    monkeypatch.setattr(SAMPLES, forbidden)
    if command == "deform" and (out / "branches.json").exists() and not (out / "training.npz").exists():
        return
    assert tegum_(words.replace("OUT", str(out))).code == 0
    assert set(results) <= set(os.listdir(out))
    # Checkpoints are gone when the results are there, and so is all that was written on the way.
    assert not [name for name in os.listdir(out) if re.match(r"\.|.*\.(npz|checkpoint)$", name)]


def full(folder: Path) -> Callable[[Path], None]:
    """Return what stands for waiting until something is on the disk, on a disk of which one folder is full."""
    flush = saving._flush

    def wait(whole: Path) -> None:
        if whole.is_relative_to(folder):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(whole)

    return wait


def moved(told: Outcome) -> Path:
    """Return where it is said that a result is."""
    (line,) = [line for line in told.err.splitlines() if "what was to be saved is in" in line]
    assert "(No space left on device)" in line
    return Path(line.rpartition(" is in ")[2])


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in CASES]
)
def test_on_a_full_disk_what_was_computed_is_elsewhere(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    words, results, _ = CASES[command]
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(saving, "_flush", full(out))
        told = tegum_(words.replace("OUT", str(out)))
    assert told.code == FAILED
    found = moved(told)
    assert found.exists()
    assert found.is_relative_to(tmp_path / "tmp")
    assert tegum_(words.replace("OUT", str(out))).code == 0
    assert set(results) <= set(os.listdir(out))


@pytest.mark.parametrize("command", ["certify", "train"])
def test_what_somebody_else_puts_there_meanwhile_stays(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    words, (name,), (stage, *_) = CASES[command]
    module, _, attribute = stage.rpartition(".")
    out = tmp_path / "out" / name
    from tegum.theory.proofs.certificates import Certificate

    holder: Any = Certificate if command == "certify" else import_module(module)
    function = getattr(holder, attribute)

    def meanwhile(*given: Any) -> Any:
        if not out.exists():
            out.write_text("theirs")
        return function(*given)

    monkeypatch.setattr(holder, attribute, meanwhile)
    told = tegum_(words.replace("OUT", str(tmp_path / "out")))
    assert told.code == FAILED
    assert f"can't write {out} (somebody else has written there meanwhile)" in told.err
    assert out.read_text() == "theirs"
    assert sorted(os.listdir(out.parent)) == sorted([name, f"a-2{out.suffix}"])


@pytest.mark.parametrize("command", CASES)
def test_a_place_that_another_process_writes_is_refused_at_once(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(locks.fcntl, "flock", lambda *_: (_ for _ in ()).throw(BlockingIOError(errno.EAGAIN, "taken")))
    monkeypatch.setattr(TRAINS, forbidden)
    words, _, _ = CASES[command]
    told = tegum_(words.replace("OUT", str(tmp_path / "out")))
    assert (told.code, told.out) == (MISUSE, "")
    assert re.search(r"is writing .*out.*: wait until it has ended, or choose another place$", told.last)


def test_certify_replaces_no_file_of_another_kind(tegum_: Any, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"thesis": 1}')
    tegum_(CERTIFY.replace("OUT", str(tmp_path))).is_misuse("not a certificate")
    assert (tmp_path / "a.json").read_text() == '{"thesis": 1}'


def test_force_follows_a_link(tegum_: Any, tmp_path: Path) -> None:
    words = TRAIN.replace("OUT", str(tmp_path))
    assert tegum_(words).code == 0
    (tmp_path / "a.safetensors").rename(tmp_path / "real.safetensors")
    (tmp_path / "a.safetensors").symlink_to("real.safetensors")
    before = (tmp_path / "real.safetensors").read_bytes()
    assert tegum_(changed(words, "--seeds 3 --force")).code == 0
    assert (tmp_path / "a.safetensors").is_symlink()
    assert (tmp_path / "real.safetensors").read_bytes() != before
