"""A configuration of points that turns around its vertical axis, as an animation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tegum.theory.numerics import check_callable, reals
from tegum.theory.storage import Destination, check_path

from .points import AZIMUTH
from .style import STYLE

# A turntable's pictures, their rate, and their size in inches and dots.
FRAMES, RATE, FRAME_INCHES, FRAME_DOTS = 72, 18, 3.0, 110


def check_turntable(path: Path) -> None:
    """Raise `ValueError` unless a file's name ends in .gif."""
    if path.suffix.lower() != ".gif":
        raise ValueError(f"a turntable is written as a .gif, got {path.name!r}")


def save_turntable(
    draw: Callable[..., Axes], points: ArrayLike, path: Path, *, on_progress: Callable[[float], None] | None = None
) -> None:
    """Write an animation in which points turn around the vertical axis once.

    Args:
        draw: `draw_points`, `draw_features` or another function of axes, points, and azimuth by name.
        points: what it draws.
        path: of a GIF.
        on_progress: called with the share that is done.

    Raises:
        ValueError: if the file's name doesn't end in .gif, a folder is there, or another process is writing it.
        MovedError: if it can't be written there; it is elsewhere then.
    """
    if not reals("points", points, ("n", "d")).size:
        raise ValueError("points must be at least one, of at least one dimension, got none")
    check_callable("draw", draw, 2, "azimuth")
    check_path("path", path, new=True)
    check_callable("on_progress", on_progress, 1, optional=True)
    path = Path(path)
    check_turntable(path)
    with Destination(path) as place, mpl.rc_context(STYLE):
        figure = Figure(figsize=(FRAME_INCHES, FRAME_INCHES))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        writer = PillowWriter(fps=RATE)

        def write(new: Path) -> None:
            # By its ending the format is known.
            named = new.with_suffix(path.suffix)
            with writer.saving(figure, str(named), FRAME_DOTS):
                for frame in range(FRAMES):
                    axes.clear()
                    draw(axes, points, azimuth=AZIMUTH + 360 * frame / FRAMES)
                    writer.grab_frame()
                    if on_progress is not None:
                        on_progress((frame + 1) / FRAMES)
            named.rename(new)

        place.save(write)
