"""What a model looks like: how features share the hidden space, which of them interfere, and what that is called.

`measures` has norms, superposition and dimensionality, `factors` the parts of a model that don't interfere, `shapes`
names one of them and `phases` the whole structure, in the words of `labels`; `arrangements` says what points in a plane
form, and `published` has the candidates of 2022 for the optimum. Begin with `phases`, and docs/geometry.md:

    >>> import numpy as np
    >>> from tegum.theory.geometry import feature_dimensionality, phase
    >>> pair = np.array([[1.0, -1.0]])
    >>> phase(pair, np.zeros(2)), feature_dimensionality(pair).tolist()
    ('digon(1,2)', [0.5, 0.5])
"""

from .arrangements import arrangement
from .factors import TRAINED_TOLERANCE, interference_graph, tegum_factor_numbers, tegum_factors
from .labels import PhaseFactor
from .measures import (
    checked_weights,
    dimensions_per_feature,
    feature_dimensionality,
    feature_norms,
    gram,
    neuron_polysemanticity,
    superposition,
)
from .phases import dead_outputs, phase, phase_factors, phase_labels, relabelled, representative
from .published import PUBLISHED_SIZES, PublishedCandidate, published_candidates
from .shapes import POLYGONS

__all__ = [
    "POLYGONS",
    "PUBLISHED_SIZES",
    "TRAINED_TOLERANCE",
    "PhaseFactor",
    "PublishedCandidate",
    "arrangement",
    "checked_weights",
    "dead_outputs",
    "dimensions_per_feature",
    "feature_dimensionality",
    "feature_norms",
    "gram",
    "interference_graph",
    "neuron_polysemanticity",
    "phase",
    "phase_factors",
    "phase_labels",
    "published_candidates",
    "relabelled",
    "representative",
    "superposition",
    "tegum_factor_numbers",
    "tegum_factors",
]
