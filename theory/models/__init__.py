"""What is asked: which features, how often and how large they are, how much each counts, and how much room there is.

A `ToyModel` is a frozen, checked record of sizes, an input law, importances and penalties; leading batch dimensions
broadcast. `laws`, `groups` and `patterns` hold the input laws, `amplitudes` the size of an active feature, `strata` how
samples are shared out among patterns; `planes` and `families` are models over two parameters and along one.
`description` is a model in words and in JSON, `plain` what numbers are there.
Begin with `model`:

    >>> from tegum.theory.models import IndependentFeatures, ToyModel
    >>> model = ToyModel(3, 2, IndependentFeatures([0.1, 0.2, 0.2]), importance=(1.0, 0.5, 0.25))
    >>> model.densities().tolist(), model.importances().tolist()
    ([0.1, 0.2, 0.2], [1.0, 0.5, 0.25])
"""

from .amplitudes import AMPLITUDES, Amplitude, as_amplitude
from .families import Family, anticorrelated_pairs, correlated_pairs, one_denser, one_more_important
from .groups import AnticorrelatedFeatures, CorrelatedFeatures
from .laws import ActivePattern, DensityLaw, FeatureLaw, IndependentFeatures, law_from_plain, law_to_plain
from .model import PENALTIES, ToyModel, diagram_model
from .patterns import KHotFeatures, OneHotFeatures, TableFeatures
from .planes import DENSITY_RANGE, IMPORTANCE_RANGE, Plane, PlaneAxis, diagram_plane
from .strata import stratified_counts

__all__ = [
    "AMPLITUDES",
    "DENSITY_RANGE",
    "IMPORTANCE_RANGE",
    "PENALTIES",
    "ActivePattern",
    "Amplitude",
    "AnticorrelatedFeatures",
    "CorrelatedFeatures",
    "DensityLaw",
    "Family",
    "FeatureLaw",
    "IndependentFeatures",
    "KHotFeatures",
    "OneHotFeatures",
    "Plane",
    "PlaneAxis",
    "TableFeatures",
    "ToyModel",
    "anticorrelated_pairs",
    "as_amplitude",
    "correlated_pairs",
    "diagram_model",
    "diagram_plane",
    "law_from_plain",
    "law_to_plain",
    "one_denser",
    "one_more_important",
    "stratified_counts",
]
