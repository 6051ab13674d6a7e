"""The search for a proof of three features in two dimensions: cells of null vectors, boxes of the rows of WᵀW.

W has three columns in two dimensions, so that W v = 0 for some v; for given v the outputs decouple. `search` goes
through cells of v, `cells` bounds what a cell costs, `row_search`, `rows` and `moments` one row, `listing` says what a
certificate lists, `uniqueness` ends it near the minimum, by `convexity`, and `certify` puts it together. Begin with
`certify`, and docs/proofs-three.md:

    >>> from tegum.theory.proofs.triples import MAX_ROW_BOXES
    >>> MAX_ROW_BOXES > 0
    True
"""

from .certify import MAX_ROW_BOXES, certify_triple

__all__ = [
    "MAX_ROW_BOXES",
    "certify_triple",
]
