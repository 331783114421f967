"""Matrices as operands: the public door to the data layer."""

from sklr._backend import RowChunks, as_operand, centered, row_weighted, scaled

__all__ = ["RowChunks", "as_operand", "centered", "row_weighted", "scaled"]
