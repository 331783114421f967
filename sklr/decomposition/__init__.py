"""Low-rank decompositions as scikit-learn transformers."""

from ._cur_decomposition import CURDecomposition
from ._randomized_low_rank import RandomizedLowRank
from ._successive_projection import SuccessiveProjection

__all__ = ["CURDecomposition", "RandomizedLowRank", "SuccessiveProjection"]
