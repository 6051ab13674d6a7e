"""One output among alike features of which one is on at a time, compiled.

Importing this module compiles, or loads what an earlier process compiled.
"""

from __future__ import annotations

from typing import Any

import numba

from ..numerics import machine_code, type_of
from .simplest import BIAS, OWN, SHELLS, VALUE, Law, alone, another


def _add_one_on(bias: float, overlaps: Any, counts: Any, law: Law, terms: Any) -> None:
    own = alone(bias, overlaps[0], law)
    terms[VALUE] += own.value
    terms[BIAS] += own.bias
    terms[OWN] += own.slope
    for c in range(counts.shape[0]):
        other = another(bias, overlaps[c + 1], law)
        terms[VALUE] += counts[c] * other.value
        terms[BIAS] += counts[c] * other.bias
        terms[SHELLS + c] += counts[c] * other.slope


_ROW = numba.float64[::1]
# As `add_output` of `node_sums.py`, in units of how often each feature is on; the amplitude may be constant.
add_one_on = machine_code(
    _add_one_on,
    numba.void(numba.float64, _ROW, numba.int64[::1], type_of(Law(0.5, 0.0, 1.0)), _ROW),
    nogil=True,
    error_model="numpy",
)
