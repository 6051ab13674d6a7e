"""compare/commands."""

__all__ = []
