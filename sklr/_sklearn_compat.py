"""What sklr takes from scikit-learn's private modules, in one place, for all versions that are supported."""

import numpy as np
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
    "report_failed_fits",
    "route_to_steps",
    "safe_split",
    "score",
    "score_of",
    "scores_last_step",
    "standard_errors",
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


def scores_last_step(scorer, score_params):
    """Whether a scorer only calls methods of the estimator, so that the last step of a pipeline does for it.

    The `score` of a pipeline with parameters goes by the requests of the pipeline.
    """
    if is_multimetric(scorer):
        return all(scores_last_step(single, score_params) for single in scorer._scorers.values())
    return isinstance(scorer, _BaseScorer) or (isinstance(scorer, _PassthroughScorer) and not score_params)


def score_of(test_scores, metric):
    """The score that counts in one split: of several the one that is named, or the first."""
    if not isinstance(test_scores, dict):
        return test_scores
    return test_scores.get(metric, next(iter(test_scores.values())))


def index_params(X, params, indices):
    """The parameters of a method, those with a value for each row of X cut to some rows."""
    return _check_method_params(X, params=params, indices=indices)


def route_to_steps(pipeline, fit_params):
    """``{step: {method: parameters}}`` of parameters of the fit of a pipeline."""
    try:
        return pipeline._check_method_params(method="fit", props=fit_params)
    except KeyError as error:
        raise ValueError(
            f"fit got a parameter for the step {error}, which the pipeline does not have."
        ) from error


def standard_errors(results, metric):
    """The standard errors over the folds of the mean test scores in ``cv_results_``."""
    n_splits = sum(key.startswith("split") and key.endswith(f"_test_{metric}") for key in results)
    return np.asarray(results[f"std_test_{metric}"], dtype=np.float64) / np.sqrt(max(n_splits, 1))
