"""Algorithms of randomized linear algebra: matrices or operands in, named tuples out."""

from ._left_out import LeftOut
from ._result import LowRank
from .error_estimate import relative_error
from .exact import exact_svd
from .gram import GramPrecisionError, gram_svd
from .krylov import krylov_svd
from .operand import RowChunks, as_operand, centered, row_weighted, scaled
from .orthogonalize import orthonormalize
from .pivoting import ColumnSelection, pivoted_columns
from .plan import LowRankPlan, plan_low_rank
from .rangefinder import find_range
from .rank import rank_rule
from .ridge_gcv import generalized_cross_validation
from .ridge_left_out import leave_one_out
from .ridge_on_sketches import sketched_ridge
from .ridge_plan import RidgePlan, plan_ridge
from .ridge_solvers import RidgePrecisionError, RidgeSolution, ridge
from .single_pass import single_pass_svd
from .streaming import FrequentDirections, RunningGram, UpdatedRows
from .subspace import subspace_svd
from .svd import truncated_svd
from .updating import UpdatableSVD

__all__ = [
    "ColumnSelection",
    "FrequentDirections",
    "GramPrecisionError",
    "LeftOut",
    "LowRank",
    "LowRankPlan",
    "RidgePlan",
    "RidgePrecisionError",
    "RidgeSolution",
    "RowChunks",
    "RunningGram",
    "UpdatableSVD",
    "UpdatedRows",
    "as_operand",
    "centered",
    "exact_svd",
    "find_range",
    "generalized_cross_validation",
    "gram_svd",
    "krylov_svd",
    "leave_one_out",
    "orthonormalize",
    "pivoted_columns",
    "plan_low_rank",
    "plan_ridge",
    "rank_rule",
    "relative_error",
    "ridge",
    "row_weighted",
    "scaled",
    "single_pass_svd",
    "sketched_ridge",
    "subspace_svd",
    "truncated_svd",
]
