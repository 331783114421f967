"""What fits that share something hold in common: time, data, predictions, and what other walks can use."""

import copy
import time
from contextlib import nullcontext
from typing import NamedTuple

from sklearn.base import clone


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


class Failed(NamedTuple):
    """Stands for data that a step could not transform."""

    error: Exception


def copied(X):
    """Data of its own for one of several that may write to them."""
    if isinstance(X, Failed):
        return X
    duplicate = getattr(X, "copy", None) or getattr(X, "clone", None)
    return copy.copy(X) if duplicate is None else duplicate()


def cloned(parameters):
    """Parameters that may be estimators, which fits must not share."""
    return {key: clone(value, safe=False) for key, value in parameters.items()}


class Together:
    """Models of a path that predict together, some at a time, when predictions are asked for.

    Parameters
    ----------
    predict : callable
        ``predict(X, models)`` yields the predictions of each model.
    models : list
        Which ask in this order.
    score_clock : Clock
        Of the models, for data other than those of the fit.
    """

    def __init__(self, predict, models, score_clock):
        self._predict, self._models, self.score_clock = predict, models, score_clock
        self._coming = {}  # by position among the inputs: the next model, and an iterator

    def knowing(self, model, inputs, at):
        """A copy of a model whose `predict` knows the predictions of one of the inputs."""
        if isinstance(inputs[at], Failed):
            return model
        known, own = copy.copy(model), model.predict
        made = []

        def predict(X):  # scorers look at the name
            if X is not inputs[at]:
                return own(X)
            if not made:
                with self.score_clock if at else nullcontext():  # scores of the fit count for no time
                    made.append(self._next(model, X, at))
            return own(X) if made[0] is None else made[0]

        known.predict = predict
        return known

    def _next(self, model, X, at):
        """The predictions of a model; None where it has to predict by itself, and tell why it cannot."""
        which = next(i for i, other in enumerate(self._models) if other is model)
        try:
            if at not in self._coming:
                self._coming[at] = 0, iter(self._predict(X, self._models))
            first, coming = self._coming[at]
            if coming is None or which < first:
                return None
            for _ in range(which - first):  # of models that did not ask
                next(coming)
            self._coming[at] = which + 1, coming
            return next(coming)
        except Exception:
            self._coming[at] = 0, None
            return None


class Kept:
    """What walks through other values of one parameter can use again, for the same data.

    These are the models of the steps before the one with the parameter, what the last of them makes of the
    data, and what `fit_path` of the step itself keeps in the dictionary `reuse`, if it takes one.

    Parameters
    ----------
    parameter : str
        Its name.
    """

    def __init__(self, parameter):
        self.parameter = parameter
        self._branches, self._of_paths = {}, {}

    def branch(self, key, members):
        """What is kept of a step; None where nothing is.

        Outputs are copies, because what follows may write to them; None where they are not needed again.
        """
        found = self._branches.get(key)
        if found is None:
            return None
        outputs = None if found.outputs is None else [copied(X) for X in found.outputs]
        return found._replace(members=members, outputs=outputs)

    def keep(self, key, branch, *, with_outputs):
        """Keep the model of a step, or its error, and what it makes of the data."""
        outputs = None
        if with_outputs and branch.error is None:
            outputs = [copied(X) for X in branch.outputs]
        self._branches[key] = branch._replace(outputs=outputs)

    def of_path(self, key):
        """The dictionary of a path."""
        return self._of_paths.setdefault(key, {})
