"""The inner loops of training, compiled: for a CPU by Numba, for CUDA devices by Triton.

Each is a module that is loaded when it is needed, so that a machine without the one or the other works: `cpu` takes
models one at a time through sampling, forward, backward and the optimiser's step, `fused_few` and `fused_many` do the
same on a device for models with few and with many features, from `fused_parts`. Begin with `cpu`:

    >>> from tegum.empirical.kernels import cpu
    >>> cpu.advance.__name__
    'advance'
"""

__all__ = ["cpu", "fused_few", "fused_many"]
