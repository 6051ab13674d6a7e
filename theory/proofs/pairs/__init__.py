"""The search for a proof of two features in one dimension: boxes of weights are cut until each is excluded.

`cores` proposes boxes around the cheapest minima of the census, each proved by itself; `search` excludes the rest by
branch and bound, with the arguments of `squares`, which rest on the compiled bounds of `floats`. What comes out is data
for a certificate. Begin with `search`:

    >>> from tegum.theory.proofs.pairs import search_boxes
    >>> search_boxes.__name__
    'search_boxes'
"""

from .cores import TIED_LOSS, proposed_core
from .search import Searched, search_boxes
from .squares import Problem

__all__ = ["TIED_LOSS", "Problem", "Searched", "proposed_core", "search_boxes"]
