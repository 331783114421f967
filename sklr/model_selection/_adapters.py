"""`fit_path` and `transform_path` for estimators of scikit-learn whose fits are nested."""

from numbers import Integral
from typing import NamedTuple

import joblib
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD

from sklr.base import fit_nested, transform_nested

_BY_COMPONENT = ("components_", "explained_variance_", "explained_variance_ratio_", "singular_values_")


def fit_path(estimator, X, y, param_dicts):
    """Yield a fitted PCA or TruncatedSVD per dictionary; those that differ in the rank only share a fit."""
    wanted = [clone(estimator).set_params(**parameters) for parameters in param_dicts]
    keys = []
    for model in wanted:
        parameters = model.get_params(deep=False)
        rank = parameters.pop("n_components")
        parameters.pop("whiten", None)
        # One that the data do not allow fails by itself, and not with the others.
        is_rank = isinstance(rank, Integral) and not isinstance(rank, bool) and 0 < rank <= min(X.shape)
        keys.append(joblib.hash(parameters) if is_rank else None)
    return fit_nested(
        wanted,
        keys,
        [model.n_components for model in wanted],
        fit=lambda model: clone(model).fit(X),
        cut=lambda fitted, model, k: _cut(fitted, model, k, min(X.shape)),
    )


def _cut(fitted, model, k, full_rank):
    """`model` with the first k components of `fitted`."""
    for name, value in vars(fitted).items():
        if name.endswith("_") or name == "_fit_svd_solver":
            setattr(model, name, value)
    for name in _BY_COMPONENT:
        setattr(model, name, getattr(fitted, name)[:k])
    if isinstance(model, PCA):
        variances = fitted.explained_variance_
        rest = variances.sum() / fitted.explained_variance_ratio_.sum() - variances[:k].sum()
        model.n_components_ = k
        model.noise_variance_ = max(rest, 0.0) / (full_rank - k) if k < full_rank else 0.0
    return model


class Path(NamedTuple):
    """The fits of several settings of an estimator together, and what fitted models then do together.

    Attributes
    ----------
    fit : callable
        ``fit(X, y, param_dicts, **fit_params)`` yields a fitted model for each dictionary.
    transform, predict : callable or None
        ``transform(X, models)`` lists what each model makes of X. None where they do it one by one.
    """

    fit: object
    transform: object
    predict: object


# By the class itself: a subclass may fit in another way.
ADAPTERS = {PCA: (fit_path, transform_nested), TruncatedSVD: (fit_path, transform_nested)}


def path_of(estimator):
    """The `Path` of an estimator, from its `fit_path`, `transform_path` and `predict_path`; or None."""
    if _is_own(estimator, "fit_path", "fit"):
        others = (
            getattr(estimator, f"{name}_path") if _is_own(estimator, f"{name}_path", name) else None
            for name in ("transform", "predict")
        )
        return Path(estimator.fit_path, *others)
    if type(estimator) in ADAPTERS and getattr(estimator, "copy", True):  # else it would write to X
        fit, transform = ADAPTERS[type(estimator)]
        return Path(lambda X, y, param_dicts: fit(estimator, X, y, param_dicts), transform, None)
    return None


def _is_own(estimator, path, method):
    """Whether an estimator has a path that is that of its method.

    It is not where a class derived in another package overrides the method, and not the path.
    """
    if not hasattr(estimator, path):
        return False
    of_path, of_method = (_definer(type(estimator), name) for name in (path, method))
    if of_path is None or of_method is None or of_method is of_path or not issubclass(of_method, of_path):
        return True
    return of_path.__module__.split(".")[0] == of_method.__module__.split(".")[0]


def _definer(kind, name):
    """The class that defines a method; None where no class does."""
    return next((parent for parent in kind.__mro__ if name in vars(parent)), None)
