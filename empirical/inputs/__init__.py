"""empirical/inputs."""

from .draws import Inputs, seed_words
from .tables import InputTable, initial_weights, input_table

__all__ = [
    "InputTable",
    "Inputs",
    "initial_weights",
    "input_table",
    "seed_words",
]
