"""Values that nobody means, for each argument of a public function, and values that say the same in another form.

A hostile value is made from the good one that it stands for. Those of `NEVER` can't be meant where numbers, records or
callables are asked for; those of `TWINS` are the same numbers in another container or precision, so that a function
either refuses them or returns what it returns for the good ones; the rest may be meant, and what comes must be finite.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Maker = Callable[[Any], Any]


def _is_numeric(good: Any) -> bool:
    try:
        return not isinstance(good, (bool, str)) and np.asarray(good).dtype.kind in "iuf"
    except (TypeError, ValueError):
        return False


def _array(good: Any) -> Any:
    """Return the good value as an array of float64, or two numbers where it isn't one."""
    own = _is_numeric(good) and np.size(good) > 0
    return np.array(good, dtype=np.float64) if own else np.array([0.5, 0.25])


def _masked(good: Any) -> Any:
    values = np.atleast_1d(_array(good))
    mask = np.zeros(values.shape, dtype=bool)
    mask.flat[0] = True
    return np.ma.masked_array(values, mask=mask)


def _selfish(_: Any) -> Any:
    own: list[Any] = []
    own.append(own)
    return own


def _structured(good: Any) -> Any:
    values = np.atleast_1d(_array(good))
    table = np.zeros(values.shape, dtype=[("value", "f8")])
    table["value"] = values
    return table


def _with(number: float) -> Maker:
    """Return what puts a number into the first entry, or in the place of a scalar."""

    def make(good: Any) -> Any:
        if not _is_numeric(good) or np.ndim(good) == 0:
            return number
        values = _array(good)
        if values.size:
            values.flat[0] = number
        return values

    return make


NEVER: dict[str, Maker] = {
    "none": lambda _: None,
    "empty text": lambda _: "",
    "text": lambda _: "nonsense",
    "text of a number": lambda _: "0.5",
    "bytes": lambda _: b"1",
    "bool": lambda _: True,
    "bools": lambda good: np.ones(np.shape(_array(good)), dtype=bool),
    "nan": _with(np.nan),
    "complex": lambda good: _array(good) + 1j,
    "complex without imaginary part": lambda good: _array(good) + 0j,
    "complex number": lambda _: 0.5 + 0.25j,
    "masked": _masked,
    "masked constant": lambda _: np.ma.masked,
    "dates": lambda good: np.ones(np.shape(_array(good)), dtype="datetime64[s]"),
    "date": lambda _: np.datetime64("2020-01-01"),
    "durations": lambda good: np.ones(np.shape(_array(good)), dtype="timedelta64[s]"),
    "duration": lambda _: np.timedelta64(1, "s"),
    "objects": lambda good: np.full(np.shape(_array(good)), object(), dtype=object),
    "nones": lambda good: np.full(np.shape(_array(good)), None, dtype=object),
    "texts": lambda good: _array(good).astype(str),
    "list of texts": lambda _: ["a", "b"],
    "structured": _structured,
    "ragged": lambda _: [[1.0, 2.0], [3.0]],
    "selfish": _selfish,
    "dict": lambda _: {"a": 1},
    "class": lambda _: int,
    "lambda": lambda _: lambda *given: given[0] if given else None,
    "path": lambda _: Path("nowhere") / "at all",
    "object": lambda _: object(),
    "ellipsis": lambda _: ...,
    "module": lambda _: np,
}


def _numeric(make: Maker) -> Maker:
    """Return what makes a value of numbers alone, and nothing of others."""

    def checked(good: Any) -> Any:
        if not _is_numeric(good):
            raise LookupError
        return make(good)

    return checked


def _of_arrays(make: Maker) -> Maker:
    def checked(good: Any) -> Any:
        if not _is_numeric(good) or np.ndim(good) == 0:
            raise LookupError
        return make(_array(good) if np.asarray(good).dtype.kind == "f" else np.array(good))

    return checked


def _strided(good: Any) -> Any:
    wide = np.zeros((*good.shape[:-1], 2 * good.shape[-1]), dtype=good.dtype)
    wide[..., ::2] = good
    return wide[..., ::2]


def _read_only(good: Any) -> Any:
    array = good.copy()
    array.flags.writeable = False
    return array


def _mapped(good: Any) -> Any:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        kept = np.memmap(file.name, dtype=good.dtype, mode="w+", shape=good.shape)
    Path(file.name).unlink()
    kept[...] = good
    return kept


def _pandas(good: Any) -> Any:
    pandas = __import__("pandas")
    return pandas.Series(good) if good.ndim == 1 else pandas.DataFrame(good) if good.ndim == 2 else good


def _sparse(good: Any) -> Any:
    from scipy import sparse

    return sparse.csr_array(np.atleast_2d(good))


def _as(kind: str) -> Maker:
    return lambda good: np.asarray(good).astype(kind) if np.ndim(good) else np.dtype(kind).type(good)


TWINS: dict[str, Maker] = {
    "list": _of_arrays(lambda good: good.tolist()),
    "tuple": _of_arrays(lambda good: tuple(good.tolist())),
    "float16": _numeric(_as("float16")),
    "longdouble": _numeric(_as("longdouble")),
    "float32": _numeric(_as("float32")),
    "nothing masked": _of_arrays(np.ma.masked_array),
    "strided": _of_arrays(_strided),
    "read-only": _of_arrays(_read_only),
    "memmap": _of_arrays(_mapped),
    "big-endian": _of_arrays(lambda good: good.astype(good.dtype.newbyteorder(">"))),
    "Fortran": _of_arrays(np.asfortranarray),
    "objects of floats": _of_arrays(lambda good: good.astype(object)),
    "pandas": _of_arrays(_pandas),
    "xarray": _of_arrays(lambda good: __import__("xarray").DataArray(good)),
    "torch": _of_arrays(lambda good: __import__("torch").tensor(good)),
    "matrix": _of_arrays(lambda good: good.view(np.matrix) if good.ndim == 2 else good),
    "sparse": _of_arrays(_sparse),
    "0-d": _numeric(lambda good: np.asarray(good)),
    "generator": _of_arrays(lambda good: (x for x in good.tolist())),
    "set": _of_arrays(lambda good: set(good.ravel().tolist())),
    "frozenset of texts": lambda good: (
        frozenset(good) if isinstance(good, tuple) and good and isinstance(good[0], str) else _refuse()
    ),
}


def _refuse() -> Any:
    raise LookupError


RANGE: dict[str, Maker] = {
    "huge int": lambda _: 2**63,
    "1e400": lambda _: 10**400,
    "negative huge int": lambda _: -(10**30),
    "inf": _with(np.inf),
    "minus inf": _with(-np.inf),
    "-1": _with(-1.0),
    "int -1": lambda _: -1,
    "0": _with(0.0),
    "int 0": lambda _: 0,
    "2": _with(2.0),
    "int 3": lambda _: 3,
    "million": lambda _: 10**6,
    "1e308": _with(1e308),
    "denormal": _with(5e-324),
    "empty": lambda _: np.empty(0),
    "empty rows": lambda _: np.empty((0, 2)),
    "no list": lambda _: [],
    "no tuple": lambda _: (),
    "four axes": lambda _: np.full((2, 2, 2, 2), 0.5),
    "wrong length": lambda _: np.full(7, 0.5),
    "longer": _of_arrays(lambda good: np.concatenate([good, good[..., :1]], axis=-1)),
    "shorter": _of_arrays(lambda good: good[..., :-1]),
    "scalar": lambda _: 0.5,
    "one-element list": lambda _: [0.5],
    "large array": lambda _: np.zeros((1000, 1000)),
    "ints": _of_arrays(lambda good: np.ones(good.shape, dtype=np.int64)),
    "uint8": _of_arrays(lambda good: np.ones(good.shape, dtype=np.uint8)),
}
ALL: dict[str, Maker] = {**NEVER, **TWINS, **RANGE}
