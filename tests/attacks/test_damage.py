"""Thousands of damaged files of every kind that the project reads back: none may be believed, none end in a traceback.

Each copy is damaged once: a bit flipped, a byte zeroed, a file cut, deleted or exchanged with another, a line of a
table doubled or lost. What is read then has to be refused in words, or to be right in everything that is read.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import xarray as xr

from tegum.compare.basins import BasinSettings, basin_shares, load_basins
from tegum.compare.diagrams import CertifiedRow, certified_columns, load, save
from tegum.compare.foreign import read_many

# Behind the face: tables are read back.
from tegum.compare.terminal import read_rows, write_rows
from tegum.empirical.files import load_models, save_models
from tegum.empirical.runs import Session
from tegum.empirical.sweeps import read_sweep
from tegum.empirical.training import train
from tegum.theory import Certificate, IndependentFeatures, ToyModel
from tegum.theory.minima import diagram_minima
from tegum.theory.numerics import machine_code
from tests.support.damage import EQUAL, REFUSED, attacked
from tests.support.places import DATA
from tests.support.sweeps import small_sweep

# Behind the face: a diagram without the hour that its curves and runs take.
parts: Any = import_module("tegum.compare.diagrams.dataset")
stages: Any = import_module("tegum.compare.diagrams.diagram")

# Of each of 13 kinds: more than 2,000 in all.
TIMES = 160
MODEL = ToyModel(3, 2, IndependentFeatures(0.2))

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Kind:
    """A kind of file: where one is, how it is read, and what says that it was read right."""

    path: Path
    read: Callable[[Path], Any]
    is_right: Callable[[Any], bool]
    # Sizes of what was read, where less than the whole is right; most damages take one part or two.
    sizes: list[int] = field(default_factory=list)
    whole: int = 0


def same_arrays(one: Any, other: Any) -> bool:
    return all(
        np.asarray(getattr(one, f.name)).tobytes() == np.asarray(getattr(other, f.name)).tobytes()
        if isinstance(getattr(other, f.name), np.ndarray)
        else getattr(one, f.name) == getattr(other, f.name)
        for f in fields(other)
    )


def same_dataset(one: xr.Dataset, other: xr.Dataset) -> bool:
    return one.identical(other) and all(one[name].dtype == other[name].dtype for name in other.variables)


def diagram(folder: Path) -> Kind:
    save(parts.theory_dataset(diagram_minima([0.1, 0.5], [0.5, 1.5], starts=16)), folder / "diagram.zarr")
    return Kind(folder / "diagram.zarr", load, partial(same_dataset, other=load(folder / "diagram.zarr")))


def basins(folder: Path) -> Kind:
    settings = BasinSettings((0.3, 0.8), (0.5, 1.0), (1.0,), seeds=3, steps=40, device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "diagram_minima", partial(diagram_minima, starts=16))
        patch.setattr(stages, "seed_diagram", lambda *_: None)
        patch.setattr(stages, "phase_boundaries", lambda _: ())
        basin_shares(settings, out=folder)
    return Kind(folder / "basins.zarr", load_basins, partial(same_dataset, other=load_basins(folder / "basins.zarr")))


def models(folder: Path, suffix: str) -> Kind:
    path = folder / f"runs{suffix}"
    save_models(train(MODEL, seeds=3, steps=8, batch_size=16, device="cpu"), path, model=MODEL)
    return Kind(path, load_models, partial(same_arrays, other=load_models(path)))


def weights(folder: Path, suffix: str) -> Kind:
    """What `tegum loss` reads of the project's own files."""
    path = models(folder, suffix).path
    return Kind(path, read_many, partial(same_arrays, other=read_many(path)))


def foreign(folder: Path, suffix: str) -> Kind:
    """What it reads of other people's, of kinds that carry checksums of their own."""
    rng, path = np.random.default_rng(0), folder / f"model{suffix}"
    arrays: dict[str, Any] = {"W": rng.normal(size=(4, 2, 5)), "b": rng.normal(size=(4, 5))}
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        import torch

        torch.save({name: torch.as_tensor(array) for name, array in arrays.items()}, path)
    return Kind(path, read_many, partial(same_arrays, other=read_many(path)))


def table(folder: Path) -> Kind:
    """A damaged row is proved again, so rows may be missing; those that are there have to be right."""
    path = folder / "certified-diagram.csv"
    write_rows(path, [row for column, _ in certified_columns(4, divisions=0) for row in column])
    rows = set(read_rows(path, CertifiedRow))
    sizes: list[int] = []

    def is_right(found: Any) -> bool:
        sizes.append(len(found))
        return set(found) <= rows

    return Kind(path, lambda copy: read_rows(copy, CertifiedRow), is_right, sizes, len(rows))


def certificate(folder: Path) -> Kind:
    path = folder / "certificate.json"
    whole = Certificate.from_json((DATA / "certificate-1.json").read_text()).to_json()
    path.write_text(whole)
    return Kind(
        path,
        lambda copy: Certificate.from_json(copy.read_bytes().decode("utf-8")),
        lambda found: bool(found.to_json() == whole),
    )


def a_sweep(folder: Path) -> Kind:
    """Damaged units are named, and count as not done: the rest has to be right."""
    path = folder / "sweep.zarr"
    small_sweep(path)
    whole = read_sweep(path).dataset.load()
    sizes: list[int] = []

    def is_right(found: Any) -> bool:
        dataset = found.dataset.load()
        done = dataset["done"]
        sizes.append(int(done.sum()))
        if found.status != "finished" and not found.reason:
            return False
        return bool(dataset.where(done).drop_vars("done").identical(whole.where(done).drop_vars("done")))

    return Kind(path, read_sweep, is_right, sizes, int(whole["done"].sum()))


def checkpoint(folder: Path) -> Kind:
    path, options = folder / "training.npz", {"seeds": 2, "objective": "exact", "device": "cpu", "steps": 3000}

    def go_on(copy: Path, *, stopped: bool = False) -> Any:
        def stop(done: int, total: int) -> None:
            if stopped and done > total / 4:
                raise KeyboardInterrupt

        session = Session(checkpoint=copy, on_progress=stop)
        return train(MODEL, **options, session=session)  # type: ignore[arg-type]

    def finish(copy: Path) -> Any:
        # A run that ends removes its checkpoint.
        return go_on(Path(shutil.copy(copy, copy.with_name("own.npz"))))

    go_on(path, stopped=True)
    assert path.exists()
    return Kind(path, finish, partial(same_arrays, other=train(MODEL, **options)))  # type: ignore[arg-type]


def twice(x: int) -> int:
    return 2 * x


def machine(folder: Path) -> Kind:
    def compile_in(place: Path) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(numba.config, "CACHE_DIR", str(place))
            return int(machine_code(twice, numba.int64(numba.int64))(21))

    compile_in(folder / "cache")
    return Kind(folder / "cache", compile_in, lambda found: found == 42)


KINDS: dict[str, Callable[[Path], Kind]] = {
    "diagram": diagram,
    "basins": basins,
    "models in a file": partial(models, suffix=".safetensors"),
    "models in a folder": partial(models, suffix=".zarr"),
    "loss of a file": partial(weights, suffix=".safetensors"),
    "loss of a folder": partial(weights, suffix=".zarr"),
    "loss of an archive": partial(foreign, suffix=".npz"),
    "loss of a state dictionary": partial(foreign, suffix=".pt"),
    "certified table": table,
    "certificate": certificate,
    "sweep": a_sweep,
    "checkpoint": checkpoint,
    "machine code": machine,
}


# What is damaged of these is computed again, and never a reason to stop.
MADE_ANEW = ("certified table", "machine code")
# Share that most readings have to keep of what isn't damaged.
KEPT = 0.75


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_is_believed(kind: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    attack = KINDS[kind](tmp_path)
    assert attack.is_right(attack.read(attack.path))
    with warnings.catch_warnings(action="ignore"):
        counts, bad = attacked(attack.path, attack.read, attack.is_right, TIMES)
    record_property("outcomes", dict(counts))
    print(f"{kind}: {dict(counts)}")
    assert bad == []
    assert counts[REFUSED] + counts[EQUAL] == TIMES
    # A reader that gives up everything believes nothing, and is of no use.
    assert not attack.sizes or np.median(attack.sizes) >= KEPT * attack.whole
    if kind in MADE_ANEW:
        assert counts[REFUSED] == 0
