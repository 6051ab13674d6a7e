"""The command `tegum uniform`. Heavy imports wait until it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .console import console, print_json, print_table
from .options import INTERRUPTED

if TYPE_CHECKING:
    from ..geometry import UniformSweep

# The line of 1/(1−S): its ends and number of points.
LOWEST, HIGHEST, POINTS = 1.02, 100.0, 24


def show_uniform(
    sizes: Sequence[str], out: Path, report: Callable[[str, float], None], *, points: int, **training: Any
) -> UniformSweep:
    """Train models of equal features along 1/(1−S), hold them against the best packings, and write figure and account.

    Args:
        sizes: such as "400,30", n and m.
        out: folder for everything.
        report: called with the name of each stage and the share of it that is done.
        points: densities.
        training: the rest of `train_uniform`.

    Raises:
        ValueError: if a size isn't one, or as `train_uniform`.
        typer.Exit: if training was interrupted.
    """
    wanted = [_size(words) for words in sizes]
    if points < 2:
        raise ValueError(f"expected at least 2 densities, got {points}")
    from numpy import geomspace

    from tegum.theory.packing import packing_transitions

    from ..figures import save_figure
    from ..geometry import UniformSweep, train_uniform, uniform_run
    from ..progress import InterruptedRunError

    places = geomspace(LOWEST, HIGHEST, points)
    try:
        trained = train_uniform(wanted, places, out=out, report=report, **training)
    except InterruptedRunError as stop:
        sys.stderr.write(f"tegum: interrupted: {stop}; the same command goes on from there\n")
        raise typer.Exit(INTERRUPTED) from None
    runs = []
    try:
        packings, transitions = packing_transitions(places, on_progress=lambda share: report("packings", share))
        for (n, m), models in zip(wanted, trained, strict=True):
            stage = f"losses n={n}, m={m}"
            runs.append(uniform_run(models, places, packings, lambda share, stage=stage: report(stage, share)))  # type: ignore[misc]
    except KeyboardInterrupt:
        sys.stderr.write(f"tegum: interrupted; trained models are in {out}, and the same command goes on from there\n")
        raise typer.Exit(INTERRUPTED) from None
    from ..figures import uniform_figure

    report("figure", 0.0)
    sweep = UniformSweep(places, packings, transitions, tuple(runs))
    save_figure(uniform_figure(sweep), out / "uniform.png")
    (out / "uniform.json").write_text(json.dumps(uniform_account(sweep), indent=2) + "\n")
    return sweep


def _size(words: str) -> tuple[int, int]:
    try:
        n, m = (int(word) for word in words.split(","))
    except ValueError:
        raise ValueError(f"a size is n,m, such as 400,30, got {words!r}") from None
    return n, m


def uniform_account(sweep: UniformSweep) -> dict[str, Any]:
    """Return plain values: for each size and density the losses, the packing, what was found and how far it agrees."""
    runs = []
    for run in sweep.runs:
        rows = []
        for place, inverse in enumerate(sweep.inverse_density):
            stored, packing = run.stored[place], run.packings[place]
            names = run.polytope[place][stored]
            found = {str(name) or "no polytope known": int((names == name).sum()) for name in dict.fromkeys(names)}
            rows.append({
                "inverse_density": float(inverse),
                "loss": float(run.loss[place]),
                "loss_error": float(run.loss_error[place]),
                "packing": dict(packing.copies),
                "packing_loss": packing.loss,
                "ratio": float(run.ratio[place]),
                # JSON has no infinity, which is that of weights that are all zero.
                "dimensions_per_feature": float(run.dimensions_per_feature[place]) if stored.any() else None,
                "represented": int(stored.sum()),
                "switched_off": int(run.switched_off[place].sum()),
                "dimensionality_sum": float(run.dimensionality[place].sum()),
                "features_of": found,
                "predicted_share": float(run.predicted_share[place]),
            })  # fmt: skip
        runs.append({"n_features": run.n_features, "n_hidden": run.n_hidden, "densities": rows})
    return {"transitions": [dict(vars(one)) for one in sweep.transitions], "runs": runs}


def print_uniform(sweep: UniformSweep, out: Path, *, as_json: bool) -> None:
    """Print the account."""
    account = uniform_account(sweep)
    if as_json:
        print_json(account)
        return
    for run in account["runs"]:
        rows = [
            [
                f"{row['inverse_density']:.2f}",
                f"{row['ratio']:.4f}",
                "" if row["dimensions_per_feature"] is None else f"{row['dimensions_per_feature']:.3f}",
                f"{row['dimensionality_sum']:.2f}",
                f"{row['represented']}",
                f"{row['switched_off']}",
                f"{row['predicted_share']:.0%}",
                ", ".join(f"{count} × {name}" for name, count in row["packing"].items()),
            ]
            for row in run["densities"]
        ]
        columns = ["1/(1−S)", "loss/packing's", "D*", "Σ D_i", "stored", "off", "as predicted", "best packing"]
        print_table(f"n = {run['n_features']}, m = {run['n_hidden']}", columns, rows)
    console().print(f"Wrote {out / 'uniform.png'}, {out / 'uniform.json'}.", soft_wrap=True)
