"""Reading a user's own weights: what is accepted, and that nothing in a file is run or believed unchecked."""

from __future__ import annotations

import json
import os
import pickle
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tegum.compare.foreign import read_weights
from tegum.theory.numerics import FloatArray
from tests.support.damage import EQUAL, attacked

Arrays = dict[str, Any]
WEIGHTS = np.array([[1.0, -0.5, 0.25], [0.0, 2.0, -1.5]])
BIAS = np.array([0.125, 0.0, -0.375])
# Bytes that refusing may take, whatever a file declares.
LITTLE = 10_000_000


def write_npz(path: Path, arrays: Arrays) -> None:
    np.savez(path, **arrays)


def write_pt(path: Path, arrays: Arrays) -> None:
    torch.save({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, path)


def write_safetensors(path: Path, arrays: Arrays) -> None:
    save_file({name: np.array(array) for name, array in arrays.items()}, path)


WRITERS: dict[str, Callable[[Path, Arrays], None]] = {
    ".npz": write_npz,
    ".pt": write_pt,
    ".pth": write_pt,
    ".safetensors": write_safetensors,
}


def written(folder: Path, suffix: str, arrays: Arrays) -> Path:
    path = folder / f"model{suffix}"
    WRITERS[suffix](path, arrays)
    return path


def check(path: Path, weights: FloatArray, bias: FloatArray) -> None:
    found = read_weights(path)
    for array, expected in zip(found, (weights, bias), strict=True):
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16], ids=lambda d: d.__name__)
def test_every_format_round_trips(tmp_path: Path, suffix: str, dtype: type[np.floating[Any]]) -> None:
    # The entries are binary fractions: no dtype rounds them.
    path = written(tmp_path, suffix, {"weights": WEIGHTS.astype(dtype), "bias": BIAS.astype(dtype)})
    check(path, WEIGHTS, BIAS)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(("weight_name", "bias_name"), [("weights", "bias"), ("W", "b"), ("weight", "b_final")])
def test_alternative_names_are_known(tmp_path: Path, suffix: str, weight_name: str, bias_name: str) -> None:
    arrays = {weight_name: WEIGHTS, bias_name: BIAS, "optimiser": np.ones(5)}
    check(written(tmp_path, suffix, arrays), WEIGHTS, BIAS)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_missing_bias_is_zero(tmp_path: Path, suffix: str) -> None:
    check(written(tmp_path, suffix, {"W": WEIGHTS}), WEIGHTS, np.zeros(3))


@pytest.mark.parametrize("suffix", WRITERS)
def test_leading_axes_of_one_are_dropped(tmp_path: Path, suffix: str) -> None:
    check(written(tmp_path, suffix, {"W": WEIGHTS[None, None], "b": BIAS[None, None]}), WEIGHTS, BIAS)


def test_integers_are_numbers_and_the_path_may_be_text(tmp_path: Path) -> None:
    path = written(tmp_path, ".npz", {"W": np.array([[1, -1]])})
    weights, bias = read_weights(str(path))
    np.testing.assert_array_equal(weights, [[1.0, -1.0]])
    np.testing.assert_array_equal(bias, [0.0, 0.0])


def test_a_module_state_dictionary_is_read(tmp_path: Path) -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W = torch.nn.Parameter(torch.from_numpy(WEIGHTS))
            self.b_final = torch.nn.Parameter(torch.from_numpy(BIAS))

    path = tmp_path / "state.pt"
    torch.save(Model().state_dict(), path)
    check(path, WEIGHTS, BIAS)


class _Hostile:
    """Unpickling it runs a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"echo run > '{self.mark}'",)


def save_pickle(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


def save_torch(content: Any, path: Path) -> None:
    torch.save(content, path)


def save_objects(content: Any, path: Path) -> None:
    objects = np.empty((1, 2), dtype=object)
    objects[:] = [[content, content]]
    np.savez(path, W=objects)


@pytest.mark.parametrize(
    ("suffix", "save"),
    [
        pytest.param(".pt", save_pickle, id="plain pickle"),
        pytest.param(".pt", save_torch, id="torch archive"),
        pytest.param(".pth", save_torch, id="torch archive as pth"),
        pytest.param(".npz", save_objects, id="object array"),
    ],
)
def test_a_hostile_file_is_refused_and_not_run(tmp_path: Path, suffix: str, save: Callable[[Any, Path], None]) -> None:
    mark, path = tmp_path / "mark", tmp_path / f"hostile{suffix}"
    save(_Hostile(mark) if suffix == ".npz" else {"W": _Hostile(mark)}, path)
    with pytest.raises(ValueError, match="Python objects, which run code"):
        read_weights(path)
    assert not mark.exists()


def test_the_hostile_file_would_run_if_it_were_trusted(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "hostile.pt"
    save_torch({"W": _Hostile(mark)}, path)
    torch.load(path, weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = written(tmp_path, suffix, {"W": WEIGHTS, "b": BIAS})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="can't read weights from"):
        read_weights(path)


@pytest.mark.parametrize("suffix", WRITERS)
def test_something_else_under_the_right_name_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_text("W = [[1, -1]]\n" * 40)
    with pytest.raises(ValueError, match="can't read weights from") as told:
        read_weights(path)
    # No library's advice to load it all the same.
    assert not any(word in str(told.value) for word in ("trust", "unsafe", "allow_pickle", "weights_only"))


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match=r"weights file .*doesn't exist"):
        read_weights(tmp_path / f"nowhere{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ValueError, match=r"can't read weights from .*it is a folder, and no zarr store"):
        read_weights(tmp_path / f"folder{suffix}")


REFUSED: dict[str, tuple[Arrays, str]] = {
    "no weights": (
        {"b": BIAS, "encoder": WEIGHTS},
        r"expected an array named weights, W, weight, w, .*\['b', 'encoder'\].*weights_name",
    ),
    "one axis": ({"W": BIAS}, r"expected weights of shape \(..., n_hidden, n_features\), got \(3,\)"),
    "two models": ({"W": np.stack([WEIGHTS, WEIGHTS])}, r"got \(2, 2, 3\)"),
    "short bias": ({"W": WEIGHTS, "b": BIAS[:2]}, r"got weights \(2, 3\) and bias \(2,\)"),
    "NaN weight": ({"W": np.array([[1.0, np.nan]])}, "weights and bias must be finite real numbers"),
    "infinite weight": ({"W": np.array([[np.inf, 1.0]])}, "weights and bias must be finite real numbers"),
    "NaN bias": ({"W": WEIGHTS, "b": np.array([0.0, np.nan, 0.0])}, "weights and bias must be finite real numbers"),
    "boolean weights": ({"W": np.array([[True, False]])}, "weights must be finite real numbers, got dtype bool"),
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("fault", REFUSED)
def test_arrays_that_are_no_toy_model_are_refused(tmp_path: Path, suffix: str, fault: str) -> None:
    arrays, message = REFUSED[fault]
    path = written(tmp_path, suffix, {name: np.ascontiguousarray(array) for name, array in arrays.items()})
    with pytest.raises(ValueError, match=message):
        read_weights(path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        pytest.param(np.array([["1", "-1"]]), "weights must be finite real numbers, got dtype <U2", id="text"),
        pytest.param(np.array([[1j, 1.0]]), "weights must be finite real numbers, got dtype complex128", id="complex"),
        pytest.param(np.array([[1.0, None]], dtype=object), "can't read weights from", id="objects"),
    ],
)
def test_arrays_that_are_no_numbers_are_refused(tmp_path: Path, array: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_weights(written(tmp_path, ".npz", {"W": array}))


def test_a_pt_file_must_hold_a_state_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save([torch.zeros(1, 2)], path)
    with pytest.raises(ValueError, match=r"can't read weights from .*not a state dictionary"):
        read_weights(path)


def repeated(path: Path) -> None:
    """One number, which a tensor repeats."""
    torch.save({"W": torch.zeros(1, 1).expand(1, 10**9)}, path)


def repeated_in_the_old_format(path: Path) -> None:
    torch.save({"W": torch.zeros(1, 1).expand(1, 10**9)}, path, _use_new_zipfile_serialization=False)


def header(path: Path, last: int) -> None:
    words = json.dumps({"W": {"dtype": "F64", "shape": [1, 10**9], "data_offsets": [0, last]}}).encode()
    path.write_bytes(len(words).to_bytes(8, "little") + words + bytes(80))


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        pytest.param("a.pt", repeated, "declares arrays of 4,000,000,000 bytes", id="view"),
        pytest.param("a.pt", repeated_in_the_old_format, "declares arrays of 4,000,000,000 bytes", id="old view"),
        pytest.param("a.safetensors", partial(header, last=8 * 10**9), "can't read weights", id="beyond the end"),
        pytest.param("a.safetensors", partial(header, last=80), "can't read weights", id="another size"),
    ],
)
def test_no_more_is_read_than_a_file_can_mean(
    tmp_path: Path, name: str, write: Callable[[Path], None], message: str
) -> None:
    write(tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            read_weights(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.npz", "a.pt"])
def test_damage_of_an_archive_is_noticed(tmp_path: Path, name: str) -> None:
    (write_npz if name == "a.npz" else write_pt)(tmp_path / name, {"W": WEIGHTS, "b": BIAS})

    def is_right(found: tuple[FloatArray, FloatArray]) -> bool:
        return found[0].tobytes() == WEIGHTS.tobytes() and found[1].tobytes() == BIAS.tobytes()

    counts, bad = attacked(tmp_path / name, read_weights, is_right, 24)
    assert bad == []
    assert counts[EQUAL] < 24
