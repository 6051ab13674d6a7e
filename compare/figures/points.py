"""Pictures of points in the plane and in space, all in one style: sphere, edges, points, and what is far fades.

The picture is an orthographic one on plain axes. Everything is painted from back to front, and lighter the further back
it is. Points on a sphere get the edges of their convex hull, and are coloured by how many neighbours they have there;
features of a toy model get an edge where they interfere, solid where the overlap is positive, which a ReLU lets
through, and dashed where it is negative.

More than three dimensions aren't drawn. A projection on the directions of largest spread would be arbitrary for what
matters most here: in a tight frame all directions have the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import ArrayLike, NDArray

from tegum.theory.geometry import feature_norms, gram, interference_graph
from tegum.theory.numerics import FloatArray, check_kind, check_number, numbers, reals
from tegum.theory.spheres import SAME, hull_edges, rotation_axes, symmetries

if TYPE_CHECKING:
    pass


# Okabe and Ito's colours (DOI 10.1038/nmeth.1618) for points by their neighbours on the hull; their greys differ.
DEGREE_COLOURS = {3: "#000000", 4: "#E69F00", 5: "#0072B2", 6: "#F0E442", 7: "#D55E00", 8: "#CC79A7"}
# Largest weights that are drawn: their squares, and margins around them, are numbers.
LARGEST = 1e100
POINT_COLOUR, EDGE_COLOUR, SPHERE_COLOUR = "#303030", "#404040", "#F4F4F4"
# Overlaps that a ReLU lets through, and those that it cuts off.
POSITIVE_COLOUR, NEGATIVE_COLOUR = "#D55E00", "#0072B2"
DASHED: Any = (0, (3, 1.6))
# Where the spectator stands, in degrees; how much of its colour what is furthest loses; area of a point.
AZIMUTH, ELEVATION, FADING, AREA = 24.0, 18.0, 0.72, 44.0


def in_three_dimensions(points: ArrayLike) -> FloatArray:
    """Return points as points of space: those in fewer dimensions get zeros, those that span fewer are turned.

    Args:
        points: shape (n, d).

    Returns:
        Shape (n, 3), with the same distances to each other and to the origin.

    Raises:
        ValueError: if the shape is another, a number isn't finite, or the points span more than three dimensions.
    """
    found = numbers("points", points).astype(np.float64)
    if found.ndim != 2 or 0 in found.shape or not np.isfinite(found).all():
        raise ValueError(f"points to draw must be finite numbers of shape (n, d), got shape {found.shape}")
    if found.shape[1] > 3:
        _, sizes, directions = np.linalg.svd(found, full_matrices=False)
        rank = int((sizes > SAME * max(sizes[0], 1.0)).sum())
        if rank > 3:
            raise ValueError(f"points in at most three dimensions can be drawn, got points that span {rank}")
        found = found @ directions[:3].T
    return np.pad(found, ((0, 0), (0, 3 - found.shape[1])))


def upright(points: FloatArray) -> FloatArray:
    """Return points of space turned so that an axis of highest symmetry is vertical; as they are if there is none.

    Points of the plane stay as they are, too.

    Args:
        points: shape (n, d).
    """
    if points.shape[1] != 3 or np.linalg.matrix_rank(points, tol=SAME) < 2:
        return points
    axes = rotation_axes(symmetries(points))
    if not axes:
        return points
    up, _ = max(axes, key=lambda pair: pair[1])
    left, _, right = np.linalg.svd(np.outer([0.0, 0.0, 1.0], up))
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    return np.asarray(points @ turn.T)


def _camera(azimuth: float, elevation: float) -> FloatArray:
    """Return the rotation after which the first coordinate is right, the second up, and the third to the spectator."""
    a, e = np.radians([azimuth, elevation])
    around = np.array([[np.cos(a), np.sin(a), 0], [0, 0, 1], [np.sin(a), -np.cos(a), 0]])
    tilt = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    return np.asarray(tilt @ around)


def _faded(colour: str, nearness: float) -> tuple[float, float, float]:
    """Return a colour, lighter the further back: nearness is 1 in front and 0 at the back."""
    share = FADING * (1 - nearness)
    red, green, blue = (part + (1 - part) * share for part in to_rgb(colour))
    return red, green, blue


def draw_configuration(
    axes: Axes,
    points: ArrayLike,
    *,
    edges: Sequence[tuple[int, int]] | NDArray[np.int64] = (),
    edge_styles: Sequence[dict[str, Any]] | None = None,
    colours: Sequence[str] | str = POINT_COLOUR,
    labels: Sequence[str] | None = None,
    azimuth: float = AZIMUTH,
    elevation: float = ELEVATION,
) -> Axes:
    """Draw points of the plane or of space, with edges between some.

    Args:
        axes: plain ones, which are made square and lose their frame.
        points: shape (n, d), which span at most three dimensions; two coordinates are drawn flat.
        edges: pairs of points, shape (edges, 2).
        edge_styles: "color", "linewidth" and "linestyle" of each edge.
        colours: of the points, or of each.
        labels: of the points; none by default.
        azimuth: where the spectator stands, in degrees around the vertical axis.
        elevation: and above the horizon.

    Raises:
        ValueError: as `in_three_dimensions`.
    """
    flat = np.asarray(points).ndim == 2 and np.asarray(points).shape[1] <= 2
    space = in_three_dimensions(points)
    seen = space if flat else space @ _camera(azimuth, elevation).T
    n, radius = len(seen), max(1.0, float(np.linalg.norm(seen, axis=1).max()))
    near = np.ones(n) if flat else (seen[:, 2] / radius + 1) / 2
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-1.2 * radius, 1.2 * radius)
    axes.set_ylim(-1.2 * radius, 1.2 * radius)
    face = "none" if flat else SPHERE_COLOUR
    axes.add_patch(Circle((0, 0), 1.0, facecolor=face, edgecolor="#B0B0B0", linewidth=0.6, zorder=0.5))
    pairs = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    # In the plane points lie over edges; in space what is nearer lies over what is further, but a point over its edges.
    front = np.full(n, 1.0) if flat else near.copy()
    for number, (i, j) in enumerate(pairs):
        style: dict[str, Any] = {"color": EDGE_COLOUR, "linewidth": 0.9, "linestyle": "-"}
        style |= edge_styles[number] if edge_styles else {}
        middle = (near[i] + near[j]) / 2
        front[[i, j]] = np.maximum(front[[i, j]], middle)
        style["color"] = _faded(style["color"], middle)
        axes.plot(*seen[[i, j], :2].T, solid_capstyle="round", zorder=1 + middle, **style)
    each = [colours] * n if isinstance(colours, str) else list(colours)
    for i in range(n):
        colour, outline = _faded(each[i], near[i]), _faded("#000000", near[i])
        area = AREA * (1 if flat else 0.55 + 0.45 * near[i])
        order = 1.001 + front[i]
        axes.scatter(seen[i, 0], seen[i, 1], s=area, color=[colour], edgecolors=[outline], linewidths=0.6, zorder=order)
        if labels is not None:
            size = np.linalg.norm(seen[i, :2])
            away = seen[i, :2] / size if size > 0.1 * radius else np.array([0.7, 0.7])
            axes.annotate(
                labels[i],
                (seen[i, 0], seen[i, 1]),
                xytext=tuple(8 * away),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=7,
                color=_faded("#000000", (1 + near[i]) / 2),
                zorder=3,
            )
    return axes


def draw_points(axes: Axes, points: ArrayLike, **view: Any) -> Axes:
    """Draw points on a sphere or a circle with the edges of their hull, coloured by how many of these they have.

    Args:
        axes: plain ones.
        points: shape (n, d).
        view: `labels`, `azimuth` and `elevation` of `draw_configuration`.

    Raises:
        ValueError: as `in_three_dimensions`.
    """
    check_kind("axes", axes, Axes)
    edges = hull_edges(in_three_dimensions(points))
    degrees = np.bincount(edges.ravel(), minlength=len(np.asarray(points)))
    colours = [DEGREE_COLOURS.get(int(degree), POINT_COLOUR) for degree in degrees]
    return draw_configuration(axes, points, edges=edges, colours=colours, **view)


def draw_features(axes: Axes, weights: ArrayLike, *, tolerance: float = 0.05, **view: Any) -> Axes:
    """Draw the features of a toy model as points W_i, with an edge between any two that interfere.

    Args:
        axes: plain ones.
        weights: W, shape (n_hidden, n_features).
        tolerance: overlaps smaller than this, relative to ‖W_i‖‖W_j‖, are none; as in `interference_graph`.
        view: `labels`, `azimuth` and `elevation` of `draw_configuration`.

    Raises:
        ValueError: as `in_three_dimensions`.
    """
    check_kind("axes", axes, Axes)
    tolerance = check_number("tolerance", tolerance, least=0, below=1)
    weights = reals("weights", weights, ("n_hidden", "n_features"), least=-LARGEST, most=LARGEST)
    if 0 in weights.shape:
        raise ValueError(f"weights to draw must have one feature or more, and one dimension, got {weights.shape}")
    in_three_dimensions(weights.T)
    edges, styles = interference_edges(weights, tolerance)
    lengths = feature_norms(weights)
    stored = lengths > tolerance * max(1.0, lengths.max())
    colours = [POINT_COLOUR if there else "#FFFFFF" for there in stored]
    return draw_configuration(axes, weights.T, edges=edges, edge_styles=styles, colours=colours, **view)


def interference_edges(weights: ArrayLike, tolerance: float) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
    """Return which pairs of features interfere, shape (edges, 2), and how each edge is drawn.

    Args:
        weights: W, shape (n_hidden, n_features).
        tolerance: as in `draw_features`.
    """
    weights = numbers("weights", weights).astype(np.float64)
    overlaps, edges = gram(weights), np.argwhere(np.triu(interference_graph(weights, tolerance)))
    lengths, styles = feature_norms(weights), []
    for i, j in edges:
        cosine = overlaps[i, j] / (lengths[i] * lengths[j])
        seen = {"color": POSITIVE_COLOUR} if cosine > 0 else {"color": NEGATIVE_COLOUR, "linestyle": DASHED}
        styles.append(seen | {"linewidth": (0.5 if cosine > 0 else 0.3) + 0.9 * abs(cosine)})
    return edges, styles


def degree_legend(degrees: Iterable[int]) -> list[Line2D]:
    """Return the entries of a legend for points with so many neighbours."""
    style: dict[str, Any] = {"marker": "o", "linestyle": "none", "markeredgecolor": "black", "markersize": 5.5}
    return [
        Line2D(
            [],
            [],
            markerfacecolor=DEGREE_COLOURS.get(degree, POINT_COLOUR),
            label=f"{degree} neighbour{'s' * (degree != 1)}",
            **style,
        )
        for degree in sorted({int(degree) for degree in degrees})
    ]


def overlap_legend() -> list[Line2D]:
    """Return the entries of a legend for overlaps."""
    return [
        Line2D([], [], color=POSITIVE_COLOUR, linewidth=1.2, label="overlap > 0: a ReLU lets it through"),
        Line2D([], [], color=NEGATIVE_COLOUR, linewidth=1.0, linestyle=DASHED, label="overlap < 0"),
    ]
