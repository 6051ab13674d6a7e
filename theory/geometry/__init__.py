"""What a model looks like: how features share the hidden space, which interfere, and which polytope they form.

`measures` has norms, superposition and dimensionality, `factors` the parts of a model that don't interfere, `phases`
names its structure; `polytopes` and `solids` know the configurations of the literature, `recognition` tells which of
them is there, and `arrangements` places points for a figure. Begin with `phases`:

    >>> import numpy as np
    >>> from tegum.theory.geometry import feature_dimensionality, phase
    >>> pair = np.array([[1.0, -1.0]])
    >>> phase(pair, np.zeros(2)), feature_dimensionality(pair).tolist()
    ('digon(1,2)', [0.5, 0.5])
"""

from .arrangements import arrangement
from .factors import interference_graph, tegum_factor_numbers, tegum_factors
from .measures import (
    dimensions_per_feature,
    feature_dimensionality,
    feature_norms,
    gram,
    neuron_polysemanticity,
    superposition,
)
from .phases import dead_outputs, phase, relabelled, representative
from .polytopes import SAME, Polytope, points_of_gram, tegum_product
from .recognition import Likeness, Recognised, likeness, recognise
from .solids import polytope

__all__ = [
    "SAME",
    "Likeness",
    "Polytope",
    "Recognised",
    "arrangement",
    "dead_outputs",
    "dimensions_per_feature",
    "feature_dimensionality",
    "feature_norms",
    "gram",
    "interference_graph",
    "likeness",
    "neuron_polysemanticity",
    "phase",
    "points_of_gram",
    "polytope",
    "recognise",
    "relabelled",
    "representative",
    "superposition",
    "tegum_factor_numbers",
    "tegum_factors",
    "tegum_product",
]
