"""The command `tegum thomson`. Heavy imports wait until it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from .console import console, print_json

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
