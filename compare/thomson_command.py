"""The command `tegum thomson`. Heavy imports wait until it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import console, print_json, print_table

if TYPE_CHECKING:
    from .sphere_comparison import ThomsonComparison

# More dimensions can't be drawn.
DRAWN = (2, 3)


def show_thomson(
    n: int,
    dim: int,
    seed: int,
    target: float | None,
    figure: Path | None,
    turntable: Path | None,
    report: Callable[[str, float], None],
    *,
    as_json: bool,
) -> None:
    """Search for the lowest energy, print it, and draw its points where asked for."""
    from .thomson import thomson_minimum

    _check_files(dim, figure, turntable)
    found = thomson_minimum(n, dim, seed=seed, target=target)
    written = [path for path in (figure, turntable) if path is not None]
    if figure is not None:
        from .figures import save_figure
        from .point_figures import thomson_figure

        save_figure(thomson_figure([found]), figure)
    if turntable is not None:
        from .point_figures import draw_points, save_turntable, upright

        save_turntable(
            draw_points, upright(found.points), turntable, on_progress=lambda share: report("turntable", share)
        )
    if as_json:
        arrays = {name: getattr(found, name).tolist() for name in ("points", "hessian_eigenvalues", "degrees")}
        print_json({**vars(found), **arrays, "point_group": found.point_group})
        return
    symmetry = f", symmetry {found.point_group}" if found.point_group else ""
    evidence = f"{found.agreed} of {found.starts} starts agree, largest force {found.residual:.0e}"
    sys.stdout.write(f"{n} points in {dim} dimensions: energy {found.energy:.13g}{symmetry}; {evidence}.\n")
    if target is not None and found.status != "target":
        console().print(f"None of the starts reached the target {target:.13g}.", soft_wrap=True)
    if written:
        console().print(f"Wrote {', '.join(map(str, written))}.", soft_wrap=True)


def _check_files(dim: int, figure: Path | None, turntable: Path | None) -> None:
    """Raise `ValueError` before the search if what is asked for can't be drawn."""
    if figure is not None and dim not in DRAWN:
        raise ValueError(f"--figure draws points in 2 or 3 dimensions, got {dim}")
    if turntable is not None:
        from .point_figures import check_turntable

        check_turntable(turntable)
        if dim != DRAWN[-1]:
            raise ValueError(f"--turntable turns points in 3 dimensions, got {dim}")


def show_comparisons(
    path: Path,
    n: int | None,
    density: float | None,
    report: Callable[[str, float], None],
    *,
    factors: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Print how trained features compare with the Thomson problem: of each model, or of each of its tegum factors."""
    import numpy as np

    from tegum.theory import tegum_factors

    from .sphere_comparison import TOLERANCE, represented, thomson_comparison
    from .weights import read_many

    if density is not None and not 0 < density < 1:
        raise ValueError(f"density must lie in (0, 1), got {density:g}")
    batch = read_many(path)
    m, features = batch.weights.shape[-2:]
    weights, finite = batch.weights.reshape(-1, m, features), batch.finite.reshape(-1)
    densities = None if batch.density is None else batch.density.reshape(-1, features)
    found: list[tuple[int, tuple[int, ...], ThomsonComparison]] = []
    left_out = 0
    for model, own in enumerate(weights):
        groups: tuple[tuple[int, ...], ...] = (tuple(range(features)),)
        if factors and finite[model]:
            groups = tegum_factors(own, TOLERANCE)
        for members in groups:
            group = list(members)
            if not finite[model] or represented(own[:, group])[1] < 2:
                left_out += 1
                continue
            stored = represented(own[:, group])[0]
            if n is not None and len(stored) != n:
                continue
            stated = None if densities is None else densities[model, group]
            one_density = float(stated[0]) if stated is not None and np.ptp(stated) == 0 and stated[0] < 1 else None
            one = thomson_comparison(own[:, group], density=density or one_density, seed=seed)
            found.append((model, tuple(members[i] for i in one.features), one))
        report("models", (model + 1) / len(weights))
    if as_json:
        print_json([{"model": model, "features": list(group), **_plain(one)} for model, group, one in found])
        return
    rows = []
    for model, stored_features, one in found:
        numbers = _plain(one)
        dearer = numbers["thomson_loss"] / numbers["loss"] - 1 if numbers["loss"] else None
        rows.append(
            [
                str(model),
                ",".join(str(i + 1) for i in stored_features),
                f"{one.directions.n}/{one.directions.dim}",
                f"{one.energy_ratio:.5g}",
                f"{one.alignment.distance:.3f}" + ("" if one.alignment.status == "proved" else " or less"),
                f"{one.directions.interference:.3f}",
                f"{one.optimum.interference:.3f}",
                "" if dearer is None else f"{dearer:+.2%}",
            ]
        )
    columns = ["model", "features", "k/d", "ratio", "distance", "ReLU²", "Thomson", "its loss"]
    print_table("Features on the sphere, beside points of least Coulomb energy", columns, rows)
    if left_out:
        what = "tegum factors" if factors else "models"
        console().print(f"Left out: {left_out} {what} that diverged or span less than two dimensions.", soft_wrap=True)


def _plain(one: ThomsonComparison) -> dict[str, Any]:
    """Return the numbers of a comparison."""
    return {
        "dimensions": one.directions.dim,
        "lengths": one.lengths.tolist(),
        "coulomb_energy": one.energy_ratio * one.thomson.energy,
        "thomson_energy": one.thomson.energy,
        "energy_ratio": one.energy_ratio,
        "distance": one.alignment.distance,
        "distance_lower_bound": one.alignment.lower_bound,
        "distance_status": one.alignment.status,
        "interference": one.directions.interference,
        "thomson_interference": one.optimum.interference,
        "squared_overlaps": one.directions.squared_overlaps,
        "thomson_squared_overlaps": one.optimum.squared_overlaps,
        "loss": None if one.loss is None else one.loss.loss,
        "thomson_loss": None if one.thomson_loss is None else one.thomson_loss.loss,
    }
