"""Toy models of superposition (arXiv:2209.10652): exact theory, training, and one beside the other.

Begin with `theory`, which says what is asked and what is exact; `empirical` trains the same models, and `compare` holds
them against each other. Each loads when it is first used:

    >>> import tegum
    >>> tegum.theory.global_minimum(tegum.theory.diagram_model(2, 1, 0.1, 1.0)).phase
    'digon(1,2)'
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
