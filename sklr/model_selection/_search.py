"""Grid search that fits once what candidates have in common."""

import time
import warnings

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import get_tags, indexable
from sklearn.utils.parallel import Parallel, delayed

from sklr._sklearn_compat import (
    error_scores,
    index_params,
    insert_error_scores,
    is_multimetric,
    report_failed_fits,
    safe_split,
    score,
    scores_last_step,
)
from sklr.base import level_of_caller

from ._choice import SimplestWithin, stored_numbers
from ._paths import blocks_of, walk
from ._progress import Progress
from ._sharing import Failed, cloned, copied, shares


class SketchSearchCV(GridSearchCV):
    """Grid search over cross-validation that fits once what candidates have in common.

    The interface, the scores and the table of results are those of `sklearn.model_selection.GridSearchCV`.
    The candidates of a fold are fitted as a tree:

    - steps of a pipeline before the first one that differs are fitted, and their data transformed, once;
    - a step that has `fit_path` fits all of its own settings together: the ranks of `RandomizedLowRank`, the
      numbers of `CURSelector`, the alphas of `SketchedRidge`. Of scikit-learn, `PCA` and `TruncatedSVD` with
      numbers of components take part;
    - everything else is fitted as usual, one by one.

    So a grid over the rank costs little more than its largest one, and a grid over rank and alpha little more
    than the ranks.

    Parameters
    ----------
    estimator : estimator
        A pipeline, of any depth, or a single estimator.
    param_grid : dict or list of dict
        Values by the name of the parameter, ``{"reduce__n_components": [10, 20]}``, or several such grids.
    scoring : str, callable, list, tuple or dict, default=None
        Of `GridSearchCV`. Where all scorers are scikit-learn's own, by name or from `make_scorer`, the last
        step of a pipeline is scored on transformed data; other callables get the whole pipeline.
    n_jobs : int, default=None
        Folds that are evaluated at a time, or where there are more jobs than folds, parts of the grid.
    refit : bool, str or callable, default=True
        Of `GridSearchCV`; `simplest_within` makes a callable. The refit is a direct fit with the best
        parameters, on all of the data.
    cv : int, splitter or iterable, default=None
        Of `GridSearchCV`; None means 5 folds.
    verbose : int, default=0
        Above 0, one line of progress on the standard error: candidates done, time left, the best so far.
    pre_dispatch : int or str, default="2*n_jobs"
        Of `GridSearchCV`.
    error_score : "raise" or float, default=nan
        The score of a candidate whose fit or score fails; the others stand. "raise": the error is raised.
    return_train_score : bool, default=False
        Whether scores of the training data are computed too.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        The keys of `GridSearchCV`, and "mean_stored_numbers": how many numbers the arrays of a fit hold. What
        several candidates share is counted in equal parts in their times: they add up to the time that was
        spent. After an interruption it has the folds that were finished, after an error behind the last fold
        all of them, and nothing else is set.
    best_estimator_ : estimator
        Refitted with the best parameters; unless ``refit=False``.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Its mean score; not where `refit` is callable.
    best_index_ : int
        Its row of `cv_results_`.
    scorer_ : callable or dict
        The scorer, or the scorers by name.
    n_splits_ : int
        Folds.
    refit_time_ : float
        Seconds of the refit.
    multimetric_ : bool
        Whether there are several scores.
    n_features_in_ : int
        Features; where the best estimator tells.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names; where the best estimator tells.
    classes_ : ndarray of shape (n_classes,)
        Of a classifier.

    Raises
    ------
    ValueError
        From `fit`: a parameter that the estimator does not have, an empty grid, or all fits failed. The
        search is left as it was.

    Warns
    -----
    FitFailedWarning
        Some fits failed, with their errors.

    See Also
    --------
    simplest_within : The simplest candidate that is nearly the best.
    pareto_front : Candidates that no other one beats in score and cost.

    Notes
    -----
    *Equal scores.* A part of a fit equals a direct fit with the smaller value for exact and Gram solvers of
    `RandomizedLowRank`, and for alphas. What is cut from a larger fit by iteration or on a sketch is no less
    accurate, but another random approximation: scores then differ as those of two seeds do.

    *Cost.* In each fold: one fit of a path step for each setting of what stands before it, and one fit of
    each last step. Memory: the data after each of the steps on one way down the tree, and the fits of one
    path, of which those of `RandomizedLowRank`, `PCA` and `TruncatedSVD` with what they make of the data.

    Steps that may write to their data get copies where several settings need them. ``verbose`` of a pipeline
    has no effect in the folds.

    *Threads.* Estimators of sklr share one pool of threads and one limit of BLAS in a process; with workers
    in processes joblib divides the cores among them. Results are the same for every `n_jobs`.

    *When not to use it.* Where no parameter of the grid belongs to a path and nothing stands before the steps
    that are searched: it is then `GridSearchCV`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklr.decomposition import RandomizedLowRank
    >>> from sklr.model_selection import SketchSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> model = Pipeline([
    ...     ("scale", StandardScaler()),
    ...     ("reduce", RandomizedLowRank(random_state=0)),
    ...     ("classify", RidgeClassifier()),
    ... ])
    >>> search = SketchSearchCV(model, {"reduce__n_components": [5, 10, 20, 40]}, cv=3).fit(X, y)
    >>> search.best_params_
    {'reduce__n_components': 40}
    >>> search.cv_results_["mean_test_score"].round(2)
    array([0.68, 0.74, 0.86, 0.89])
    """

    def fit(self, X, y=None, **params):
        """Search, and refit with the best parameters.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features) or (n_samples, n_samples)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **params : dict
            Passed to the `fit` of the estimator, to the scorer and to the splitter; what has a value for each
            sample is split as X is.

        Returns
        -------
        SketchSearchCV
            The fitted search.
        """
        before = dict(vars(self))
        for name in [name for name in before if name.endswith("_") and not name.startswith("_")]:
            delattr(self, name)
        finished = {}
        try:
            return self._fit(X, y, params, finished)
        except BaseException:
            # As it was; or, where folds are finished, nothing beside their results.
            if finished:
                for name in [name for name in vars(self) if name.endswith("_") and not name.startswith("_")]:
                    delattr(self, name)
                vars(self).update(finished)
            else:
                vars(self).clear()
                vars(self).update(before)
            raise

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse  # before scikit-learn 1.7 too
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def _fit(self, X, y, params, finished):
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(index_params(X, params, None))
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        if not splits:
            raise ValueError(f"No fits were performed: cv={self.cv!r} gives no splits.")
        self.n_splits_ = len(splits)
        self.scorer_ = scorers._scorers if is_multimetric(scorers) else scorers
        candidates = self._checked_candidates()
        rows = self._evaluated(X, y, candidates, splits, scorers, refit_metric, routed, finished)
        self.multimetric_ = isinstance(rows[0]["test_scores"], dict)
        refit_metric = self._checked_metric(rows, refit_metric)
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, self.cv_results_)
            self.best_params_ = self.cv_results_["params"][self.best_index_]
            if not callable(self.refit):
                self.best_score_ = self.cv_results_[f"mean_test_{refit_metric}"][self.best_index_]
        if self.refit:
            self._refit(X, y, routed.estimator.fit)
        return self

    def _checked_metric(self, rows, refit_metric):
        """The score to refit by; that a callable `scoring` gives it is known when there are scores."""
        if callable(self.scoring) and isinstance(rows[0]["test_scores"], dict):
            self._check_refit_for_multimetric(rows[0]["test_scores"])
            return self.refit
        return refit_metric

    def _candidates(self):
        return list(ParameterGrid(self.param_grid))

    def _checked_candidates(self):
        """The candidates; an error for a parameter that the estimator does not have."""
        candidates = self._candidates()
        if not candidates:
            raise ValueError(f"param_grid has no candidates, got {self.param_grid!r}.")
        for parameters in candidates:
            clone(self.estimator).set_params(**cloned(parameters))
        if isinstance(self.refit, SimplestWithin):
            self.refit.check({name for parameters in candidates for name in parameters}, self.scorer_)
        return candidates

    def _evaluated(self, X, y, candidates, splits, scorers, refit_metric, routed, finished):
        """Scores and times of every candidate in every split, candidate by candidate; sets `cv_results_`."""
        n_splits = len(splits)
        n_parts = -(-effective_n_jobs(self.n_jobs) // max(n_splits, 1))
        blocks = blocks_of(self.estimator, candidates, n_parts)
        rows = [None] * (len(candidates) * n_splits)
        try:
            self._fill(rows, candidates, blocks, X, y, splits, scorers, routed)
        except KeyboardInterrupt:
            done = [i for i in range(n_splits) if None not in rows[i::n_splits]]
            if done:
                rows = [rows[i] for i in range(len(rows)) if i % n_splits in done]
                if callable(self.scoring):
                    insert_error_scores(rows, self.error_score)
                finished["cv_results_"] = self._table(candidates, len(done), rows)
            raise
        report_failed_fits(rows, self.error_score)
        if callable(self.scoring):
            insert_error_scores(rows, self.error_score)
        finished["cv_results_"] = self.cv_results_ = self._table(candidates, n_splits, rows)
        return rows

    def _fill(self, rows, candidates, blocks, X, y, splits, scorers, routed, *, kept=None, label=""):
        """Put in the rows of all candidates, candidate by candidate; the tasks are splits with a block each.

        With `kept`, an object for each split, the tasks are run in this process.
        """
        n_splits = len(splits)
        tasks = [(split, block) for split in range(n_splits) for block in blocks]
        backend, _ = get_active_backend(require=None if kept is None else "sharedmem")
        n_jobs = effective_n_jobs(self.n_jobs)
        in_this_process = n_jobs == 1 or kept is not None or getattr(backend, "supports_sharedmem", False)
        # Results come one by one, for the progress and in case of an interruption, where joblib can do that.
        can_stream = getattr(backend, "supports_return_generator", False)
        parallel = Parallel(
            n_jobs=self.n_jobs,
            pre_dispatch=self.pre_dispatch,
            return_as="generator" if can_stream else "list",
            require=None if kept is None else "sharedmem",
        )
        metric = self.refit if isinstance(self.refit, str) else None
        with Progress(candidates, n_splits, label, metric, self.verbose) as progress:
            found = parallel(
                delayed(_fit_and_score)(
                    self.estimator,
                    [candidates[i] for i in block],
                    X,
                    y,
                    *splits[split],
                    scorers,
                    routed.estimator.fit,
                    routed.scorer.score,
                    self.return_train_score,
                    self.error_score,
                    kept=None if kept is None else kept[split],
                    report=progress.of(block) if in_this_process else None,
                )
                for split, block in tasks
            )
            for (split, block), of_task in zip(tasks, found, strict=True):
                for i, row in zip(block, of_task, strict=True):
                    rows[i * n_splits + split] = row
                if not in_this_process:
                    progress.of(block)(range(len(block)), of_task)

    def _table(self, candidates, n_splits, rows, more=None):
        stored = np.array([row["stored_numbers"] for row in rows]).reshape(-1, n_splits).mean(axis=1)
        return self._format_results(candidates, n_splits, rows, more) | {"mean_stored_numbers": stored}

    def _refit(self, X, y, fit_params):
        self.best_estimator_ = clone(self.estimator).set_params(**cloned(self.best_params_))
        start = time.perf_counter()
        if y is None:
            self.best_estimator_.fit(X, **fit_params)
        else:
            self.best_estimator_.fit(X, y, **fit_params)
        self.refit_time_ = time.perf_counter() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


def _fit_and_score(
    estimator,
    settings,
    X,
    y,
    train,
    test,
    scorer,
    fit_params,
    score_params,
    return_train_score,
    error_score,
    kept=None,
    report=None,
):
    """The rows of settings of an estimator in one split.

    ``report(members, rows)`` is called with those that are done, before their times are known.
    """
    X_train, y_train = safe_split(estimator, X, y, train)
    X_test, y_test = safe_split(estimator, X, y, test, train)
    inputs = [X_train, X_test]
    scored = {"test_scores": (1, y_test, index_params(X, score_params, test))}
    if return_train_score:
        scored["train_scores"] = (0, y_train, index_params(X, score_params, train))
    takes_last_step = scores_last_step(scorer, score_params)
    leaves = walk(
        estimator,
        settings,
        inputs if takes_last_step else [copied(X) for X in inputs],  # which steps may write to
        y_train,
        index_params(X, fit_params, train),
        raises=error_score == "raise",
        kept=kept,
    )
    found = []
    for leaf in leaves:
        row, seconds = {"fit_error": leaf.error, "n_test_samples": len(test)}, 0.0
        row["stored_numbers"] = np.nan if leaf.error is not None else stored_numbers(leaf.estimator)
        for key, (at, its_y, its_params) in scored.items():
            if leaf.error is not None:
                row[key] = error_scores(scorer, error_score)
                continue
            model = leaf.knowing(at) if takes_last_step else leaf.estimator
            shared = 0.0 if leaf.together is None else leaf.together.score_clock.seconds
            start = time.perf_counter()
            if takes_last_step:
                row[key] = _scored(model, leaf.inputs[at], its_y, scorer, its_params, error_score)
            else:
                row[key] = _scored(model, copied(inputs[at]), its_y, scorer, its_params, error_score)
            if key == "test_scores":
                seconds = time.perf_counter() - start
                if leaf.together is not None:  # what is shared is counted by its own clock
                    seconds -= leaf.together.score_clock.seconds - shared
        found.append((leaf.members, row, leaf.fit_clocks, leaf.score_clocks, seconds))
        if report is not None:
            report(leaf.members, [row] * len(leaf.members))
    rows = [None] * len(settings)
    for members, row, fit_clocks, score_clocks, seconds in found:  # now that all who share a time are done
        row["fit_time"] = shares(fit_clocks)
        row["score_time"] = shares(score_clocks) + seconds / len(members)
        for member in members:
            rows[member] = row
    return rows


def _scored(model, X, y, scorer, params, error_score):
    """Scores; those of an error, with a warning, where the data could not be transformed."""
    if not isinstance(X, Failed):
        return score(model, X, y, scorer, params, error_score)
    if error_score == "raise":
        raise X.error
    warnings.warn(
        "Scoring failed. The score on this train-test partition for these parameters will be set to "
        f"{error_score}. Details:\n{type(X.error).__name__}: {X.error}",
        UserWarning,
        stacklevel=level_of_caller(),
    )
    return error_scores(scorer, error_score)
