"""Fits of many settings of one estimator, which share what they have in common.

The settings of a pipeline are a tree: those that agree in the first steps share the fits of these, and a step
that has `fit_path` fits all of its own settings together. `walk` goes through the branches one after the
other, so that no more is held than the fits on one way down.
"""

import copy
import time
import warnings
from traceback import format_exc
from typing import NamedTuple

import joblib
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from sklr._sklearn_compat import route_to_steps

from ._adapters import path_of


class Clock:
    """Seconds that settings spend together; each has an equal share of them."""

    def __init__(self, n_settings):
        self.n_settings = n_settings
        self.seconds = 0.0

    def __enter__(self):
        self._start = time.perf_counter()

    def __exit__(self, *exc):
        self.seconds += time.perf_counter() - self._start


def shares(clocks):
    """The seconds of one setting."""
    return sum(clock.seconds / clock.n_settings for clock in clocks)


class Leaf(NamedTuple):
    """A fitted estimator.

    Attributes
    ----------
    members : list of int
        The settings that it is for: one, or several that are equal.
    estimator : estimator or None
        The whole of it; None where a fit failed.
    last : estimator
        Its last step.
    inputs : list
        What the steps before that make of the data.
    fit_clocks, score_clocks : list of Clock
        Time that was spent on fits, and on transforming data other than the first.
    error : str or None
        The traceback of a fit that failed.
    """

    members: list
    estimator: object
    last: object
    inputs: list
    fit_clocks: list
    score_clocks: list
    error: str | None


def walk(estimator, settings, inputs, y, fit_params, *, raises):
    """Fit an estimator with many settings, and yield a `Leaf` for each distinct one.

    Parameters
    ----------
    estimator : estimator
        It stays as it is.
    settings : list of dict
        Parameters by name.
    inputs : list
        The training data, and others that are to be transformed along with them.
    y : array-like or None
        Targets of the training data.
    fit_params : dict
        Passed to `fit`.
    raises : bool
        Whether errors of fits are raised.
    """
    for structure, members in _distinct(
        settings, range(len(settings)), lambda key: _is_structural(estimator, key)
    ):
        whole = clone(estimator).set_params(**cloned(structure))
        stages = list(_stages(whole, "", fit_params))
        yield from _Walk(whole, stages, settings, y, raises).down(0, members, inputs, {}, [], [])


def blocks_of(estimator, settings, n_parts):
    """The positions of settings in at most `n_parts` lists, parting none that share a path where possible."""
    if n_parts <= 1:
        return [list(range(len(settings)))]
    structures = _distinct(settings, range(len(settings)), lambda key: _is_structural(estimator, key))
    groups = [members for _, members in structures]
    for stage in _stages(estimator, "", {}):
        prefix = f"{stage.name}__" if stage.name else ""
        if len(groups) >= n_parts or _is_passthrough(stage.step):
            break
        if path_of(stage.step) is None:
            parts = [_distinct(settings, group, lambda key: key.startswith(prefix)) for group in groups]  # noqa: B023
            groups = [members for part in parts for _, members in part]
    # Neighbours together, in lists of about equal length.
    groups.sort(key=len, reverse=True)
    blocks = [[] for _ in range(min(n_parts, len(groups)))]
    for group in groups:
        min(blocks, key=len).extend(group)
    return [sorted(block) for block in blocks]


class _Stage(NamedTuple):
    name: str  # of the step, with those of the pipelines around it
    step: object
    params: dict  # of its methods


class _Walk:
    """The walk through the settings of one sequence of steps."""

    def __init__(self, whole, stages, settings, y, raises):
        self.whole, self.stages, self.settings, self.y, self.raises = whole, stages, settings, y, raises

    def down(self, at, members, inputs, fitted, fit_clocks, score_clocks):
        """Yield the leaves below the stage `at`, for some settings that agree in all stages before it."""
        stage, is_last = self.stages[at], at == len(self.stages) - 1
        prefix = f"{stage.name}__" if stage.name else ""
        own = _distinct(self.settings, members, lambda key: key.startswith(prefix), len(prefix))
        for branch in self._branches(stage, own, inputs, is_last):
            fitted_here = fitted | {stage.name: branch.model}
            fit_clocks_here = [*fit_clocks, branch.fit_clock]
            score_clocks_here = [*score_clocks, branch.score_clock]
            if branch.error is not None:
                yield Leaf(branch.members, None, None, [], fit_clocks_here, score_clocks_here, branch.error)
            elif is_last:
                estimator = _assembled(self.whole, fitted_here, "")
                yield Leaf(
                    branch.members, estimator, branch.model, inputs, fit_clocks_here, score_clocks_here, None
                )
            else:
                yield from self.down(
                    at + 1, branch.members, branch.outputs, fitted_here, fit_clocks_here, score_clocks_here
                )

    def _branches(self, stage, own, inputs, is_last):
        """Fit a step with each of its own settings."""
        path = path_of(stage.step) if len(own) > 1 and not _is_passthrough(stage.step) else None
        if path is not None:
            try:
                return self._along_path(path, stage, own, inputs, is_last)
            except Exception as error:
                # One setting may be to blame: then it is told when they are fitted one by one.
                return self._one_by_one(stage, own, inputs, is_last, error)
        return (self._one(stage, *single, inputs, is_last) for single in own)

    def _along_path(self, path, stage, own, inputs, is_last):
        """All settings at once."""
        fit, transform = path
        n_members = sum(len(members) for _, members in own)
        fit_clock, score_clock = Clock(n_members), Clock(n_members)
        with fit_clock:
            settings = [cloned(own_setting) for own_setting, _ in own]
            models = list(fit(inputs[0], self.y, settings, **stage.params.get("fit", {})))
            outputs = [[] for _ in models] if is_last else [[Z] for Z in transform(inputs[0], models)]
        if not is_last:
            with score_clock:
                for X in inputs[1:]:
                    for output, Z in zip(outputs, transform(X, models), strict=True):
                        output.append(Z)
        return [
            _Branch(members, model, output, fit_clock, score_clock, None)
            for (_, members), model, output in zip(own, models, outputs, strict=True)
        ]

    def _one_by_one(self, stage, own, inputs, is_last, error):
        """The settings of a path that failed; a warning if none of them is to blame."""
        has_failed = False
        for single in own:
            branch = self._one(stage, *single, inputs, is_last)
            has_failed |= branch.error is not None
            yield branch
        if not has_failed:
            warnings.warn(
                f"fit_path of {type(stage.step).__name__} failed, and {len(own)} settings were fitted one by "
                f"one: {type(error).__name__}: {error}",
                UserWarning,
                stacklevel=2,
            )

    def _one(self, stage, own_setting, members, inputs, is_last):
        """One setting."""
        fit_clock, score_clock = Clock(len(members)), Clock(len(members))
        if _is_passthrough(stage.step):
            return _Branch(members, stage.step, inputs, fit_clock, score_clock, None)
        params, outputs = stage.params, []
        try:
            model = clone(stage.step).set_params(**cloned(own_setting))
            with fit_clock:
                if is_last:
                    _fit(model, inputs[0], self.y, params)
                elif hasattr(model, "fit_transform"):
                    outputs.append(model.fit_transform(inputs[0], self.y, **params.get("fit_transform", {})))
                else:
                    _fit(model, inputs[0], self.y, params)
                    outputs.append(model.transform(inputs[0], **params.get("transform", {})))
            if not is_last:
                with score_clock:
                    outputs += [model.transform(X, **params.get("transform", {})) for X in inputs[1:]]
        except Exception:
            if self.raises:
                raise
            return _Branch(members, None, None, fit_clock, score_clock, format_exc())
        return _Branch(members, model, outputs, fit_clock, score_clock, None)


class _Branch(NamedTuple):
    members: list
    model: object
    outputs: list
    fit_clock: Clock
    score_clock: Clock
    error: str | None


def _fit(model, X, y, params):
    if y is None:
        return model.fit(X, **params.get("fit", {}))
    return model.fit(X, y, **params.get("fit", {}))


def _is_passthrough(step):
    return step is None or isinstance(step, str)


def _is_shared(pipeline):
    """Whether the steps of a pipeline can be fitted one by one, with nothing but their inputs."""
    return type(pipeline) is Pipeline and getattr(pipeline, "transform_input", None) is None


def _stages(estimator, name, fit_params):
    """The steps of an estimator, those of pipelines in it one by one."""
    if not _is_shared(estimator):
        params = (
            fit_params if isinstance(fit_params, Bunch) else {"fit": fit_params, "fit_transform": fit_params}
        )
        yield _Stage(name, estimator, params)
        return
    own = fit_params.get("fit", {}) if isinstance(fit_params, Bunch) else fit_params
    routed = route_to_steps(estimator, own)
    prefix = f"{name}__" if name else ""
    for step_name, step in estimator.steps:
        yield from _stages(step, prefix + step_name, Bunch(**routed.get(step_name, {})))


def _is_structural(estimator, key):
    """Whether a parameter is one of a pipeline rather than of a step: it changes what the steps are."""
    while _is_shared(estimator):
        name, _, key = key.partition("__")
        steps = dict(estimator.steps)
        if name not in steps or not key:
            return True
        estimator = steps[name]
    return False


def _assembled(estimator, fitted, name):
    """A pipeline with its steps fitted."""
    if not _is_shared(estimator):
        return fitted[name]
    prefix = f"{name}__" if name else ""
    whole = copy.copy(estimator)
    whole.steps = [
        (step_name, _assembled(step, fitted, prefix + step_name)) for step_name, step in estimator.steps
    ]
    return whole


def _distinct(settings, members, belongs, n_prefix=0):
    """``[(parameters, members)]``: the different values of the parameters that belong, with who has them."""
    found = {}
    for member in members:
        own = {key[n_prefix:]: value for key, value in settings[member].items() if belongs(key)}
        found.setdefault(_hash(own), (own, []))[1].append(member)
    return list(found.values())


def _hash(parameters):
    try:
        return joblib.hash(parameters)
    except Exception:  # a value that cannot be pickled, such as a lambda
        return tuple(sorted((key, id(value)) for key, value in parameters.items()))


def cloned(parameters):
    """Parameters that may be estimators, which fits must not share."""
    return {key: clone(value, safe=False) for key, value in parameters.items()}
