"""Algorithms of randomized linear algebra: matrices or operands in, named tuples out."""

from ._left_out import LeftOut
from ._result import LowRank
from ._selection import ColumnSelection
from .barycentric import barycentric_weights
from .columns import select_columns
from .cur import CUR, cur_decomposition
from .error_estimate import relative_error
from .exact import exact_svd
from .gram import GramPrecisionError, gram_svd
from .graph_kernels import graph_kernel, graph_modulation
from .interpolation import CrossInterpolation, empirical_interpolation
from .interpolation_points import (
    InterpolationPoints,
    discrete_empirical_interpolation,
    interpolation_coefficients,
)
from .krylov import krylov_svd
from .leverage import LeverageScores, leverage_scores
from .operand import RowChunks, as_operand, centered, row_weighted, scaled
from .orthogonalize import orthonormalize
from .pivoting import pivoted_columns
from .plan import LowRankPlan, plan_low_rank
from .propagation import Propagation, propagate, propagation_steps, random_start
from .random_pivoting import randomly_pivoted_columns
from .random_walks import graph_random_features
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
from .transitions import transition_matrix
from .two_sided import TwoSidedApproximation, two_sided_approximation
from .updating import UpdatableSVD
from .vertices import SimplexVertices, successive_projection

__all__ = [
    "CUR",
    "ColumnSelection",
    "CrossInterpolation",
    "FrequentDirections",
    "GramPrecisionError",
    "InterpolationPoints",
    "LeftOut",
    "LeverageScores",
    "LowRank",
    "LowRankPlan",
    "Propagation",
    "RidgePlan",
    "RidgePrecisionError",
    "RidgeSolution",
    "RowChunks",
    "RunningGram",
    "SimplexVertices",
    "TwoSidedApproximation",
    "UpdatableSVD",
    "UpdatedRows",
    "as_operand",
    "barycentric_weights",
    "centered",
    "cur_decomposition",
    "discrete_empirical_interpolation",
    "empirical_interpolation",
    "exact_svd",
    "find_range",
    "generalized_cross_validation",
    "gram_svd",
    "graph_kernel",
    "graph_modulation",
    "graph_random_features",
    "interpolation_coefficients",
    "krylov_svd",
    "leave_one_out",
    "leverage_scores",
    "orthonormalize",
    "pivoted_columns",
    "plan_low_rank",
    "plan_ridge",
    "propagate",
    "propagation_steps",
    "random_start",
    "randomly_pivoted_columns",
    "rank_rule",
    "relative_error",
    "ridge",
    "row_weighted",
    "scaled",
    "select_columns",
    "single_pass_svd",
    "sketched_ridge",
    "subspace_svd",
    "successive_projection",
    "transition_matrix",
    "truncated_svd",
    "two_sided_approximation",
]
