"""`tegum deform` and `tegum correlated`: minima followed along the parameter of a family, and models beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    EQUAL,
    GROUPED,
    LAST,
    Coverage,
    Json,
    ModelOptions,
    Stages,
    console,
    goes_without,
    keeping,
    print_json,
    print_table,
    say,
    varies,
    with_groups,
    write_json,
    written,
)

if TYPE_CHECKING:
    from tegum.theory.models import Family

# What covers models that these commands don't.
BEYOND = "branch_diagram of tegum.theory.branches takes a Family of any models"
RANGE = "--low and --high are its range"
MOST_FEATURES, MOST_PAIRS = 6, 3
# Densities of equal features at which the pentagon and the triangle are the cheapest.
DENSITY, DENSITY_OF_THREE = 0.1, 0.7
HIGHEST_DENSITY = 0.98
# Minima that cost more than this times the cheapest where they are found aren't followed; of few features all are.
MARGIN, FEW = 2.0, 4
# Trained models keep this share of log t away from its ends.
ASIDE = 0.01
# Places, starts and seeds: more would take days.
MOST, MOST_OF_BOTH = 65_536, 1_000_000
TABLE, FIGURE, CHECKPOINT = "branches.json", "branches.png", "training.npz"


@dataclass(frozen=True)
class EffortOptions:
    """How hard to search, and what to train."""

    probes: Annotated[int, typer.Option(help="Places at which minima are searched for.")] = 9
    starts: Annotated[int, typer.Option(help="Random starts at each.")] = 64
    runs: Annotated[int, typer.Option(help="Places at which models are trained; 0 for none.")] = 20
    seeds: Annotated[int, typer.Option("--seeds", help="Models trained at each.")] = 32
    objective: Annotated[str, typer.Option("--objective", help="Train on the 'exact' loss or on 'sampled' inputs.")] = (
        "exact"
    )

    def __post_init__(self) -> None:
        """Check them."""
        for name, least in (("probes", 1), ("starts", 1), ("runs", 0), ("seeds", 1)):
            if not least <= (found := getattr(self, name)) <= MOST:
                raise ValueError(f"--{name} must lie in {least} to {MOST:,}, got {found}")
        for one, other in (("starts", "probes"), ("runs", "seeds")):
            if (product := getattr(self, one) * getattr(self, other)) > MOST_OF_BOTH:
                raise ValueError(f"--{one} times --{other} may be {MOST_OF_BOTH:,} at most, got {product:,}")
        if not self.runs:
            goes_without("--runs 0, which trains nothing,", ("seeds", "objective"))
        if self.objective not in ("exact", "sampled"):
            raise ValueError(f"--objective must be 'exact' or 'sampled', got {self.objective!r}")


@with_groups
def deform(
    problem: ModelOptions,
    vary: Annotated[
        str, typer.Option(help="What changes about the last feature: 'density' or 'importance'.")
    ] = "density",
    low: Annotated[float, typer.Option(help="Smallest density or importance relative to the others'.")] = 0.1,
    high: Annotated[float, typer.Option(help="Largest one; densities end at 1.")] = 10.0,
    *,
    effort: EffortOptions,
    out: Annotated[Path, typer.Option(help="Folder for figure and account.")] = Path("out/deform"),
    as_json: Json = False,
) -> None:
    """Follow the minima of equal features as one gets denser or more important, and train models beside them.

    By default five features in two dimensions, of density 0.1; three features of density 0.7.
    """
    family = _changing_feature(problem, vary, low, high)
    with Stages() as stages:
        _show_family(family, effort, out, stages, as_json=as_json)


@with_groups
def correlated(
    problem: ModelOptions,
    pairs: Annotated[
        int | None, typer.Option(help="Number of pairs, up to three; default half of --features, and of that 6.")
    ] = None,
    low: Annotated[float, typer.Option(help="Smallest feature density 1-S.")] = 0.01,
    high: Annotated[float | None, typer.Option(help="Largest; default 0.98, for anticorrelated pairs 0.5.")] = None,
    *,
    effort: EffortOptions,
    out: Annotated[Path, typer.Option(help="Folder for figure and account.")] = Path("out/correlated"),
    as_json: Json = False,
) -> None:
    """Follow the minima of correlated or anticorrelated pairs along their density, and train models beside them.

    By default three correlated pairs in two dimensions.
    """
    family = _tied_pairs(problem, pairs, low, high)
    with Stages() as stages:
        _show_family(family, effort, out, stages, as_json=as_json)


def _check_hidden(hidden: int) -> None:
    if hidden != 2:
        raise ValueError(f"--hidden must be 2, since points are drawn in a plane, got {hidden}")


def _changing_feature(problem: ModelOptions, vary: str, low: float, high: float) -> Family:
    """Return the family of `tegum deform`.

    Raises:
        ValueError: if an option is out of range, or the model isn't one of equal features.
    """
    from tegum.theory.models import ToyModel, one_denser, one_more_important

    if vary not in ("density", "importance"):
        raise ValueError(f"--vary must be 'density' or 'importance', got {vary!r}")
    if vary == "importance":
        varies("tegum deform --vary importance", {"importance": RANGE})
    plain = problem.described(whole=False, otherwise={"n_features": 5, "n_hidden": 2})
    n, m, features = plain["n_features"], plain["n_hidden"], plain["features"]
    _check_hidden(m)
    if not 3 <= n <= MOST_FEATURES:
        raise ValueError(f"--features must lie in 3 to {MOST_FEATURES}, got {n}")
    if features["law"] == "independent":
        features = {"density": DENSITY_OF_THREE if n == 3 else DENSITY, **features}
    covered = Coverage(
        "tegum deform is",
        BEYOND,
        importances=EQUAL if vary == "density" else LAST,
        # What a file says of the density that varies doesn't matter; an option would have no effect.
        last_density=vary == "density" and not written("density"),
    )
    model = covered.check(ToyModel.from_plain({**plain, "features": features}))
    density = float(model.densities()[0])
    if vary == "density":
        return one_denser(n, m, density, low, min(high, 1 / density))
    return one_more_important(n, m, density, low, high)


def _tied_pairs(problem: ModelOptions, pairs: int | None, low: float, high: float | None) -> Family:
    """Return the family of `tegum correlated`.

    Raises:
        ValueError: if an option is out of range, or the model isn't one of pairs.
    """
    from tegum.theory.models import AnticorrelatedFeatures, CorrelatedFeatures, anticorrelated_pairs, correlated_pairs

    varies("tegum correlated", {"density": RANGE})
    sizes = problem.sizes()
    count = sizes.get("n_features", 6) // 2 if pairs is None else pairs
    if not 2 <= count <= MOST_PAIRS:
        what = "--pairs" if pairs is not None else "half of --features"
        raise ValueError(f"{what} must lie in 2 to {MOST_PAIRS}, got {count}")
    together = [[2 * k, 2 * k + 1] for k in range(count)]
    law = {"law": GROUPED[0], "groups": together, "density": 0.5 * HIGHEST_DENSITY}
    model = Coverage("tegum correlated is", BEYOND, laws=GROUPED).check(
        problem.over(otherwise={"n_features": 2 * count, "n_hidden": 2, "features": law})
    )
    _check_hidden(model.n_hidden)
    tied = model.features
    assert isinstance(tied, (CorrelatedFeatures, AnticorrelatedFeatures))
    if model.n_features != 2 * count or sorted(map(sorted, tied.groups)) != together:
        raise ValueError(
            f"tegum correlated is of {count} pairs, 1,2 and 3,4 and so on, got {model.n_features} features in the "
            f"groups {' '.join(','.join(str(i + 1) for i in group) for group in tied.groups)} ({BEYOND})"
        )
    if isinstance(tied, CorrelatedFeatures):
        return correlated_pairs(count, model.n_hidden, low, HIGHEST_DENSITY if high is None else high)
    return anticorrelated_pairs(count, model.n_hidden, low, 0.5 if high is None else high)


def _show_family(family: Family, effort: EffortOptions, out: Path, stages: Stages, *, as_json: bool) -> None:
    """Follow a family's minima, train models beside them, draw both, and print where the cheapest minimum changes.

    Args:
        family: of models.
        effort: how hard to search and what to train.
        out: folder for figure and account.
        stages: progress.
        as_json: whether to print JSON.

    Raises:
        InterruptedRunError: if training was interrupted.
    """
    from tegum.theory.models import ToyModel
    from tegum.theory.storage import Destination

    with Destination(out, (TABLE, FIGURE, CHECKPOINT)):
        account = _followed(family, effort, out, stages)
    if as_json:
        print_json(account)
        return
    say(ToyModel.from_plain(account["model"]).describe())
    _print(account)
    console().print(f"Wrote {out / FIGURE}, {out / TABLE}.", soft_wrap=True)


def _followed(family: Family, effort: EffortOptions, out: Path, stages: Stages) -> dict[str, Any]:
    """Follow a family's minima, train models beside them, write both, and return the account of them."""
    import numpy as np

    from tegum.theory.branches import branch_diagram

    from ..geometry import branch_account

    checkpoint, report = out / CHECKPOINT, stages.report
    span = np.log(family.high / family.low)
    first, last = np.log(family.low) + ASIDE * span, np.log(family.high) - ASIDE * span
    stages.announce(
        f"Minima from {effort.starts} starts at each of {effort.probes} places, followed between them, and "
        f"{effort.runs * effort.seeds:,} runs"
    )
    report("minima", 0.0)
    diagram = branch_diagram(
        family,
        np.exp(np.linspace(first, last, effort.probes)).tolist(),
        starts=effort.starts,
        margin=np.inf if family.n_features <= FEW else MARGIN,
        on_progress=lambda share: report("minima", share),
    )
    found = branch_account(diagram, None)
    write_json(out / TABLE, found)
    stages.first(_first(found))
    runs = None

    def kept() -> str:
        trained = f", and what was trained in {checkpoint}" if checkpoint.exists() else ""
        return f"the minima are in {out / TABLE}{trained}"

    # The minima aren't gone on with.
    with keeping(kept, goes_on=checkpoint.exists):
        if effort.runs:
            from ..geometry import train_along

            runs = train_along(
                diagram,
                np.exp(np.linspace(first, last, effort.runs)),
                seeds=effort.seeds,
                objective=effort.objective,
                on_progress=lambda done, all_of_them: report("training", done / max(all_of_them, 1)),
                checkpoint=checkpoint,
            )
        account = branch_account(diagram, runs)
        write_json(out / TABLE, account)
        # The runs are safe.
        checkpoint.unlink(missing_ok=True)
        from ..figures import branch_figure, save_figure

        report("figure", 0.0)
        save_figure(branch_figure(diagram, runs), out / FIGURE)
    return account


def _first(account: dict[str, Any]) -> str:
    """Return in a line what theory alone says."""
    changes = [
        f"{change['below']} to {change['above']} at {account['parameter']} = {change['parameter']:.6g}"
        for change in account["changes"]
    ]
    return (
        f"the cheapest minimum changes from {', '.join(changes)}" if changes else "the cheapest minimum stays the same"
    )


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
        shares = [] if runs is None else [f"{100 * runs[by][arc['number']]:.2f}" for by in ("by_arc_in_it", "by_arc")]
        rows.append([str(arc["number"]), arc["name"], f"{arc['from']:.8f}", f"{arc['to']:.8f}", ends, *shares])
    columns = ["", "phase", "from", "to", "ends", *([] if runs is None else ["% in it", "% of basin"])]
    print_table("Where each is a minimum", columns, rows)
    if runs is None:
        return
    rows = [[text, f"{runs['shares_in_it'][text]:.2%}", f"{share:.2%}"] for text, share in runs["shares"].items()]
    columns = [f"{runs['number']} runs ({runs['objective']})", "in it, by their own weights", "polished"]
    print_table("Where runs are", columns, rows)
    far = f"polishing moves them by {runs['median_distance']:.1e} (median) and {runs['distance_99']:.1e} (99 %)"
    own = f"By their own weights {runs['in_a_minimum']} of {runs['number']} are in a minimum; {far}."
    console().print(own, soft_wrap=True)
    reached = runs["values_with_a_run_in_the_cheapest"]
    console().print(f"At {reached} of {runs['values']} values some run is in the cheapest minimum.", soft_wrap=True)


def _end(limit: dict[str, Any] | None) -> str:
    """Return why an arc ends; the edge of the range, or where it meets another one, has no limit of its own."""
    return "–" if limit is None else str(limit["mechanism"])
