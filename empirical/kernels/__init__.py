"""empirical/kernels."""

__all__ = ["cpu", "fused_few", "fused_many"]
