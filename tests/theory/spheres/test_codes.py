"""The Tammes problem against what is proved of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tegum.theory.spheres import spherical_code

# Proved: Fejes Tóth for 3, 4, 6 and 12, Schütte and van der Waerden 1951 (DOI 10.1007/BF02054944) for 5 and 7 to 9,
# Danzer 1986 for 10 and 11; least angles in degrees, cosines where they are simple.
COSINES = {2: -1, 3: -1 / 2, 4: -1 / 3, 5: 0, 6: 0, 8: (2 * 2**0.5 - 1) / 7, 9: 1 / 3, 11: 5**-0.5, 12: 5**-0.5}
ANGLES = {7: 77.8695, 10: 66.1468}


@pytest.mark.parametrize("n", sorted(COSINES))
def test_proved_cosines(n: int) -> None:
    found = spherical_code(n)
    assert found.overlap == pytest.approx(COSINES[n], abs=1e-7)
    gram = found.points @ found.points.T
    np.testing.assert_allclose(np.diag(gram), 1, atol=1e-12)
    assert gram[np.triu_indices(n, 1)].max() == found.overlap
    assert found.status == "agreed"


@pytest.mark.parametrize("n", sorted(ANGLES))
def test_proved_angles(n: int) -> None:
    assert spherical_code(n).angle == pytest.approx(ANGLES[n], abs=1e-4)


def test_other_dimensions() -> None:
    assert spherical_code(7, 2).overlap == pytest.approx(np.cos(2 * np.pi / 7), abs=1e-7)
    # The rectified 5-cell, arXiv:0708.3947.
    assert spherical_code(10, 4).overlap == pytest.approx(1 / 6, abs=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: spherical_code(1), "n must be an integer of at least 2, got 1"),
        (lambda: spherical_code(4, 1), "dim must be an integer of at least 2, got 1"),
        (lambda: spherical_code(4.0), "n must be an integer"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
