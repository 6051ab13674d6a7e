"""theory/proofs/pairs."""

from .cores import SAME_LOSS, proposed_core
from .search import Searched, search_boxes

__all__ = ["SAME_LOSS", "Searched", "proposed_core", "search_boxes"]
