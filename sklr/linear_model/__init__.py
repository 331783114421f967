"""Linear models."""

from ._sketched_ridge import SketchedRidge
from ._sketched_ridge_classifier import SketchedRidgeClassifier
from ._sketched_ridge_classifier_cv import SketchedRidgeClassifierCV
from ._sketched_ridge_cv import SketchedRidgeCV

__all__ = ["SketchedRidge", "SketchedRidgeCV", "SketchedRidgeClassifier", "SketchedRidgeClassifierCV"]
