"""Linear models."""

from ._sketched_ridge import SketchedRidge
from ._sketched_ridge_classifier import SketchedRidgeClassifier

__all__ = ["SketchedRidge", "SketchedRidgeClassifier"]
