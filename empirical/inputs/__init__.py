"""Random inputs by counter: the same words for a seed, a step and a sample on every device and in every batch.

`tables` turns any input law into a table that all samplers read, stratified by activity pattern if wanted, and draws
initial weights; `draws` makes inputs of it by the Philox generator (DOI 10.1145/2063384.2063405). Begin with `tables`:

    >>> from tegum.empirical.inputs import input_table
    >>> from tegum.theory import IndependentFeatures, ToyModel
    >>> input_table(ToyModel(3, 2, IndependentFeatures([[0.1]])), batch_size=8).low.shape
    (1, 3)
"""

from .draws import Inputs, seed_words
from .tables import InputTable, initial_weights, input_table

__all__ = [
    "InputTable",
    "Inputs",
    "initial_weights",
    "input_table",
    "seed_words",
]
