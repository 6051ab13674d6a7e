"""The command line's root: which commands there are, and how each run ends."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any

import typer

from ..terminal import (
    FAILED,
    INTERRUPTED,
    MISUSE,
    LateCommands,
    complain,
    spell_what_cannot_be_encoded,
    stoppable,
    tell,
)

# For each command its module, which is loaded when the command is asked for, and a line that fits beside its name.
COMMANDS = {
    "diagram": ("diagram", "Compute and draw a phase diagram, every run explained."),
    "minima": ("minima", "Search for minima of the exact loss at one point."),
    "derive": ("derive", "Derive the exact loss as a formula."),
    "loss": ("loss", "Print exact loss and phase of your own weights."),
    "boundary": ("boundary", "Trace exact phase boundaries and special points."),
    "train": ("train", "Train one model from several seeds."),
    "sweep": ("sweep", "Train a grid of models into a dataset on disk."),
    "basins": ("basins", "Count which minimum seeds end in."),
    "packing": ("packing", "Find the best packing of many equal features."),
    "uniform": ("uniform", "Hold trained models of equal features against packings."),
    "thomson": ("thomson", "Solve the Thomson problem, or hold features against it."),
    "deform": ("branches", "Follow minima as one feature changes."),
    "correlated": ("branches", "Follow minima of correlated or anticorrelated pairs."),
    "certify": ("certify", "Prove which minimum is the global one, or check it."),
    "certified-diagram": ("certified_diagram", "Prove which phase is cheapest in a diagram's cells."),
}


class Tegum(LateCommands):
    """The commands of `tegum`."""

    package, registered = __package__, COMMANDS


# Plain help: the panels of rich would take as long to load as everything else together.
app = typer.Typer(
    cls=Tegum,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Exact theory and training of toy models of superposition, x' = ReLU(W^T W x + b).",
)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"tegum {version('tegum')}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Show help if no command is asked for."""
    if context.invoked_subcommand is None:
        sys.stdout.write(f"{context.get_help()}\n")
        raise typer.Exit(MISUSE)


# Of everything else.
shown = warnings.showwarning


def _warned(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Show the project's own warnings as it complains, without the place in the sources."""
    if category.__module__.startswith("tegum."):
        complain(f"warning: {message}")
    else:
        shown(message, category, *where, **more)


def main() -> None:
    """Run the command line, and exit with its code.

    Bad input is one line on standard error and exit code 2; a result that is elsewhere than it was asked for, or for
    which there isn't enough memory, one line and 1. Ctrl-C is one line and 130, SIGTERM and SIGHUP likewise 128 and the
    signal's number.
    """
    # Matrices here are small: a second thread of linear algebra doubles the time of packings, spent waiting. That is
    # read when a command loads NumPy; torch has threads of its own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with stoppable():
        try:
            code = _run()
        except KeyboardInterrupt:
            # Before the command begins, or while it is told how it ended.
            code = tell("", goes_on=False)
    sys.exit(code)


def _run() -> int | str:
    """Run the command line and return its exit code."""
    from ..progress import InterruptedRunError

    spell_what_cannot_be_encoded()
    try:
        # One name, however it was started: that of the variable by which shells ask for completions hangs on it.
        with warnings.catch_warnings():
            warnings.showwarning = _warned
            code = app(prog_name="tegum", standalone_mode=False) or 0
        if code == INTERRUPTED:
            # Typer says nothing of Ctrl-C that comes while it reads words.
            raise KeyboardInterrupt
    except InterruptedRunError as stop:
        code = tell(str(stop), goes_on=stop.goes_on)
    except KeyboardInterrupt:
        code = tell("", goes_on=False)
    except (ValueError, OSError) as error:
        from tegum.theory.storage import MovedError

        complain(str(error))
        code = FAILED if isinstance(error, MovedError) else MISUSE
    except MemoryError as error:
        complain(f"there isn't enough memory for this, ask for less at a time: {str(error) or 'none is left'}")
        code = FAILED
    except Exception as error:
        # Typer's own errors of usage carry a message.
        if not hasattr(error, "format_message"):
            raise
        complain(error.format_message())
        code = MISUSE
    return code
