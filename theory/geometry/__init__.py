"""theory/geometry."""

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
from .published import PublishedCandidate, published_candidates
from .recognition import Likeness, Recognised, likeness, recognise
from .solids import polytope

__all__ = [
    "SAME",
    "Likeness",
    "Polytope",
    "PublishedCandidate",
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
    "published_candidates",
    "recognise",
    "relabelled",
    "representative",
    "superposition",
    "tegum_factor_numbers",
    "tegum_factors",
    "tegum_product",
]
