"""theory/flow."""

from .gradient import Flow, gradient_flow
from .growth import early_growth, growth_rates, same_sign_share, small_separatrix

__all__ = [
    "Flow",
    "early_growth",
    "gradient_flow",
    "growth_rates",
    "same_sign_share",
    "small_separatrix",
]
