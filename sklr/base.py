"""Plumbing that all estimators share. Think twice before adding to it."""

import sys
from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state

# Whose lines a warning does not point to.
_LIBRARIES = ("sklr", "sklearn", "joblib")


@contextmanager
def unchanged_on_error(estimator):
    """Leave `estimator` exactly as it was if what is inside fails: unfitted, or with its previous fit."""
    before = dict(estimator.__dict__)
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise


def draw_seed(random_state):
    """One seed for a fit, from scikit-learn's three kinds of `random_state`."""
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)


def level_of_caller():
    """The stack level, for a warning raised by the calling function, of the line that called sklr.

    Counted, not fixed: `fit` is called by `fit_transform`, by pipelines and by searches too.
    """
    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in _LIBRARIES:
        level, frame = level + 1, frame.f_back
    return level


def fit_nested(wanted, keys, sizes, fit, cut):
    """Yield a fitted estimator for each of `wanted`: one fit, of the largest size, serves all of a key.

    Parameters
    ----------
    wanted : list of estimator
        Unfitted, with the parameters that are asked for.
    keys : list
        Equal where one fit serves; None where it serves one estimator only.
    sizes : list
        Of each estimator, comparable among those of a key.
    fit : callable
        ``fit(estimator)`` returns a fitted copy.
    cut : callable
        ``cut(model, estimator, size)`` returns what a fit of `estimator` would be, from `model`, which stays.
    """
    largest, fitted = {}, {}
    for estimator, key, size in zip(wanted, keys, sizes, strict=True):
        if key is not None and (key not in largest or size > largest[key][0]):
            largest[key] = size, estimator
    for estimator, key, size in zip(wanted, keys, sizes, strict=True):
        if key is None:
            yield fit(estimator)
            continue
        if key not in fitted:
            fitted[key] = fit(largest[key][1])
        yield cut(fitted[key], estimator, size)


def transform_nested(X, models):
    """Return ``[model.transform(X) for model in models]``, multiplying once where fits are parts of another.

    A column of the result must depend on its own component only. Parts are told by the memory that their
    `components_` share.
    """
    results, by_size = [None] * len(models), np.argsort([-len(model.components_) for model in models])
    whole = []  # models that are no part of a larger one, with what they make of X
    for at in by_size:
        model = models[at]
        for larger, Z in whole:
            same_scale = getattr(larger, "whiten", False) == getattr(model, "whiten", False)
            if same_scale and np.may_share_memory(larger.components_, model.components_):
                results[at] = Z[:, : len(model.components_)]
                break
        else:
            results[at] = model.transform(X)
            if isinstance(results[at], np.ndarray):  # and no table
                whole.append((model, results[at]))
    return results
