"""empirical/files."""

from .datasets import read_zarr, write_zarr
from .models import from_dataset, load_models, save_models, to_dataset

__all__ = [
    "from_dataset",
    "load_models",
    "read_zarr",
    "save_models",
    "to_dataset",
    "write_zarr",
]
