"""compare/basins."""

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
