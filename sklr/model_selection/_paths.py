"""Fits of many settings of one estimator, which share what they have in common.

The settings of a pipeline are a tree: those that agree in the first steps share the fits of these, and a step
that has `fit_path` fits all of its own settings together. `walk` goes through the branches one after the
other, so that no more is held than the fits on one way down.
"""

import copy
import warnings
from inspect import signature
from traceback import format_exc, format_exception
from typing import NamedTuple

import joblib
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from sklr._sklearn_compat import route_to_steps
from sklr.base import level_of_caller

from ._adapters import path_of
from ._sharing import Clock, Failed, Together, cloned, copied


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
    together : Together or None
        The models of the path that the last step is from.
    fit_clocks, score_clocks : list of Clock
        Time that was spent on fits, and on transforming data other than the first.
    error : str or None
        The traceback of a fit that failed.
    """

    members: list
    estimator: object
    last: object
    inputs: list
    together: object
    fit_clocks: list
    score_clocks: list
    error: str | None

    def knowing(self, at):
        """The last step, which knows its predictions of ``inputs[at]`` where a path makes them together."""
        return self.last if self.together is None else self.together.knowing(self.last, self.inputs, at)


def walk(estimator, settings, inputs, y, fit_params, *, raises, kept=None):
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
    kept : Kept, default=None
        Of former walks through other settings of the same estimator with the same data.
    """
    structures = _by_structure(estimator, settings)
    for at, (structure, members) in enumerate(structures):
        whole = clone(estimator).set_params(**cloned(structure))
        stages = list(_stages(whole, "", fit_params))
        mine = [copied(X) for X in inputs] if at < len(structures) - 1 else inputs
        way = _Way((_hash(structure),), {}, [], [])
        yield from _Walk(whole, stages, settings, y, raises, kept).down(0, members, mine, way)


def blocks_of(estimator, settings, n_parts):
    """The positions of settings in at most `n_parts` lists, parting none that share a path where possible."""
    if n_parts <= 1:
        return [list(range(len(settings)))]
    groups = []
    for structure, members in _by_structure(estimator, settings):
        parts = [members]
        for stage in _stages(clone(estimator).set_params(**cloned(structure)), "", {}):
            if _is_passthrough(stage.step) or path_of(stage.step) is not None:
                break  # a path whose settings were parted would be another one
            prefix = _prefix(stage.name)
            parts = [members for part in parts for _, members in _distinct(settings, part, prefix)]
        groups += parts
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


class _Way(NamedTuple):
    """What lies above a step."""

    key: tuple  # of the settings
    fitted: dict  # steps by name
    fit_clocks: list
    score_clocks: list

    def further(self, stage, setting, branch):
        return _Way(
            (*self.key, _hash(setting)),
            self.fitted | {stage.name: branch.model},
            [*self.fit_clocks, branch.fit_clock],
            [*self.score_clocks, branch.score_clock],
        )


class _Walk:
    """The walk through the settings of one sequence of steps."""

    def __init__(self, whole, stages, settings, y, raises, kept):
        self.whole, self.stages, self.settings, self.y, self.raises = whole, stages, settings, y, raises
        self.kept = kept
        growing = [
            at
            for at, stage in enumerate(stages)
            if kept is not None and kept.parameter.startswith(_prefix(stage.name))
        ]
        self.growing_at = growing[0] if growing else -1

    def down(self, at, members, inputs, way):
        """Yield the leaves below the stage `at`, for some settings that agree in all stages before it."""
        stage, is_last = self.stages[at], at == len(self.stages) - 1
        own = _distinct(self.settings, members, _prefix(stage.name))
        for (setting, _), branch in zip(own, self._kept_or_made(at, own, inputs, way), strict=True):
            here = way.further(stage, setting, branch)
            clocks = here.fit_clocks, here.score_clocks
            if branch.error is not None:
                yield Leaf(branch.members, None, None, [], None, *clocks, branch.error)
            elif is_last:
                estimator = _assembled(self.whole, here.fitted, "")
                outputs, together = branch.outputs, branch.together
                yield Leaf(branch.members, estimator, branch.model, outputs, together, *clocks, None)
            else:
                yield from self.down(at + 1, branch.members, branch.outputs, here)

    def _kept_or_made(self, at, own, inputs, way):
        """The branches of a step; those before the step whose parameter grows are kept."""
        stage, is_last = self.stages[at], at == len(self.stages) - 1
        if at >= self.growing_at:
            reuse = self.kept.of_path(way.key) if at == self.growing_at else None
            yield from self._branches(stage, own, inputs, is_last, reuse)
            return
        keys = [(*way.key, _hash(setting)) for setting, _ in own]
        found = [self.kept.branch(key, members) for key, (_, members) in zip(keys, own, strict=True)]
        if None not in found:
            yield from found
            return
        for key, branch in zip(keys, self._branches(stage, own, inputs, is_last, None), strict=True):
            self.kept.keep(key, branch, with_outputs=at == self.growing_at - 1)
            yield branch

    def _branches(self, stage, own, inputs, is_last, reuse):
        """Fit a step with each of its own settings; `outputs` of the last one are its inputs."""
        path = None if _is_passthrough(stage.step) else path_of(stage.step)
        reuses = reuse is not None and path is not None and "reuse" in signature(path.fit).parameters
        if path is None or len(own) == 1 and not reuses:
            yield from self._one_by_one(stage, own, inputs, is_last)
            return
        try:
            more = {"reuse": reuse} if reuses else {}
            models, fit_clock, score_clock, outputs = self._path(path, stage, own, inputs, is_last, more)
        except Exception as error:
            yield from self._parted(error, stage, own, inputs, is_last, reuse)
            return
        together = None
        if is_last and path.predict is not None and len(models) > 1:
            together = Together(path.predict, models, score_clock)
        for at, ((_, members), model) in enumerate(zip(own, models, strict=True)):
            if is_last:
                made = inputs
            elif outputs is not None:
                made = [copied(of_data[at]) for of_data in outputs]
            else:
                with fit_clock:
                    made = [_transformed(model, inputs[0], {})]
                if isinstance(made[0], Failed):
                    if self.raises:
                        raise made[0].error
                    text = "".join(format_exception(made[0].error))
                    yield _Branch(members, None, None, fit_clock, score_clock, text)
                    continue
                with score_clock:
                    made += [_transformed(model, X, {}) for X in inputs[1:]]
            yield _Branch(members, model, made, fit_clock, score_clock, None, together)

    def _parted(self, error, stage, own, inputs, is_last, reuse):
        """The branches of a path that failed: one setting may be to blame, which halves tell from the others.

        Whose fault it is is told when it is fitted by itself.
        """
        half, has_failed = len(own) // 2, False
        for part in (own[:half], own[half:]) if half else (own,):
            mine = [copied(X) for X in inputs]
            branches = (
                self._branches(stage, part, mine, is_last, reuse)
                if half
                else self._one_by_one(stage, part, mine, is_last)
            )
            for branch in branches:
                has_failed |= branch.error is not None
                yield branch
        if not has_failed:
            warnings.warn(
                f"fit_path of {type(stage.step).__name__} failed, and {len(own)} settings were fitted in "
                f"parts: {type(error).__name__}: {error}",
                UserWarning,
                stacklevel=level_of_caller(),
            )

    def _path(self, path, stage, own, inputs, is_last, more):
        """The models of a path, and what they make of the data where that is shared, else None."""
        n_members = sum(len(members) for _, members in own)
        fit_clock, score_clock = Clock(n_members), Clock(n_members)
        outputs = None
        with fit_clock:
            settings = [cloned(own_setting) for own_setting, _ in own]
            models = list(path.fit(inputs[0], self.y, settings, **_of_fit(stage.params), **more))
            if path.transform is not None and not is_last:
                outputs = [path.transform(inputs[0], models)]
        if outputs is not None:
            with score_clock:
                outputs += [
                    [X] * len(models) if isinstance(X, Failed) else path.transform(X, models)
                    for X in inputs[1:]
                ]
        return models, fit_clock, score_clock, outputs

    def _one_by_one(self, stage, own, inputs, is_last):
        """Each setting by itself, with data of its own: a step may write to them."""
        for at, (own_setting, members) in enumerate(own):
            mine = [copied(X) for X in inputs] if at < len(own) - 1 else inputs
            yield self._one(stage, own_setting, members, mine, is_last)

    def _one(self, stage, own_setting, members, inputs, is_last):
        """One setting."""
        fit_clock, score_clock = Clock(len(members)), Clock(len(members))
        if _is_passthrough(stage.step):
            return _Branch(members, stage.step, inputs, fit_clock, score_clock, None)
        params = stage.params
        try:
            model = clone(stage.step).set_params(**cloned(own_setting))
            with fit_clock:
                if is_last:
                    _fit(model, inputs[0], self.y, params)
                elif hasattr(model, "fit_transform"):
                    first = model.fit_transform(inputs[0], self.y, **params.get("fit_transform", {}))
                else:
                    _fit(model, inputs[0], self.y, params)
                    first = model.transform(inputs[0], **params.get("transform", {}))
        except Exception:
            if self.raises:
                raise
            return _Branch(members, None, None, fit_clock, score_clock, format_exc())
        if is_last:
            return _Branch(members, model, inputs, fit_clock, score_clock, None)
        with score_clock:
            others = [_transformed(model, X, params.get("transform", {})) for X in inputs[1:]]
        return _Branch(members, model, [first, *others], fit_clock, score_clock, None)


def _transformed(model, X, params):
    """What a step makes of data other than those of the fit."""
    if isinstance(X, Failed):
        return X
    try:
        return model.transform(X, **params)
    except Exception as error:
        return Failed(error)


class _Branch(NamedTuple):
    members: list
    model: object
    outputs: list
    fit_clock: Clock
    score_clock: Clock
    error: str | None
    together: object = None


def _fit(model, X, y, params):
    if y is None:
        return model.fit(X, **params.get("fit", {}))
    return model.fit(X, y, **params.get("fit", {}))


def _of_fit(params):
    """The parameters of a fit: a pipeline sends those of its transformers to `fit_transform`."""
    return params.get("fit_transform") or params.get("fit") or {}


def _prefix(name):
    return f"{name}__" if name else ""


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
    own = _of_fit(fit_params) if isinstance(fit_params, Bunch) else fit_params
    routed = route_to_steps(estimator, own)
    prefix = f"{name}__" if name else ""
    for step_name, step in estimator.steps:
        yield from _stages(step, prefix + step_name, Bunch(**routed.get(step_name, {})))


def _by_structure(estimator, settings):
    """``[(parameters, members)]``: settings by their parameters that change what the steps are.

    These are all that belong to none of the steps: they may bring in other steps, to which others belong.
    """
    found = {}
    for member, setting in enumerate(settings):
        structure = {}
        while True:
            whole = clone(estimator).set_params(**cloned(structure))
            steps = [stage for stage in _stages(whole, "", {}) if not _is_passthrough(stage.step)]
            more = {
                key: value
                for key, value in setting.items()
                if key not in structure and not any(key.startswith(_prefix(stage.name)) for stage in steps)
            }
            if not more:
                break
            structure |= more
        found.setdefault(_hash(structure), (structure, []))[1].append(member)
    return list(found.values())


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


def _distinct(settings, members, prefix):
    """``[(parameters, members)]``: the different values of the parameters of a step, with who has them."""
    found = {}
    for member in members:
        own = {key[len(prefix) :]: value for key, value in settings[member].items() if key.startswith(prefix)}
        found.setdefault(_hash(own), (own, []))[1].append(member)
    return list(found.values())


def _hash(parameters):
    try:
        return joblib.hash(parameters)
    except Exception:  # a value that cannot be pickled, such as a lambda
        return tuple(sorted((key, id(value)) for key, value in parameters.items()))
