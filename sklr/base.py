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
