"""The command line, `tegum`. Heavy imports wait until a command needs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from .certified_diagram import certified_diagram
from .certify import certify
from .console import console, print_json, print_table
from .geometry import correlated, deform, packing, thomson, uniform
from .options import INTERRUPTED, Features, Hidden, Json, TrainingCommand
from .stages import Stages
from .sweep import GRID, sweep
from .train import train

if TYPE_CHECKING:
    from tegum.theory.minima import CriticalPoint
    from tegum.theory.models import ToyModel


class Commands(TyperGroup):
    """The commands; Ctrl-C in the middle of one is said in a line, unless the command says more."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.stderr.write("tegum: interrupted\n")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Exact theory and training of toy models of superposition, x' = ReLU(W^T W x + b).",
)

app.command(cls=TrainingCommand)(train)
app.command(cls=TrainingCommand)(sweep)

Density = Annotated[float, typer.Option("--density", help="Feature density 1-S, in (0, 1].")]
Importance = Annotated[float, typer.Option("--importance", help="Importance of the last feature against the others.")]
Layout = Annotated[
    str, typer.Option(help="Axes of W in a file: 'hidden-feature', 'feature-hidden', or 'auto' to tell by their sizes.")
]


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
    from tegum.theory.models import diagram_model

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
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Draw this instead: a dataset (.zarr), weights (.npz, .pt, .safetensors) or a table of cells (.csv).",
        ),
    ] = None,
    layout: Layout = "auto",
    log_sparsity: Annotated[
        str, typer.Option(help="Column log_sparsity of a table: 'density', 'inverse-density', 'sparsity' or 'auto'.")
    ] = "auto",
    log_base: Annotated[str, typer.Option(help="Base of a table's logarithms, a number or e.")] = "10",
    overlap: Annotated[str, typer.Option(help="Column last_polysemanticity of a table: 'root' or 'squares'.")] = "root",
    tolerance: Annotated[
        float | None, typer.Option(help="Distance up to which a table's cell is near a minimum; default 0.05.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute and draw a phase diagram: published candidates, exact minima, trained models, and every run's account."""
    from .diagram import STORE_NAME, TABLE_SUFFIX, WEIGHT_SUFFIXES, show_diagram, show_table, weights_diagram

    if source is not None and source.suffix == TABLE_SUFFIX:
        meaning, sizes = (log_sparsity, log_base, overlap), (features, hidden)
        show_table(source, out, sizes=sizes, cells=cells, meaning=meaning, tolerance=tolerance, as_json=as_json)
        return
    if source is not None and source.suffix in WEIGHT_SUFFIXES:
        with Stages() as stages:
            dataset = weights_diagram(source, out / STORE_NAME, layout, stages.report)
        show_diagram(dataset, out, name="foreign", kept=out / STORE_NAME, as_json=as_json)
        return
    from ..diagrams import DATASET_NAME, DiagramSettings, load, phase_diagram
    from ..progress import InterruptedRunError

    if source is not None:
        dataset = load(source)
        found = dataset.attrs["n_features"], dataset.attrs["n_hidden"]
        if found != (features, hidden):
            raise ValueError(f"expected a dataset of n={features}, m={hidden}, got one of n={found[0]}, m={found[1]}")
        show_diagram(dataset, out, kept=None, as_json=as_json)
        return
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
        with Stages() as stages:
            dataset = phase_diagram(settings, out=out, report=stages.report)
    except InterruptedRunError as stop:
        sys.stderr.write(f"tegum: interrupted: {stop}; the same command goes on from there\n")
        raise typer.Exit(INTERRUPTED) from None
    show_diagram(dataset, out, kept=out / DATASET_NAME, as_json=as_json)


@app.command()
def minima(
    density: Density,
    importance: Importance = 1.0,
    features: Features = 2,
    hidden: Hidden = 1,
    as_json: Json = False,
) -> None:
    """List all local minima of the exact loss at one point."""
    from tegum.theory.minima import local_minima

    points = local_minima(_model(features, hidden, density, importance))
    if as_json:
        print_json([_point_json(point) for point in points])
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
    print_table(title, ["phase", "loss", "weights", "bias", "gradient", "status"], rows)


@app.command()
def derive(
    features: Features = 2,
    hidden: Hidden = 1,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    code: Annotated[str | None, typer.Option("--code", help="Print a program: 'c' or 'javascript'.")] = None,
    as_json: Json = False,
) -> None:
    """Derive the exact loss as a formula, region by region."""
    from tegum.theory.derivation import derive_loss

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
        print_json(outputs)
        return
    screen = console()
    for output in outputs:
        screen.print(f"[bold]E(x_{output['output']} - x'_{output['output']})²[/bold]")
        for region in output["regions"]:
            screen.print(f"  if {region['assumptions']}:", markup=False, soft_wrap=True)
            screen.print(f"    {region['loss']}", markup=False, soft_wrap=True)


@app.command()
def loss(
    weights: Annotated[Path, typer.Option("--weights", help="File with W and b: .npz, .pt, .safetensors or .zarr.")],
    density: Annotated[
        float | None, typer.Option("--density", help="Feature density 1-S, in (0, 1]; default what the file says.")
    ] = None,
    importance: Annotated[
        float | None,
        typer.Option("--importance", help="Of the last feature against the others; default what the file says, or 1."),
    ] = None,
    layout: Layout = "auto",
    as_json: Json = False,
) -> None:
    """Print exact loss, gradient norm and phase of your own trained weights, and up to 4 features the minimum below."""
    from .loss import show_losses

    show_losses(weights, density, importance, layout, as_json=as_json)


@app.command()
def boundary(
    phases: Annotated[
        list[str] | None,
        typer.Argument(help="One phase: its limits of stability. Two: where they cost the same. None: everything."),
    ] = None,
    features: Features = 2,
    hidden: Hidden = 1,
    x: Annotated[
        str | None,
        typer.Option(
            "--x",
            help="First parameter, NAME=LOW:HIGH[:log or :linear], of density, density[k], importance, importance[k], "
            "interference_penalty, weight_decay. Default density=0.01:1.",
        ),
    ] = None,
    y: Annotated[str | None, typer.Option("--y", help="Second parameter. Default importance=0.1:10.")] = None,
    density: Annotated[
        float | None, typer.Option("--density", help="Feature density 1-S where it doesn't vary; default 0.3.")
    ] = None,
    importance: Annotated[
        float | None,
        typer.Option("--importance", help="Importance of the last feature where it doesn't vary; default 1."),
    ] = None,
    penalty: Annotated[float, typer.Option("--penalty", help="Interference penalty where it doesn't vary.")] = 0.0,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw all boundaries and special points into this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Trace exact phase boundaries and special points, over density and relative importance or two other parameters."""
    from .boundary import PlaneOptions, show_curves, show_map

    if x is None and y is None and (density, importance) != (None, None):
        raise ValueError("density and importance both vary unless --x or --y name other parameters")
    fixed = 0.3 if density is None else density, 1.0 if importance is None else importance
    options = PlaneOptions(x, y, *fixed, penalty)
    if phases and figure is not None:
        raise ValueError("--figure draws all boundaries, so it takes no phases")
    if phases:
        show_curves(phases, options, features, hidden, as_json=as_json)
    else:
        show_map(options, features, hidden, figure, as_json=as_json)


@app.command()
def basins(
    density: Annotated[
        str, typer.Option(help=f"Axis of the feature density 1-S, two values or more: {GRID}.")
    ] = "0.01:1:13",
    importance: Annotated[
        str, typer.Option(help="Axis of the second feature's importance against the first's, likewise.")
    ] = "0.1:10:13",
    scales: Annotated[
        str, typer.Option(help="Axis of the initial scale, a factor on Xavier's initial weights, likewise.")
    ] = "0.01,0.1,0.3,1,2",
    seeds: Annotated[int, typer.Option(help="Runs in each cell.")] = 64,
    steps: Annotated[int, typer.Option(help="Optimiser steps of a sampled run.")] = 3000,
    batch: Annotated[int, typer.Option(help="Inputs per step of a sampled run.")] = 256,
    device: Annotated[str, typer.Option(help="Of the sampled runs: 'auto', 'cpu' or 'cuda'.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for dataset, figures and account.")] = Path("out/basins"),
    as_json: Json = False,
) -> None:
    """Count which minimum seeds end in, for two features in one dimension: gradient flow beside sampled training."""
    from .basins import print_basins, show_basins
    from .sweep import numbers

    axes: dict[str, Any] = {
        # Rounded, so that equal importance is exactly 1.
        name: [float(f"{value:.12g}") for value in (values if isinstance(values, list) else [values])]
        for name, option, text in (
            ("density", "density", density),
            ("importance", "importance", importance),
            ("initial_scale", "scales", scales),
        )
        for values in (numbers(option, text),)
    }
    axes |= {"seeds": seeds, "steps": steps, "batch_size": batch, "device": device}
    with Stages() as stages:
        dataset = show_basins(axes, out, stages.report)
    print_basins(dataset, out, as_json=as_json)


for command in (packing, uniform, thomson, deform, correlated, certify, certified_diagram):
    app.command(command.__name__.replace("_", "-"))(command)


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        sys.stderr.write("tegum: interrupted\n")
        sys.exit(INTERRUPTED)
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
