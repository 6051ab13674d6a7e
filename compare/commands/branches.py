"""The commands `tegum deform` and `tegum correlated`. Heavy imports wait until they run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .console import console, print_json, print_table
from .options import INTERRUPTED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tegum.theory.branches import BranchDiagram, Limit
    from tegum.theory.models import Family

    from ..geometry import BranchRuns

MOST_FEATURES, MOST_PAIRS = 6, 3
# Densities of equal features at which the pentagon and the triangle are the cheapest.
DENSITY, DENSITY_OF_THREE = 0.1, 0.7
HIGHEST_DENSITY = 0.98
# Minima that cost more than this times the cheapest where they are found aren't followed; of few features all are.
MARGIN, FEW = 2.0, 4
# Trained models keep this share of log t away from its ends.
ASIDE = 0.01


@dataclass(frozen=True)
class Settings:
    """How hard to search, and what to train.

    Attributes:
        probes: places at which minima are searched for.
        starts: random starts at each.
        runs: places at which models are trained, 0 for none.
        seeds: of the models at each.
        objective: "exact" or "sampled".
    """

    probes: int
    starts: int
    runs: int
    seeds: int
    objective: str

    def __post_init__(self) -> None:
        """Check them."""
        for name in ("probes", "starts", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be positive, got {getattr(self, name)}")
        if self.runs < 0:
            raise ValueError(f"--runs must not be negative, got {self.runs}")
        if self.objective not in ("exact", "sampled"):
            raise ValueError(f"--objective must be 'exact' or 'sampled', got {self.objective!r}")


def _check_hidden(hidden: int) -> None:
    if hidden != 2:
        raise ValueError(f"--hidden must be 2, since points are drawn in a plane, got {hidden}")


def changing_feature(features: int, hidden: int, vary: str, density: float | None, low: float, high: float) -> Family:
    """Return the family of `tegum deform`.

    Raises:
        ValueError: if an option is out of range.
    """
    from tegum.theory.models import one_denser, one_more_important

    _check_hidden(hidden)
    if not 3 <= features <= MOST_FEATURES:
        raise ValueError(f"--features must lie in 3 to {MOST_FEATURES}, got {features}")
    if density is None:
        density = DENSITY_OF_THREE if features == 3 else DENSITY
    if vary == "density":
        return one_denser(features, hidden, density, low, min(high, 1 / density) if density > 0 else high)
    if vary == "importance":
        return one_more_important(features, hidden, density, low, high)
    raise ValueError(f"--vary must be 'density' or 'importance', got {vary!r}")


def tied_pairs(law: str, pairs: int, hidden: int, low: float, high: float | None) -> Family:
    """Return the family of `tegum correlated`.

    Raises:
        ValueError: if an option is out of range.
    """
    from tegum.theory.models import anticorrelated_pairs, correlated_pairs

    _check_hidden(hidden)
    if not 2 <= pairs <= MOST_PAIRS:
        raise ValueError(f"--pairs must lie in 2 to {MOST_PAIRS}, got {pairs}")
    if law == "correlated":
        return correlated_pairs(pairs, hidden, low, HIGHEST_DENSITY if high is None else high)
    if law == "anticorrelated":
        return anticorrelated_pairs(pairs, hidden, low, 0.5 if high is None else high)
    raise ValueError(f"--law must be 'correlated' or 'anticorrelated', got {law!r}")


def show_family(
    family: Family, settings: Settings, out: Path, report: Callable[[str, float], None], *, as_json: bool
) -> None:
    """Follow a family's minima, train models beside them, draw both, and print where the cheapest minimum changes.

    Args:
        family: of models.
        settings: how hard to search and what to train.
        out: folder for figure and account.
        report: called with the name of each stage and the share of it that is done.
        as_json: whether to print JSON.

    Raises:
        typer.Exit: if training was interrupted.
    """
    import numpy as np

    from tegum.theory.branches import branch_diagram

    out.mkdir(parents=True, exist_ok=True)
    span = np.log(family.high / family.low)
    first, last = np.log(family.low) + ASIDE * span, np.log(family.high) - ASIDE * span
    diagram = branch_diagram(
        family,
        np.exp(np.linspace(first, last, settings.probes)).tolist(),
        starts=settings.starts,
        margin=np.inf if family.n_features <= FEW else MARGIN,
        on_progress=lambda share: report("minima", share),
    )
    _write(out, branch_account(diagram, None))
    runs = None
    if settings.runs:
        from ..geometry import train_along

        try:
            runs = train_along(
                diagram,
                np.exp(np.linspace(first, last, settings.runs)),
                seeds=settings.seeds,
                objective=settings.objective,
                on_progress=lambda done, all_of_them: report("training", done / max(all_of_them, 1)),
            )
        except KeyboardInterrupt:
            sys.stderr.write(f"tegum: interrupted; the minima are in {out / 'branches.json'}\n")
            raise typer.Exit(INTERRUPTED) from None
    account = branch_account(diagram, runs)
    _write(out, account)
    from ..figures import branch_figure, save_figure

    report("figure", 0.0)
    save_figure(branch_figure(diagram, runs), out / "branches.png")
    if as_json:
        print_json(account)
        return
    _print(account)
    console().print(f"Wrote {out / 'branches.png'}, {out / 'branches.json'}.", soft_wrap=True)


def _write(out: Path, account: dict[str, Any]) -> None:
    (out / "branches.json").write_text(json.dumps(account, indent=2) + "\n")


def branch_account(diagram: BranchDiagram, runs: BranchRuns | None) -> dict[str, Any]:
    """Return plain values: the minima with their ranges and limits, the changes of the cheapest, and where runs ended.

    Args:
        diagram: the minima of a family.
        runs: trained models.
    """
    from tegum.theory.geometry import arrangement

    from ..geometry import ENDINGS

    family = diagram.family
    arcs = []
    for number, arc in enumerate(diagram.arcs):
        middle = len(arc.branch.parameter) // 2
        arcs.append(
            {
                "number": number,
                "name": arrangement(arc.branch.weights[middle], arc.branch.bias[middle]),
                "from": arc.range[0],
                "to": arc.range[1],
                "lower_limit": _plain_limit(arc.lower),
                "upper_limit": _plain_limit(arc.upper),
                "largest_residual": float(arc.branch.residual.max()),
                "smallest_curvature": float(arc.branch.curvature.min()),
                "hits": diagram.hits[number].tolist(),
            }
        )
    changes = [
        {
            "parameter": change.parameter,
            "error": change.error,
            "kind": change.kind,
            "below": change.below,
            "above": change.above,
            "loss": change.loss,
            "slopes": list(change.slopes),
        }
        for change in diagram.changes
    ]
    account: dict[str, Any] = {
        "parameter": family.parameter,
        "low": family.low,
        "high": family.high,
        "probes": list(diagram.probes),
        "starts": diagram.starts,
        "arcs": arcs,
        "changes": changes,
    }
    if runs is not None:
        ends = {"on the cheapest arc": float(_cheapest_runs(diagram, runs).mean())}
        ends |= {text: runs.share(code) for code, text in ENDINGS.items()}
        account["runs"] = {
            "objective": runs.objective,
            "number": int(runs.arc.size),
            "shares": ends,
            "values": len(runs.parameter),
            "values_with_a_run_on_the_cheapest": int(_cheapest_runs(diagram, runs).any(axis=1).sum()),
            "by_arc": [runs.share(number) for number in range(len(arcs))],
            "endings": [
                {"parameter": float(t), "arcs": row.tolist()} for t, row in zip(runs.parameter, runs.arc, strict=True)
            ],
            "furthest_from_its_minimum": float(runs.moved.max()),
            "median_distance": float(sorted(runs.moved.ravel())[runs.moved.size // 2]),
        }
    return account


def _cheapest_runs(diagram: BranchDiagram, runs: BranchRuns) -> NDArray[np.bool_]:
    """Return which runs ended on the cheapest arc of their t, shape (K, seeds)."""
    cheapest: NDArray[np.bool_] = runs.arc == diagram.cheapest(runs.parameter)[:, None]
    return cheapest


def _plain_limit(limit: Limit | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    return {
        "parameter": limit.parameter,
        "error": limit.error,
        "mechanism": limit.mechanism,
        "breaks_symmetry": limit.breaks,
        "residual": limit.residual,
    }


def _print(account: dict[str, Any]) -> None:
    rows = []
    for change in account["changes"]:
        rows.append(
            [
                f"{change['parameter']:.10f}",
                f"{change['error']:.0e}",
                change["kind"],
                f"{change['below']} to {change['above']}",
                f"{change['loss']:.10f}",
            ]
        )
    columns = [account["parameter"], "error", "kind", "minima", "loss"]
    print_table("Where the cheapest minimum changes", columns, rows)
    runs = account.get("runs")
    rows = []
    for arc in account["arcs"]:
        ends = ", ".join(_end(arc[limit]) for limit in ("lower_limit", "upper_limit"))
        share = "" if runs is None else f"{100 * runs['by_arc'][arc['number']]:.2f}"
        rows.append([str(arc["number"]), arc["name"], f"{arc['from']:.8f}", f"{arc['to']:.8f}", ends, share])
    print_table("Where each is a minimum", ["", "phase", "from", "to", "ends", "% of runs"], rows)
    if runs is None:
        return
    shares = ", ".join(f"{100 * share:.2f} % {text}" for text, share in runs["shares"].items())
    console().print(f"Of {runs['number']} runs ({runs['objective']}): {shares}.", soft_wrap=True)
    reached = runs["values_with_a_run_on_the_cheapest"]
    console().print(f"At {reached} of {runs['values']} values some run reached the cheapest minimum.", soft_wrap=True)


def _end(limit: dict[str, Any] | None) -> str:
    """Return why an arc ends; the edge of the range, or where it meets another one, has no limit of its own."""
    return "–" if limit is None else str(limit["mechanism"])
