"""Features that stand for all others."""

__all__ = []
