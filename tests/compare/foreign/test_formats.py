"""Files are told by their content, and every form gives back what was written: hostile ones give an error in words."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from tegum.compare.foreign import read_many

Arrays = dict[str, Any]
SEEDS = st.integers(0, 2**32 - 1)


def write_npz(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def write_packed(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def write_torch(path: Path, arrays: Arrays) -> None:
    torch.save({name: torch.tensor(array) for name, array in arrays.items()}, path)


def write_old_torch(path: Path, arrays: Arrays) -> None:
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def write_nested(path: Path, arrays: Arrays) -> None:
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    torch.save(
        {"step": 10, "config": {"act_fn": "relu"}, "model_state_dict": tensors, "optimizer": {"W": tensors}}, path
    )


def write_safetensors(path: Path, arrays: Arrays) -> None:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def write_zarr(path: Path, arrays: Arrays, form: Any = 3) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=form)
    group.attrs["activation"] = "relu"
    for name, array in arrays.items():
        group.create_array(name, data=np.ascontiguousarray(array))


def write_dataset(path: Path, arrays: Arrays) -> None:
    variables = {name: ([f"{name}_{k}" for k in range(np.ndim(array))], array) for name, array in arrays.items()}
    xr.Dataset(variables).to_zarr(path, consolidated=False)


def write_json(path: Path, arrays: Arrays) -> None:
    path.write_text(json.dumps({name: np.asarray(array, np.float64).tolist() for name, array in arrays.items()}))


WRITERS: dict[str, Callable[[Path, Arrays], None]] = {
    "npz": write_npz,
    "packed npz": write_packed,
    "torch": write_torch,
    "old torch": write_old_torch,
    "nested torch": write_nested,
    "safetensors": write_safetensors,
    "zarr": write_zarr,
    "zarr 2": lambda path, arrays: write_zarr(path, arrays, 2),
    "dataset": write_dataset,
    "json": write_json,
}


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=4, deadline=None)
@given(
    seed=SEEDS,
    leading=st.lists(st.integers(1, 3), max_size=3),
    dtype=st.sampled_from(["float64", "float32", "float16"]),
    turned=st.booleans(),
    has_bias=st.booleans(),
)
def test_every_form_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    form: str,
    seed: int,
    leading: list[int],
    dtype: str,
    turned: bool,
    has_bias: bool,
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    weights = rng.normal(size=(*leading, int(rng.integers(1, n)), n)).astype(dtype)
    arrays: Arrays = {"W": weights.mT if turned else weights, "losses": np.zeros(3, np.float32)}
    bias = rng.normal(size=(*leading, n)).astype(dtype)
    arrays |= {"b_final": bias} if has_bias else {}
    # A name that says nothing of what it is.
    path = tmp_path_factory.mktemp("form") / "model.bin"
    WRITERS[form](path, arrays)
    found = read_many(path)
    np.testing.assert_array_equal(found.weights, weights.astype(np.float64))
    np.testing.assert_array_equal(found.bias, bias if has_bias else np.zeros(bias.shape))
    assert found.bias_given is has_bias
    assert any(name.endswith("losses") for name in found.unused)
    if form != "json":
        assert found.stored_dtype == dtype


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, turned=st.booleans())
def test_bare_matrices_are_weights(tmp_path_factory: pytest.TempPathFactory, seed: int, turned: bool) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(2, 4))
    given = np.ascontiguousarray(weights.T if turned else weights)
    folder = tmp_path_factory.mktemp("bare")
    np.save(folder / "a.npy", given)
    torch.save(torch.from_numpy(given), folder / "a.pt")
    (folder / "a.csv").write_text("\n".join(",".join(map(repr, row)) for row in given.tolist()))
    (folder / "a.json").write_text(json.dumps(given.tolist()))
    zarr.create_array(folder / "a.zarr", data=given)
    for path in folder.iterdir():
        found = read_many(path)
        np.testing.assert_array_equal(found.weights, weights)
        assert not found.bias_given


def test_tables_have_a_row_for_each_feature(tmp_path: Path) -> None:
    path = tmp_path / "model.csv"
    path.write_text("feature,h0,h1,b,importance\n0,1,0,-0.1,1\n1,0,1,-0.2,0.5\n2,0.5,0.25,0,0.25\n")
    found = read_many(path)
    np.testing.assert_array_equal(found.weights, [[1, 0, 0.5], [0, 1, 0.25]])
    np.testing.assert_array_equal(found.bias, [-0.1, -0.2, 0])
    assert found.importance is not None
    np.testing.assert_array_equal(found.importance, [1, 0.5, 0.25])


@pytest.mark.parametrize("save", [torch.save, save_tensors], ids=["torch", "safetensors"])
def test_short_numbers_are_those_that_are_stored(tmp_path: Path, save: Callable[[Any, Any], None]) -> None:
    weights = torch.randn(2, 5, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    bias = torch.full((5,), -0.37).to(torch.bfloat16)
    save({"W": weights, "b": bias}, tmp_path / "short")
    found = read_many(tmp_path / "short")
    np.testing.assert_array_equal(found.weights, weights.double().numpy())
    np.testing.assert_array_equal(found.bias, bias.double().numpy())
    assert found.stored_dtype == "bfloat16"


def test_a_file_is_not_what_its_name_says(tmp_path: Path) -> None:
    weights = np.arange(6.0).reshape(2, 3)
    save_file({"W": weights}, tmp_path / "a.pt")
    write_npz(tmp_path / "a.safetensors", {"W": weights})
    write_torch(tmp_path / "a.npz", {"W": weights})
    write_json(tmp_path / "a.csv", {"W": weights})
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_many(path).weights, weights)


class _Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_module_is_refused_without_advice_to_trust_it(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 2)
    torch.save(module, tmp_path / "module.pt")
    with ZipFile(tmp_path / "program.pt", "w") as archive:
        for member in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"program/{member}", b"")
    for name, message in (("module.pt", "save its state_dict"), ("program.pt", "TorchScript")):
        with pytest.raises(ValueError, match=message) as told:
            read_many(tmp_path / name)
        assert not any(word in str(told.value) for word in ("weights_only", "trust", "unsafe", "safe_globals"))


@pytest.mark.parametrize("packing", [{"filters": [{"id": "pickle"}]}, {"compressor": {"id": "pickle"}}])
def test_no_packing_of_a_store_runs_code(tmp_path: Path, packing: dict[str, Any]) -> None:
    mark, path = tmp_path / "mark", tmp_path / "store"
    write_zarr(path, {"W": np.ones((1, 2))}, 2)
    about = json.loads((path / "W" / ".zarray").read_text())
    (path / "W" / ".zarray").write_text(json.dumps(about | {"compressor": None} | packing))
    (path / "W" / "0.0").write_bytes(pickle.dumps(_Hostile(mark)))
    with pytest.raises(ValueError, match=r"Python objects, which run code|No Zarr data type"):
        read_many(path)
    assert not mark.exists()


UNREAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is empty"),
    "noise": (bytes(range(255, 100, -1)), "can't read weights"),
    "text": (b"W = [[1, -1]]\n", "expected a table of numbers|expected numbers only"),
    "ragged table": (b"1,2\n3\n", "each row as long as the first"),
    "words in a table": (b"1,2\n3,x\n", "expected numbers only, got 'x'"),
    "a column twice": (b"h0,h0\n1,2\n", "each column of a table once"),
    "deep JSON": (b"[" * 100_000, "isn't JSON, or is damaged"),
    "torn JSON": (b'{"W": [[1,', "isn't JSON, or is damaged"),
    "texts in JSON": (b'{"W": [["1", "2"]]}', "expected an array named"),
    "ragged JSON": (b'{"W": [[1, 2], [3]]}', "expected an array named"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5 file, which isn't read: save its arrays as .npz"),
    "gzip": (gzip.compress(b"1,2"), "compressed by gzip: unpack it first"),
    "MATLAB": (b"MATLAB 5.0 MAT-file" + bytes(200), "a file of MATLAB's"),
    "huge .npy": (
        b"\x93NUMPY\x01\x00\x46\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (9, 999999999)}".ljust(69)
        + b"\n",
        "declares shape",
    ),
    "a short header": (b"\x93NUMPY\x01\x00\xff\xff{", "can't read weights"),
}


@pytest.mark.parametrize("kind", UNREAD)
def test_what_is_none_of_them_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    content, message = UNREAD[kind]
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_many(tmp_path / "model")


def test_texts_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 64 MiB of text would be slow to write.
    monkeypatch.setattr("tegum.compare.foreign.formats.MOST_TEXT", 100)
    (tmp_path / "model").write_text("1,2\n" * 50)
    with pytest.raises(ValueError, match="texts of up to 100 bytes are read"):
        read_many(tmp_path / "model")


@pytest.mark.parametrize("form", ["npz", "torch", "safetensors", "json"])
def test_truncated_files_are_refused_or_say_what_is_missing(tmp_path: Path, form: str) -> None:
    path = tmp_path / "model"
    WRITERS[form](path, {"W": np.arange(6.0).reshape(2, 3), "b": np.ones(3)})
    content = path.read_bytes()
    for length in np.linspace(0, len(content) - 1, 40).astype(int):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="can't read weights"):
            read_many(path)


def _quantised() -> torch.Tensor:
    with pytest.warns(UserWarning, match="deprecated"):
        return torch.quantize_per_tensor(torch.ones(1, 2), 0.1, 0, torch.qint8)


FOREIGN_NUMBERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "float8": (
        lambda path: save_tensors({"W": torch.ones(1, 2).to(torch.float8_e4m3fn)}, path),
        "expected numbers of a type that NumPy has, or bfloat16, got W of type F8_E4M3: save it as float32",
    ),
    "sparse": (
        lambda path: torch.save({"W": torch.ones(1, 2).to_sparse()}, path),
        "expected tensors that list their numbers, got W, which is sparse: save its to_dense()",
    ),
    "quantised": (
        lambda path: torch.save({"W": _quantised()}, path),
        "expected tensors that list their numbers, got W, which is quantised: save its dequantize()",
    ),
    "no archive": (
        lambda path: path.write_bytes(b"PK" + bytes(300)),
        "it isn't an archive of arrays, or is damaged: write it again",
    ),
    "no safetensors": (
        lambda path: path.write_bytes((20).to_bytes(8, "little") + b"{" + bytes(300)),
        "it is damaged, or not what its first bytes say; expected a .npz, .npy, .pt, .pth, .safetensors, .csv or "
        ".json file, or a .zarr folder: write it again",
    ),
}


@pytest.mark.parametrize("kind", FOREIGN_NUMBERS)
def test_no_words_of_other_libraries_are_passed_on(tmp_path: Path, kind: str) -> None:
    write, message = FOREIGN_NUMBERS[kind]
    write(tmp_path / "model")
    with pytest.raises(ValueError, match="can't read weights from") as told:
        read_many(tmp_path / "model")
    assert str(told.value) == f"can't read weights from {tmp_path / 'model'}: {message}"
