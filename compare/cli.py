"""The command line, `tegum`. Heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .sweeping import sweep

if TYPE_CHECKING:
    from rich.console import Console

    from tegum.theory import CriticalPoint, ToyModel

    from .ledger import Ledger

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Exact theory and training of toy models of superposition, x' = ReLU(W^T W x + b).",
)

app.command()(sweep)

Features = Annotated[int, typer.Option("--features", help="Number of features n.")]
Hidden = Annotated[int, typer.Option("--hidden", help="Number of hidden dimensions m.")]
Density = Annotated[float, typer.Option("--density", help="Feature density 1-S, in (0, 1].")]
Importance = Annotated[float, typer.Option("--importance", help="Importance of the last feature against the others.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column in columns:
        words = column in ("", "phase", "status", "curve", "ends")
        whole = column in ("phase", "loss", "gradient", "status")
        table.add_column(column, justify="left" if words else "right", no_wrap=whole)
    for row in rows:
        table.add_row(*row)
    _console().print(table)


def _point_json(point: CriticalPoint) -> dict[str, Any]:
    return {
        "phase": point.phase,
        "loss": point.loss,
        "weights": point.weights.tolist(),
        "bias": point.bias.tolist(),
        "gradient_norm": point.gradient_norm,
        "hessian_eigenvalues": point.hessian_eigenvalues.tolist(),
        "curvature": point.curvature,
        "status": point.status,
        "reason": point.reason,
    }


def _vector(values: Any) -> str:
    return " ".join(f"{round(value, 4) + 0.0:.4f}" for value in values.ravel())


def _model(features: int, hidden: int, density: float, importance: float) -> ToyModel:
    from tegum.theory import diagram_model

    return diagram_model(features, hidden, density, importance)


@app.command()
def diagram(
    features: Features = 2,
    hidden: Hidden = 1,
    cells: Annotated[int, typer.Option(help="Cells along each axis.")] = 28,
    seeds: Annotated[int, typer.Option(help="Trained runs in each cell.")] = 8,
    steps: Annotated[int, typer.Option(help="Optimiser steps of each run.")] = 3000,
    batch: Annotated[int, typer.Option(help="Inputs per step of the sampled objective.")] = 256,
    objective: Annotated[str, typer.Option(help="Train on 'sampled' inputs or on the 'exact' loss.")] = "sampled",
    device: Annotated[str, typer.Option(help="'auto', 'cpu' or 'cuda'.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for dataset, figure and ledger.")] = Path("out"),
    source: Annotated[Path | None, typer.Option("--from", help="Redraw this dataset instead of computing one.")] = None,
    as_json: Json = False,
) -> None:
    """Compute and draw a phase diagram: published candidates, exact minima, trained models, and every run's account."""
    from .dataset import load
    from .diagram import DATASET_NAME, DiagramSettings, InterruptedRunError, phase_diagram
    from .ledger import agreement

    if source is not None:
        dataset = load(source)
        sizes = dataset.attrs["n_features"], dataset.attrs["n_hidden"]
        if sizes != (features, hidden):
            raise ValueError(f"expected a dataset of n={features}, m={hidden}, got one of n={sizes[0]}, m={sizes[1]}")
    else:
        settings = DiagramSettings(
            n_features=features,
            n_hidden=hidden,
            cells=cells,
            seeds=seeds,
            steps=steps,
            batch_size=batch,
            objective=objective,
            device=device,
        )
        try:
            with _Stages() as stages:
                dataset = phase_diagram(settings, out=out, report=stages.report)
        except InterruptedRunError as stop:
            sys.stderr.write(f"tegum: interrupted: {stop}; the same command goes on from there\n")
            raise typer.Exit(130) from None
    ledger = agreement(dataset)
    from .figures import phase_diagram_figure, save_figure

    picture, book = out / "diagram.png", out / "ledger.json"
    out.mkdir(parents=True, exist_ok=True)
    book.write_text(json.dumps(ledger.as_json(), indent=2) + "\n")
    save_figure(phase_diagram_figure(dataset, ledger), picture)
    if as_json:
        _print_json(ledger.as_json())
        return
    _print_ledger(ledger)
    kept = "" if source is not None else f", {out / DATASET_NAME}"
    _console().print(f"Wrote {picture}, {book}{kept}.")


class _Stages:
    """Progress through the stages of a phase diagram, on standard error."""

    def __enter__(self) -> _Stages:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:16}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=_console(stderr=True))
        self._bars.start()
        self._tasks: dict[str, Any] = {}
        return self

    def report(self, stage: str, share: float) -> None:
        """Show how far a stage is; a new stage ends the ones before."""
        if stage not in self._tasks:
            self._finish()
            self._tasks[stage] = self._bars.add_task(stage, total=None if share == 0.0 and stage != "training" else 1.0)
        self._bars.update(self._tasks[stage], completed=share)

    def _finish(self) -> None:
        for task in self._tasks.values():
            self._bars.update(task, total=1.0, completed=1.0)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        self._bars.stop()


def _print_ledger(ledger: Ledger) -> None:
    meaning = {
        "global": "ended in the cheapest minimum",
        "other": "ended in another minimum that theory lists",
        "unexplained": "ended in none",
    }
    rows = [[meaning[name], f"{count}", f"{ledger.share(name):.2%}"] for name, count in ledger.outcomes.items()]
    rows += [
        [f"  of the others: {phase}", f"{count}", f"{count / ledger.runs:.2%}"]
        for phase, count in ledger.other_endings.items()
    ]
    _table(f"{ledger.runs} trained runs in {ledger.cells} cells", ["", "runs", "share"], rows)
    facts = [
        [
            "best seed in the cheapest phase, cells off a boundary",
            f"{ledger.best_agreement:.2%} of {ledger.best_cells}",
        ],
        ["published candidates name another phase", f"{ledger.published_wrong:.2%} of cells"],
        ["polishing moved a run by (median, 99 %)", f"{ledger.distance_median:.2g}, {ledger.distance_99:.2g}"],
        [
            "excess loss before polishing (median, 99 %)",
            f"{ledger.excess_loss_median:.2g}, {ledger.excess_loss_99:.2g}",
        ],
        ["runs that polishing led through a saddle", f"{ledger.escapes}"],
    ]
    for omission in ledger.omissions:
        at = f"{omission.density:.3g}, {omission.importance:.3g}"
        facts.append([f"no candidate stands for {omission.phase}", f"cheapest in {omission.cells} cells"])
        facts.append([f"  its loss at density, importance {at}", f"{omission.loss:.6f}"])
        facts.append([f"  the best candidate's, {omission.published_phase}", f"{omission.published_loss:.6f}"])
    _table("Agreement of training with theory", ["", "value"], facts)


@app.command()
def minima(
    density: Density,
    importance: Importance = 1.0,
    features: Features = 2,
    hidden: Hidden = 1,
    as_json: Json = False,
) -> None:
    """List all local minima of the exact loss at one point."""
    from tegum.theory import local_minima

    points = local_minima(_model(features, hidden, density, importance))
    if as_json:
        _print_json([_point_json(point) for point in points])
        return
    rows = [
        [
            p.phase,
            f"{p.loss:.10g}",
            _vector(p.weights),
            _vector(p.bias),
            f"{p.gradient_norm:.0e}",
            p.status,
        ]
        for p in points
    ]
    title = f"Local minima at density {density:g}, relative importance {importance:g}"
    _table(title, ["phase", "loss", "weights", "bias", "gradient", "status"], rows)


@app.command()
def derive(
    features: Features = 2,
    hidden: Hidden = 1,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    code: Annotated[str | None, typer.Option("--code", help="Print a program: 'c' or 'javascript'.")] = None,
    as_json: Json = False,
) -> None:
    """Derive the exact loss as a formula, region by region."""
    from tegum.theory import derive_loss

    formula = derive_loss(features, hidden)
    if code is not None:
        sys.stdout.write(formula.code(code))
        return
    if latex:
        sys.stdout.write(formula.latex() + "\n")
        return
    outputs: list[dict[str, Any]] = [
        {
            "output": output.feature + 1,
            "regions": [{"assumptions": str(r.assumptions), "loss": str(r.expression)} for r in output.regions],
        }
        for output in formula.outputs
    ]
    if as_json:
        _print_json(outputs)
        return
    console = _console()
    for output in outputs:
        console.print(f"[bold]E(x_{output['output']} - x'_{output['output']})²[/bold]")
        for region in output["regions"]:
            console.print(f"  if {region['assumptions']}:", markup=False, soft_wrap=True)
            console.print(f"    {region['loss']}", markup=False, soft_wrap=True)


@app.command()
def loss(
    weights: Annotated[Path, typer.Option("--weights", help="File with W and b: .npz, .pt or .safetensors.")],
    density: Density,
    importance: Importance = 1.0,
    as_json: Json = False,
) -> None:
    """Print exact loss, gradient norm and phase of your own trained weights, and up to 4 features the minimum below."""
    import numpy as np

    from tegum.theory import (
        MAX_SEARCHED_FEATURES,
        SAME_LOSS,
        expected_loss,
        local_minima,
        loss_gradient,
        match,
        phase,
        polish,
    )

    from .weights import read_weights

    matrix, bias = read_weights(weights)
    model = _model(matrix.shape[1], matrix.shape[0], density, importance)
    value = float(expected_loss(model, matrix, bias))
    gradient = loss_gradient(model, matrix, bias)
    norm = float(np.sqrt(sum((part**2).sum() for part in gradient)))
    result: dict[str, Any] = {"loss": value, "gradient_norm": norm, "phase": phase(matrix, bias)}
    rows = [["weights given", result["phase"], f"{value:.10g}", f"{norm:.2e}", ""]]
    # Minima are searched for in small models only.
    if model.n_features <= MAX_SEARCHED_FEATURES:
        below = polish(model.take((None,)), matrix[None], bias[None])
        points = local_minima(model)
        listed = int(match([points], below)[0])
        moved = float(below.moved[0])
        near = {
            "phase": phase(below.weights[0], below.bias[0]),
            "loss": float(below.loss[0]),
            "weights": below.weights[0].tolist(),
            "bias": below.bias[0].tolist(),
            "distance": moved,
            "listed_as": listed if listed >= 0 else None,
            "is_global": listed >= 0 and points[listed].loss <= points[0].loss + SAME_LOSS,
        }
        result |= {"nearest_minimum": near, "global_minimum": {"phase": points[0].phase, "loss": points[0].loss}}
        rows += [
            ["minimum below", near["phase"], f"{near['loss']:.10g}", f"{below.gradient_norm[0]:.1e}", f"{moved:.4g}"],
            ["global minimum", points[0].phase, f"{points[0].loss:.10g}", f"{points[0].gradient_norm:.1e}", ""],
        ]
    if as_json:
        _print_json(result)
        return
    _table(
        f"{weights} at density {density:g}, relative importance {importance:g}",
        ["", "phase", "loss", "gradient", "distance"],
        rows,
    )


@app.command()
def boundary(
    phases: Annotated[
        list[str], typer.Argument(help="One phase: its limits of stability. Two: where they cost the same.")
    ],
    features: Features = 2,
    hidden: Hidden = 1,
    as_json: Json = False,
) -> None:
    """Trace exact phase boundaries over density 0.01 to 1 and relative importance 0.1 to 10."""
    from tegum.theory import check_superposition, coexistence_curve, stability_limit

    check_superposition(features, hidden)
    if len(phases) == 1:
        curves = stability_limit(phases[0], n_features=features, n_hidden=hidden)
    elif len(phases) == 2:
        curves = coexistence_curve(*phases, n_features=features, n_hidden=hidden)
    else:
        raise ValueError(f"expected one or two phases, got {len(phases)}")
    if as_json:
        _print_json(
            [
                {
                    "kind": c.kind,
                    "phases": list(c.phases),
                    "mechanism": c.mechanism,
                    "status": c.status,
                    "reason": c.reason,
                    "density": c.density.tolist(),
                    "importance": c.importance.tolist(),
                    "residual": c.residual.tolist(),
                    "error": c.error.tolist(),
                    "cheapest": c.cheapest.tolist(),
                }
                for c in curves
            ]
        )
        return
    rows = []
    for c in curves:
        name = " | ".join(c.phases)
        rows.append(
            [
                f"{c.kind}: {name} ({c.mechanism})",
                str(len(c.density)),
                f"{c.residual.max():.1e}",
                f"{c.error.max():.1e}",
                c.reason,
            ]
        )
    _table("Exact boundaries", ["curve", "points", "residual", "error", "ends"], rows)


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        sys.stderr.write("tegum: interrupted\n")
        sys.exit(130)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"tegum: {_line(error)}\n")
        sys.exit(2)
    except Exception as error:
        # Typer's own errors of usage carry a message and an exit code.
        if not hasattr(error, "format_message"):
            raise
        message = " ".join(error.format_message().split())
        sys.stderr.write(f"tegum: {message}\n" if message else "")
        sys.exit(2)
    sys.exit(code or 0)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
