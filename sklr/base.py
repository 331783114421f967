"""Plumbing that all estimators share. Think twice before adding to it."""

from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state


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
