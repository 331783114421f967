"""Sketches: random matrices S with far fewer rows than columns, and products S A without forming S.

A `Distribution` is the recipe; its `operator` method gives a `SketchOperator` of a shape and a seed.
"""

from ._base import Distribution, SketchOperator
from ._dense import Gaussian, Rademacher
from ._registry import SketchChoice, available_sketches, choose_sketch, make_sketch
from ._sampling import RowSampling
from ._sparse import CountSketch, SparseSign, SparseStack, VerySparse
from ._trigonometric import SRTT

__all__ = [
    "SRTT",
    "CountSketch",
    "Distribution",
    "Gaussian",
    "Rademacher",
    "RowSampling",
    "SketchChoice",
    "SketchOperator",
    "SparseSign",
    "SparseStack",
    "VerySparse",
    "available_sketches",
    "choose_sketch",
    "make_sketch",
]
