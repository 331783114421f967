"""Displays of one fit."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklr.linalg import leverage_scores

from ._axes import BLUE, GREY, ORANGE, axes, line_style, whole_numbers


class SpectrumDisplay:
    """The singular values that a fit found.

    It is recommended to use `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    singular_values : array-like of shape (k,)
        Descending.
    name : str, default=None
        For the legend and the title.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The values.
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    See Also
    --------
    ErrorRankDisplay : How far each rank is from the data.

    Notes
    -----
    A straight line on these axes, logarithmic upward, is exponential decay: few components hold nearly all. A
    flat one says that no rank is much better than the next. Values that are zero are left out.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.decomposition import RandomizedLowRank
    >>> from sklr.inspection import SpectrumDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = RandomizedLowRank(20, random_state=0).fit(X)
    >>> display = SpectrumDisplay.from_estimator(model)  # doctest: +SKIP
    """

    def __init__(self, singular_values, *, name=None):
        self.singular_values = singular_values
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, **line_kw):
        """Draw the singular values of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `singular_values_`: `RandomizedLowRank`, and scikit-learn's `PCA` and `TruncatedSVD`.
        name : str, default=None
            For the legend and the title; the class of the estimator where it is None.
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.
        **line_kw : dict
            Passed to matplotlib's `plot`.

        Returns
        -------
        SpectrumDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator has no singular values.
        """
        check_is_fitted(estimator)
        values = _needs(estimator, "singular_values_", cls)
        return cls(values, name=name or type(estimator).__name__).plot(ax=ax, **line_kw)

    def plot(self, ax=None, *, name=None, **line_kw):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.
        name : str, default=None
            For the legend and the title; that of the display if None.
        **line_kw : dict
            Passed to matplotlib's `plot`.

        Returns
        -------
        SpectrumDisplay
            This one.
        """
        ax = axes(ax, type(self).__name__)
        values = np.asarray(self.singular_values, dtype=float)
        shown = values > 0
        label = name or self.name
        style = line_style(line_kw, color=BLUE, marker="o", markersize=3, label=label)
        (self.line_,) = ax.plot(np.flatnonzero(shown) + 1, values[shown], **style)
        ax.set_yscale("log")
        ax.set_xlabel("component")
        ax.set_ylabel("singular value")
        ax.set_title("Spectrum" if label is None else f"Spectrum: {label}")
        whole_numbers(ax.xaxis)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class ErrorRankDisplay:
    """The estimated error of every smaller rank, and the one that was chosen.

    It is recommended to use `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    errors : array-like of shape (k,)
        Relative Frobenius errors for ranks, or numbers of columns, 1, ..., k.
    best_errors : array-like of shape (k,), default=None
        The least errors that any approximation of these ranks has, where they are known.
    tol : float, default=None
        The error that was asked for.
    name : str, default=None
        For the legend and the title.
    size_name : str, default="rank"
        What the sizes are.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The errors.
    best_line_ : matplotlib Line2D or None
        The least errors.
    chosen_ : matplotlib Line2D
        The mark of the size that was fitted.
    tol_line_ : matplotlib Line2D or None
        The error that was asked for.
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    See Also
    --------
    SpectrumDisplay : The singular values themselves.

    Notes
    -----
    With the error e of the fitted rank k and its singular values, the error of rank j < k is
    ``sqrt(e^2 + (1 - e^2) sum_(j < i <= k) s_i^2 / sum_(i <= k) s_i^2)``, since ``||A||^2`` is the sum of the
    squares over 1 - e^2. Selectors of columns have the errors of all prefixes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.decomposition import RandomizedLowRank
    >>> from sklr.inspection import ErrorRankDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = RandomizedLowRank(None, tol=0.3, random_state=0).fit(X)
    >>> display = ErrorRankDisplay.from_estimator(model)  # doctest: +SKIP
    """

    def __init__(self, errors, *, best_errors=None, tol=None, name=None, size_name="rank"):
        self.errors = errors
        self.best_errors = best_errors
        self.tol = tol
        self.name = name
        self.size_name = size_name

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, **line_kw):
        """Draw the errors of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted: one with `errors_`, such as `CURSelector`, or with `singular_values_` and
            `error_estimate_`, such as `RandomizedLowRank`.
        name : str, default=None
            For the legend and the title; the class of the estimator where it is None.
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.
        **line_kw : dict
            Passed to matplotlib's `plot` for the errors.

        Returns
        -------
        ErrorRankDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator has no error estimate.
        """
        check_is_fitted(estimator)
        name = name or type(estimator).__name__
        tol = getattr(estimator, "tol", None)
        if hasattr(estimator, "errors_"):
            best = getattr(estimator, "best_errors_", None)
            display = cls(estimator.errors_, best_errors=best, tol=tol, name=name, size_name="columns")
        else:
            error = _needs(estimator, "error_estimate_", cls)
            squares = np.asarray(_needs(estimator, "singular_values_", cls), dtype=float) ** 2
            dropped = squares.sum() - np.cumsum(squares)
            share = np.clip(dropped / max(squares.sum(), np.finfo(float).tiny), 0, 1)
            display = cls(np.sqrt(error**2 + (1 - error**2) * share), tol=tol, name=name)
        return display.plot(ax=ax, **line_kw)

    def plot(self, ax=None, *, name=None, **line_kw):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.
        name : str, default=None
            For the legend and the title; that of the display if None.
        **line_kw : dict
            Passed to matplotlib's `plot` for the errors.

        Returns
        -------
        ErrorRankDisplay
            This one.
        """
        ax = axes(ax, type(self).__name__)
        errors, label = np.asarray(self.errors, dtype=float), name or self.name
        sizes = np.arange(1, len(errors) + 1)
        style = line_style(line_kw, color=BLUE, label="estimated error")
        (self.line_,) = ax.plot(sizes, errors, **style)
        self.best_line_ = self.tol_line_ = None
        if self.best_errors is not None:
            (self.best_line_,) = ax.plot(
                sizes, self.best_errors, color=GREY, linestyle="--", label="best of that rank"
            )
        if self.tol is not None:
            self.tol_line_ = ax.axhline(self.tol, color=ORANGE, linestyle=":", label=f"tol = {self.tol:g}")
        (self.chosen_,) = ax.plot(
            sizes[-1:], errors[-1:], "o", color=ORANGE, label=f"chosen: {sizes[-1]}, error {errors[-1]:.3g}"
        )
        ax.set_ylim(bottom=0)
        ax.set_xlabel(self.size_name)
        ax.set_ylabel("relative Frobenius error")
        ax.set_title("Error" if label is None else f"Error: {label}")
        whole_numbers(ax.xaxis)
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


class LeverageDisplay:
    """Leverage scores of columns, the largest first: how many of them carry the leading directions.

    It is recommended to use `from_estimator` or `from_data`. All parameters are stored as attributes.

    Parameters
    ----------
    scores : array-like of shape (n,)
        From 0 to 1.
    k : int
        The rank they belong to.
    selected : array-like of int, default=None
        Columns to be marked.
    name : str, default=None
        For the title.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The scores.
    uniform_line_ : matplotlib Line2D
        What each would have if all were alike, k / n.
    selected_ : matplotlib Line2D or None
        The marks.
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    See Also
    --------
    sklr.linalg.leverage_scores : Computes them.

    Notes
    -----
    Flat at k / n, all columns matter alike, and columns at random are as good as chosen ones. A steep fall
    says that few columns carry everything, and that random ones miss them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.inspection import LeverageDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = LeverageDisplay.from_data(X, 10)  # doctest: +SKIP
    """

    def __init__(self, scores, k, *, selected=None, name=None):
        self.scores = scores
        self.k = k
        self.selected = selected
        self.name = name

    @classmethod
    def from_data(cls, X, k, *, selected=None, kind="exact", random_state=0, name=None, ax=None, **line_kw):
        """Compute the scores of the columns of X, and draw them.

        Parameters
        ----------
        X : matrix or operand of shape (m, n)
            Dense or sparse.
        k : int
            The rank.
        selected : array-like of int, default=None
            Columns to be marked.
        kind : {"exact", "sketched", "ridge"}, default="exact"
            Of `sklr.linalg.leverage_scores`.
        random_state : int, default=0
            The seed.
        name : str, default=None
            For the title.
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.
        **line_kw : dict
            Passed to matplotlib's `plot` for the scores.

        Returns
        -------
        LeverageDisplay
            Drawn.
        """
        scores = leverage_scores(X, k, kind=kind, rng=random_state).scores
        return cls(scores, k, selected=selected, name=name).plot(ax=ax, **line_kw)

    @classmethod
    def from_estimator(cls, estimator, X, *, kind="exact", random_state=0, name=None, ax=None, **line_kw):
        """Draw the scores of the columns of X, with those marked that a selector has chosen.

        Parameters
        ----------
        estimator : estimator
            A fitted selector of columns, such as `CURSelector`.
        X : matrix or operand of shape (m, n)
            What it was fitted to.
        kind : {"exact", "sketched", "ridge"}, default="exact"
            Of `sklr.linalg.leverage_scores`, of the rank of the number of columns that were chosen.
        random_state : int, default=0
            The seed.
        name : str, default=None
            For the title; the class of the estimator where it is None.
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.
        **line_kw : dict
            Passed to matplotlib's `plot` for the scores.

        Returns
        -------
        LeverageDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator selects no columns.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "get_support"):
            raise TypeError(
                f"{cls.__name__} needs a selector with get_support, got {type(estimator).__name__}."
            )
        selected = estimator.get_support(indices=True)
        return cls.from_data(
            X,
            max(len(selected), 1),
            selected=selected,
            kind=kind,
            random_state=random_state,
            name=name or type(estimator).__name__,
            ax=ax,
            **line_kw,
        )

    def plot(self, ax=None, *, name=None, **line_kw):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; new axes if None.
        name : str, default=None
            For the title; that of the display if None.
        **line_kw : dict
            Passed to matplotlib's `plot` for the scores.

        Returns
        -------
        LeverageDisplay
            This one.
        """
        ax = axes(ax, type(self).__name__)
        scores, label = np.asarray(self.scores, dtype=float), name or self.name
        order = np.argsort(-scores, kind="stable")
        place = np.arange(1, len(scores) + 1)
        style = line_style(line_kw, color=BLUE, label="leverage score")
        (self.line_,) = ax.plot(place, scores[order], **style)
        uniform = self.k / len(scores)
        self.uniform_line_ = ax.axhline(
            uniform, color=GREY, linestyle="--", label=f"all alike: {uniform:.2g}"
        )
        self.selected_ = None
        if self.selected is not None:
            marked = np.isin(order, self.selected)
            (self.selected_,) = ax.plot(
                place[marked], scores[order][marked], "o", color=ORANGE, markersize=4, label="selected"
            )
        ax.set_ylim(bottom=0)
        ax.set_xlabel("columns, by their score")
        ax.set_ylabel(f"leverage score of rank {self.k}")
        ax.set_title("Leverage" if label is None else f"Leverage: {label}")
        whole_numbers(ax.xaxis)
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _needs(estimator, attribute, display):
    """An attribute of a fitted estimator; an error that says what the display is for."""
    if not hasattr(estimator, attribute):
        raise TypeError(
            f"{display.__name__} needs `{attribute}`, which {type(estimator).__name__} does not have."
        )
    return getattr(estimator, attribute)
