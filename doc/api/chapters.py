"""The chapters of the user guide that speak of each public class and function.

`doc/conf.py` puts links to them on the page of each; `tests/doc/test_reference.py` looks for every
estimator here, and for its name in each of its chapters.
"""

# Of everything in a package, unless the table below has a row for it.
PACKAGES = {
    "sklr.decomposition": ["low_rank"],
    "sklr.feature_selection": ["columns"],
    "sklr.graph": ["graphs"],
    "sklr.inspection": ["searching"],
    "sklr.linear_model": ["regression"],
    "sklr.model_selection": ["searching"],
    "sklr.sketch": ["sketching"],
    "sklr.testing": ["/developers/add_operator"],
}

NAMES = {
    "sklr.decomposition.CURDecomposition": ["columns"],
    "sklr.decomposition.RandomizedLowRank": ["low_rank", "streaming"],
    "sklr.decomposition.SuccessiveProjection": ["columns"],
    "sklr.feature_selection.CURSelector": ["columns"],
    "sklr.feature_selection.EmpiricalInterpolation": ["columns"],
    "sklr.graph.FastRPEmbedding": ["graphs"],
    "sklr.graph.GraphRandomFeatures": ["graphs"],
    "sklr.graph.RandomFeaturePropagation": ["graphs"],
    "sklr.graph.TransductiveEmbedding": ["graphs"],
    "sklr.linear_model.SketchedRidge": ["regression"],
    "sklr.linear_model.SketchedRidgeCV": ["regression"],
    "sklr.linear_model.SketchedRidgeClassifier": ["regression"],
    "sklr.linear_model.SketchedRidgeClassifierCV": ["regression"],
    "sklr.model_selection.GrowingSearchCV": ["searching"],
    "sklr.model_selection.SketchSearchCV": ["searching"],
}
# The functions under the estimators, by chapter.
LINALG = {
    "low_rank": [
        "GramPrecisionError",
        "LowRank",
        "LowRankPlan",
        "TwoSidedApproximation",
        "as_operand",
        "centered",
        "exact_svd",
        "find_range",
        "gram_svd",
        "krylov_svd",
        "orthonormalize",
        "plan_low_rank",
        "rank_rule",
        "relative_error",
        "row_weighted",
        "scaled",
        "single_pass_svd",
        "subspace_svd",
        "truncated_svd",
        "two_sided_approximation",
    ],
    "streaming": ["FrequentDirections", "RowChunks", "RunningGram", "UpdatableSVD", "UpdatedRows"],
    "regression": [
        "LeftOut",
        "RidgePlan",
        "RidgePrecisionError",
        "RidgeSolution",
        "generalized_cross_validation",
        "leave_one_out",
        "plan_ridge",
        "ridge",
        "sketched_ridge",
    ],
    "columns": [
        "CUR",
        "ColumnSelection",
        "CrossInterpolation",
        "InterpolationPoints",
        "LeverageScores",
        "SimplexVertices",
        "barycentric_weights",
        "cur_decomposition",
        "discrete_empirical_interpolation",
        "empirical_interpolation",
        "interpolation_coefficients",
        "leverage_scores",
        "pivoted_columns",
        "randomly_pivoted_columns",
        "select_columns",
        "successive_projection",
    ],
    "graphs": [
        "Propagation",
        "graph_kernel",
        "graph_modulation",
        "graph_random_features",
        "propagate",
        "propagation_steps",
        "random_start",
        "transition_matrix",
    ],
}
NAMES |= {f"sklr.linalg.{name}": [chapter] for chapter, names in LINALG.items() for name in names}


def of(name):
    """Return the chapters of a dotted name, as paths in the book without a suffix."""
    found = NAMES.get(name, PACKAGES.get(name.rpartition(".")[0], []))
    return [chapter if chapter.startswith("/") else f"/guide/{chapter}" for chapter in found]
