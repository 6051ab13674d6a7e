"""The gradient flow of the exact loss, and the theory of its beginning from small weights.

`gradient` integrates the flow for many starts at once until each is at rest; `growth` linearises it about zero, which
tells how often two features start with the same sign and where the separatrix leaves the origin. Begin with `gradient`,
and docs/basins.md for how it compares with training:

    >>> from tegum.theory.flow import same_sign_share
    >>> round(float(same_sign_share(0.1, 1.0, 0.01)), 2)  # of two equal features, from small weights
    0.5
"""

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
