"""Exact mathematics of toy models of superposition, x' = ReLU(WᵀWx + b).

A `ToyModel` says what is asked: sizes, a law of the inputs, importances, penalties. `expected_loss` integrates its loss
exactly, `local_minima` searches for its minima, `boundary_map` has the curves where they trade places, `certify` proves
which is the global one. These names load what they need when they are first used; each folder's face has the rest:

    >>> from tegum.theory import IndependentFeatures, ToyModel, global_minimum
    >>> global_minimum(ToyModel(2, 1, IndependentFeatures(0.1))).phase
    'digon(1,2)'

Begin with `models` (what is asked), `loss` (where it is integrated) and `minima` (where a minimum is judged).
`boundaries`, `branches`, `packing` and `flow` are four ways to use the minima; `formulas`, `enclosures` and `proofs`
say what is known in closed form, between proven bounds, and for certain; `geometry`, `polytopes` and `spheres` what it
looks like.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
