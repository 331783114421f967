"""Displays of searches."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklr._sklearn_compat import standard_errors

from ._axes import GREY, MARKERS, ORANGE, axes, colors_of


class SketchSearchDisplay:
    """Score of the candidates of a search over one or two parameters, with error bars, and what they cost.

    It is recommended to use `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    results : dict
        ``cv_results_`` of a search.
    params : list of str
        One or two names of parameters; the first one goes along the axis, the second one makes the lines.
    metric : str, default="score"
        The name of the score, where there are several.
    cost : str or None, default="mean_fit_time"
        The column of `results` that is drawn below; None for no such axes.
    best_index : int, default=None
        The candidate to be marked.

    Attributes
    ----------
    errorbars_ : list of matplotlib ErrorbarContainer
        One for each value of the second parameter.
    cost_lines_ : list of matplotlib Line2D
        The costs.
    ax_ : matplotlib Axes or ndarray of two of them
        Where it was drawn: the scores, and the costs.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    See Also
    --------
    sklr.model_selection.simplest_within : Chooses the cheapest candidate within the error bars.

    Notes
    -----
    Error bars are standard errors of the means over the folds, ``std / sqrt(n_splits)``. Where parameters
    that are not shown differ, the best candidate for each place is drawn; of a halving search the last round
    in which there was one.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklr.decomposition import RandomizedLowRank
    >>> from sklr.inspection import SketchSearchDisplay
    >>> from sklr.model_selection import SketchSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> model = make_pipeline(RandomizedLowRank(random_state=0), RidgeClassifier())
    >>> search = SketchSearchCV(model, {"randomizedlowrank__n_components": [5, 20, 40]}).fit(X, y)
    >>> display = SketchSearchDisplay.from_estimator(search)  # doctest: +SKIP
    """

    def __init__(self, results, params, *, metric="score", cost="mean_fit_time", best_index=None):
        self.results = results
        self.params = params
        self.metric = metric
        self.cost = cost
        self.best_index = best_index

    @classmethod
    def from_estimator(cls, search, *, params=None, metric=None, cost="mean_fit_time", ax=None):
        """Draw the results of a fitted search.

        Parameters
        ----------
        search : SketchSearchCV or GridSearchCV
            Fitted.
        params : str or list of str, default=None
            One or two parameters, the first one along the axis; None for those of the grid that have more
            than one value, if there are at most two, the one with more values first.
        metric : str, default=None
            The name of the score; None for that of the refit, or the only one.
        cost : str or None, default="mean_fit_time"
            A column of ``cv_results_``; None for no axes of costs.
        ax : matplotlib Axes or a pair of them, default=None
            Where to draw: with costs, two axes. New ones if None.

        Returns
        -------
        SketchSearchDisplay
            Drawn.

        Raises
        ------
        ValueError
            If a parameter, the score or the cost is not among the results, or more than two parameters differ
            and none are named.
        """
        check_is_fitted(search, "cv_results_")
        results = search.cv_results_
        if params is None:
            names = [key[6:] for key in results if key.startswith("param_")]
            params = [name for name in names if len(_values(results, name)) > 1] or names[:1]
            if not 1 <= len(params) <= 2:
                raise ValueError(
                    f"The search has {len(params)} parameters that differ, {params}: name one or two."
                )
            params.sort(key=lambda name: -len(_values(results, name)))
        params = [params] if isinstance(params, str) else list(params)
        if metric is None:
            metric = search.refit if isinstance(search.refit, str) else "score"
        best_index = getattr(search, "best_index_", None)
        return cls(results, params, metric=metric, cost=cost, best_index=best_index).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or a pair of them, default=None
            Where to draw: with costs, two axes. New ones if None.

        Returns
        -------
        SketchSearchDisplay
            This one.
        """
        params = [self.params] if isinstance(self.params, str) else list(self.params)
        if len(params) not in (1, 2):
            raise ValueError(f"params must be one or two names, got {self.params}.")
        means, errors = self._scores(params)
        score_ax, cost_ax = self._axes(ax)
        values = _values(self.results, params[0])
        lines = [None] if len(params) == 1 else _values(self.results, params[1])
        best_rows = self._best_rows(params, values, lines, means)
        places, is_log = _places(values)
        self.errorbars_, self.cost_lines_ = [], []
        colors, labelled = colors_of(len(lines)), -(-len(lines) // _MOST_LABELS)
        for at, line in enumerate(lines):
            rows = [best_rows.get((i, at)) for i in range(len(values))]
            shown = [i for i, row in enumerate(rows) if row is not None]
            x, of = places[shown], [rows[i] for i in shown]
            style = {
                "color": colors[at],
                "marker": MARKERS[at % len(MARKERS)],
                "markersize": 4,
                "label": None if line is None or at % labelled else f"{params[1]} = {_text(line)}",
            }
            self.errorbars_.append(score_ax.errorbar(x, means[of], errors[of], capsize=3, **style))
            if cost_ax is not None:
                self.cost_lines_ += cost_ax.plot(
                    x, np.asarray(self.results[self.cost], dtype=float)[of], **style
                )
        self._mark_best(score_ax, params, means, values, places)
        for single in (score_ax, cost_ax):
            if single is not None:
                _scale(single, values, places, is_log)
        score_ax.set_ylabel(f"mean test {self.metric}")
        score_ax.set_title(f"{len(self.results['params'])} candidates, bars: standard errors")
        handles, labels = score_ax.get_legend_handles_labels()
        if handles:
            order = np.argsort([label == "chosen" for label in labels], kind="stable")
            score_ax.legend([handles[i] for i in order], [labels[i] for i in order])
        bottom = score_ax if cost_ax is None else cost_ax
        bottom.set_xlabel(params[0])
        if cost_ax is not None:
            cost_ax.set_ylabel(_COST_NAMES.get(self.cost, self.cost))
            highest = max((line.get_ydata().max(initial=0) for line in self.cost_lines_), default=0)
            cost_ax.set_ylim(0, 1.1 * highest if highest > 0 else 1)
        self.ax_ = score_ax if cost_ax is None else np.array([score_ax, cost_ax])
        self.figure_ = score_ax.figure
        return self

    def _scores(self, params):
        key = f"mean_test_{self.metric}"
        for needed in (key, *(f"param_{name}" for name in params), *([self.cost] if self.cost else [])):
            if needed not in self.results:
                raise ValueError(
                    f"There is no column {needed!r} in the results; there are {sorted(self.results)}."
                )
        return np.asarray(self.results[key], dtype=float), standard_errors(self.results, self.metric)

    def _axes(self, ax):
        if ax is None and self.cost is not None:
            figure = axes(None, type(self).__name__).figure
            figure.clear()
            return figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        if self.cost is None:
            return axes(ax, type(self).__name__), None
        pair = np.ravel(ax)
        if len(pair) != 2:
            raise ValueError("ax must be a pair of axes, for scores and costs; or pass cost=None.")
        return pair[0], pair[1]

    def _best_rows(self, params, values, lines, means):
        """The row that is drawn for each value and line: the best, of the last round of a halving search."""
        rounds = self.results.get("iter", np.zeros(len(means)))
        found = {}
        for row, parameters in enumerate(self.results["params"]):
            if not (np.isfinite(means[row]) and all(name in parameters for name in params)):
                continue
            at = 0 if lines == [None] else _position(lines, parameters[params[1]])
            place = _position(values, parameters[params[0]]), at
            other = found.get(place)
            if other is None or (rounds[row], means[row]) > (rounds[other], means[other]):
                found[place] = row
        return found

    def _mark_best(self, ax, params, means, values, places):
        if self.best_index is None or not np.isfinite(means[self.best_index]):
            return
        parameters = self.results["params"][self.best_index]
        if params[0] in parameters:
            ax.plot(
                places[_position(values, parameters[params[0]])],
                means[self.best_index],
                "o",
                markersize=12,
                markerfacecolor="none",
                markeredgecolor=ORANGE if len(params) == 1 else GREY,
                markeredgewidth=2,
                label="chosen",
            )


_COST_NAMES = {
    "mean_fit_time": "fit time, s",
    "mean_score_time": "score time, s",
    "mean_stored_numbers": "stored numbers",
}


def _values(results, name):
    """The distinct values of a parameter: ascending where they are numbers, else as they come."""
    found = []
    for parameters in results["params"]:
        if name in parameters and not any(_same(parameters[name], value) for value in found):
            found.append(parameters[name])
    return sorted(found) if all(_is_number(value) for value in found) else found


def _is_number(value):
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _same(a, b):
    if a is b:
        return True
    if _is_number(a) and _is_number(b):
        return a == b
    return type(a) is type(b) and bool(np.all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b))


def _position(values, value):
    return next(i for i, other in enumerate(values) if _same(other, value))


def _text(value):
    return f"{value:g}" if _is_number(value) else str(value)


def _places(values):
    """Where values go along the axis, and whether that is logarithmic.

    Numbers that grow by factors go by their logarithm; where one of them has none, and for other values,
    places are counted.
    """
    counted = np.arange(len(values), dtype=float)
    if not all(_is_number(value) for value in values):
        return counted, False
    places = np.array(values, dtype=float)
    gaps = np.diff(places)
    if len(gaps) < 2 or gaps.max() <= 5 * gaps.min():
        return places, False
    return (places, True) if places[0] > 0 else (counted, False)


def _scale(ax, values, places, is_log):
    """Ticks at values, as many as there is room for."""
    if is_log:
        ax.set_xscale("log")
    step = -(-len(values) // _MOST_TICKS)
    ax.set_xticks(places[::step], [_text(value) for value in values[::step]])
    ax.set_xticks([], minor=True)


_MOST_TICKS, _MOST_LABELS = 12, 8
