"""What sklr takes from scikit-learn's private modules, in one place, for all versions that are supported."""

from sklearn.metrics._scorer import _BaseScorer, _MultimetricScorer, _PassthroughScorer
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _score,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

__all__ = [
    "error_scores",
    "index_params",
    "insert_error_scores",
    "is_multimetric",
    "is_sklearn_scorer",
    "report_failed_fits",
    "route_to_steps",
    "safe_split",
    "score",
]

insert_error_scores = _insert_error_scores
report_failed_fits = _warn_or_raise_about_fit_failures
safe_split = _safe_split
score = _score


def error_scores(scorer, error_score):
    """What stands for the scores of a fit that failed."""
    return dict.fromkeys(scorer._scorers, error_score) if is_multimetric(scorer) else error_score


def is_multimetric(scorer):
    """Whether a scorer gives a dictionary of scores by name."""
    return isinstance(scorer, _MultimetricScorer)


def is_sklearn_scorer(scorer):
    """Whether a scorer only calls methods of the estimator: the last step of a pipeline does for it."""
    if is_multimetric(scorer):
        return all(is_sklearn_scorer(single) for single in scorer._scorers.values())
    return isinstance(scorer, _BaseScorer | _PassthroughScorer)


def index_params(X, params, indices):
    """The parameters of a method, those with a value for each row of X cut to some rows."""
    return _check_method_params(X, params=params, indices=indices)


def route_to_steps(pipeline, fit_params):
    """``{step: {method: parameters}}`` of parameters of the fit of a pipeline."""
    return pipeline._check_method_params(method="fit", props=fit_params)
