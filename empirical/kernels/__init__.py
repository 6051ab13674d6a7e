"""The inner loops of training, compiled: for a CPU by Numba, for CUDA devices by Triton.

Each is a module that is loaded when it is needed, so that a machine without the one or the other works. `cpu` takes
models one at a time through the steps of an optimiser, and `losses` through batches without any; both draw by
`sampling` and take `records`. `fused_few` and `fused_many` do a device's steps for models with few and with many
features, from `fused_parts`. Begin with `losses`:

    >>> from tegum.empirical.kernels import records
    >>> records.Sizes(n_hidden=1, n_features=2, batch=256).batch
    256
"""

__all__ = ["cpu", "fused_few", "fused_many", "losses", "records"]
