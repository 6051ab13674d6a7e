"""Everything that is drawn. Functions take what was computed and return axes or figures; none computes or shows.

`style` has what all figures share; each of the others draws what one command found. Begin with `phase_diagram`:

    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from tegum.compare import draw_points
    >>> axes = draw_points(Figure().add_subplot(), np.array([[1.0, 0.0], [-1.0, 0.0]]))
    >>> axes.name
    'rectilinear'
"""

from .basins import basins_figure, planes_figure
from .boundaries import boundary_figure
from .branches import branch_figure
from .certified import certified_figure
from .foreign import foreign_figure
from .free_packing import free_packing_figure
from .galleries import gallery, polytope_figure, thomson_figure
from .packing import packing_figure
from .phase_diagram import phase_diagram_figure
from .points import draw_features, draw_points, overlap_legend, upright
from .style import save_figure
from .turntable import check_turntable, save_turntable
from .uniform import uniform_figure

__all__ = [
    "basins_figure",
    "boundary_figure",
    "branch_figure",
    "certified_figure",
    "check_turntable",
    "draw_features",
    "draw_points",
    "foreign_figure",
    "free_packing_figure",
    "gallery",
    "overlap_legend",
    "packing_figure",
    "phase_diagram_figure",
    "planes_figure",
    "polytope_figure",
    "save_figure",
    "save_turntable",
    "thomson_figure",
    "uniform_figure",
    "upright",
]
