"""Trained models in files: safetensors or zarr, and as labelled datasets.

`models` writes and reads `TrainedModels` with the model that they are of, which `descriptions` writes down and reads;
`datasets` writes any dataset as a zarr store that is replaced in one step, and `tensors` arrays as a safetensors file,
both with a checksum. Begin with `models`:

    >>> from tegum.empirical.files import to_dataset
    >>> from tegum.empirical import train
    >>> from tegum.theory import IndependentFeatures, ToyModel
    >>> model = ToyModel(2, 1, IndependentFeatures(0.5))
    >>> dict(to_dataset(train(model, seeds=3, objective="exact", steps=2), model=model).sizes)["seed"]
    3
"""

from .datasets import read_zarr, read_zarr_arrays, read_zarr_of, write_zarr
from .descriptions import described_model
from .models import from_dataset, load_models, save_models, saved_model, to_dataset
from .tensors import read_safetensors, tensor_types, write_safetensors

__all__ = [
    "described_model",
    "from_dataset",
    "load_models",
    "read_safetensors",
    "read_zarr",
    "read_zarr_arrays",
    "read_zarr_of",
    "save_models",
    "saved_model",
    "tensor_types",
    "to_dataset",
    "write_safetensors",
    "write_zarr",
]
