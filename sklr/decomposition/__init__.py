"""Low-rank decompositions as scikit-learn transformers."""

from ._randomized_low_rank import RandomizedLowRank

__all__ = ["RandomizedLowRank"]
