"""theory/models."""

from .amplitudes import AMPLITUDES, Amplitude, as_amplitude
from .families import Family, anticorrelated_pairs, correlated_pairs, one_denser, one_more_important
from .groups import AnticorrelatedFeatures, CorrelatedFeatures
from .laws import ActivePattern, DensityLaw, FeatureLaw, IndependentFeatures
from .model import PENALTIES, ToyModel, diagram_model
from .patterns import KHotFeatures, OneHotFeatures, TableFeatures
from .planes import Plane, PlaneAxis, diagram_plane

__all__ = [
    "AMPLITUDES",
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
    "one_denser",
    "one_more_important",
]
