"""empirical/kernels."""
