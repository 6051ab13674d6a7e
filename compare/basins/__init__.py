"""Which minimum seeds end in: shares along the gradient flow beside sampled training, with intervals.

`shares` counts over densities, importances and initial scales; `planes` maps the plane of initial weights. Begin with
`shares`, and docs/basins.md:

    >>> from tegum.compare.basins import wilson_interval
    >>> low, high = wilson_interval(5, 10)
    >>> bool(low < 0.5 < high)
    True
"""

from .planes import basin_plane
from .shares import OBJECTIVES, SADDLE, BasinSettings, basin_shares, load_basins, wilson_interval

__all__ = [
    "OBJECTIVES",
    "SADDLE",
    "BasinSettings",
    "basin_plane",
    "basin_shares",
    "load_basins",
    "wilson_interval",
]
