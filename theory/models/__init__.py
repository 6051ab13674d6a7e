"""What is asked: which features, how often and how large they are, how much each counts, and how much room there is.

A `ToyModel` is a frozen, checked record of sizes, an input law, importances and penalties; leading batch dimensions
broadcast. `laws`, `groups`, `patterns` and `hierarchies` hold the input laws, `compositions` and `mixtures` those that
are made of others (`independence` multiplies blocks), `data` inputs that are listed; `amplitudes` the size of an active
feature, `zipf` densities by rank, `strata` how samples are shared out among patterns. `planes` and `families` are
models over two parameters and along one, `description` is a model in words and in JSON, `plain` what numbers are there.
Begin with `model`:

    >>> from tegum.theory.models import IndependentFeatures, ToyModel
    >>> model = ToyModel(3, 2, IndependentFeatures([0.1, 0.2, 0.2]), importance=(1.0, 0.5, 0.25))
    >>> model.densities().tolist(), model.importances().tolist()
    ([0.1, 0.2, 0.2], [1.0, 0.5, 0.25])
"""

from .amplitudes import (
    AMPLITUDES,
    Amplitude,
    AnyAmplitude,
    FeatureAmplitudes,
    amplitude_from_plain,
    as_amplitude,
    one_amplitude,
)
from .compositions import IndependentBlocks
from .data import DataFeatures
from .description import CHOICES, MODEL_FORMAT, MODEL_KEYS, model_parts, parsed_description
from .families import Family, anticorrelated_pairs, correlated_pairs, one_denser, one_more_important
from .groups import AnticorrelatedFeatures, CorrelatedFeatures
from .hierarchies import HierarchicalFeatures
from .independence import ActivePattern
from .laws import DensityLaw, FeatureLaw, IndependentFeatures, law_from_plain, law_to_plain
from .mixtures import MixtureFeatures, circular_features
from .model import PENALTIES, ToyModel, diagram_model
from .patterns import KHotFeatures, OneHotFeatures, TableFeatures
from .plain import values_told
from .planes import DENSITY_RANGE, IMPORTANCE_RANGE, SCALES, Plane, PlaneAxis, diagram_plane
from .strata import stratified_counts
from .zipf import zipf_densities

__all__ = [
    "AMPLITUDES",
    "CHOICES",
    "DENSITY_RANGE",
    "IMPORTANCE_RANGE",
    "MODEL_FORMAT",
    "MODEL_KEYS",
    "PENALTIES",
    "SCALES",
    "ActivePattern",
    "Amplitude",
    "AnticorrelatedFeatures",
    "AnyAmplitude",
    "CorrelatedFeatures",
    "DataFeatures",
    "DensityLaw",
    "Family",
    "FeatureAmplitudes",
    "FeatureLaw",
    "HierarchicalFeatures",
    "IndependentBlocks",
    "IndependentFeatures",
    "KHotFeatures",
    "MixtureFeatures",
    "OneHotFeatures",
    "Plane",
    "PlaneAxis",
    "TableFeatures",
    "ToyModel",
    "amplitude_from_plain",
    "anticorrelated_pairs",
    "as_amplitude",
    "circular_features",
    "correlated_pairs",
    "diagram_model",
    "diagram_plane",
    "law_from_plain",
    "law_to_plain",
    "model_parts",
    "one_amplitude",
    "one_denser",
    "one_more_important",
    "parsed_description",
    "stratified_counts",
    "values_told",
    "zipf_densities",
]
