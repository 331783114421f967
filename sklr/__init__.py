"""Scikit-learn estimators for matrices that are too big to factor exactly.

Importing sklr loads nothing else: a subpackage, and the scikit-learn that it may need, is imported when
one of its names is first used.
"""

import importlib

__version__ = "0.1.0.dev0"  # stands here only; the build reads it from this line

# Public subpackages, and the subpackage of every public estimator. A new one joins by a word or a row.
_SUBPACKAGES = (
    "decomposition",
    "feature_selection",
    "graph",
    "inspection",
    "linalg",
    "linear_model",
    "model_selection",
    "sketch",
    "testing",
)
_ESTIMATORS = {
    "CURDecomposition": "decomposition",
    "CURSelector": "feature_selection",
    "FastRPEmbedding": "graph",
    "GraphRandomFeatures": "graph",
    "RandomFeaturePropagation": "graph",
    "RandomizedLowRank": "decomposition",
    "EmpiricalInterpolation": "feature_selection",
    "SketchedRidge": "linear_model",
    "SketchedRidgeCV": "linear_model",
    "SketchedRidgeClassifier": "linear_model",
    "SketchedRidgeClassifierCV": "linear_model",
    "GrowingSearchCV": "model_selection",
    "SketchSearchCV": "model_selection",
    "SuccessiveProjection": "decomposition",
    "TransductiveEmbedding": "graph",
}

__all__ = [*_SUBPACKAGES, *_ESTIMATORS, "__version__"]


def __getattr__(name):
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _ESTIMATORS:
        estimator = getattr(importlib.import_module(f"{__name__}.{_ESTIMATORS[name]}"), name)
        globals()[name] = estimator  # the next look-up does not come here
        return estimator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
