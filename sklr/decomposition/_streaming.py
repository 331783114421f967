"""Fitting in pieces: chunk by chunk, merged, forgotten, and resumed from a file."""

import copy
import warnings
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if

from sklr._backend import compute_dtype
from sklr._checkpoint import Checkpoint
from sklr._validation import validate_rows, validate_weight
from sklr.base import level_of_caller, unchanged_on_error
from sklr.linalg import FrequentDirections, RowChunks, RunningGram, UpdatedRows

# A Gram matrix of more columns costs more per row than Frequent Directions of usual size, and than its
# exactness is worth.
_GRAM_COLUMNS = 4096
# What is computed from the running state when it is first asked for.
SPECTRAL = frozenset(
    (
        "components_",
        "singular_values_",
        "residual_norms_",
        "explained_variance_",
        "explained_variance_ratio_",
        "noise_variance_",
        "mean_",
        "n_components_",
        "n_samples_",
        "n_passes_",
        "n_iter_",
        "solver_",
        "error_estimate_",
        "_squared_norm",
        "_seen",
    )
)
STREAM_SOLVERS = ("gram", "frequent_directions", "svd_update")
# What a running state is made for; it may not change while rows come in.
_OF_STATE = ("center", "feature_weight", "solver")
_OF_SKETCH = ("n_components", "n_oversamples", "tol")
# Squared singular values below so many eps of the largest are rounding errors of the running state.
_LOST = 10


def _takes_chunks(estimator):
    if not (isinstance(estimator.sketch, str) and estimator.sketch == "auto"):
        raise AttributeError(
            f"There is no partial_fit with sketch={estimator.sketch!r}: its states are deterministic. Use "
            "sketch='auto'."
        )
    if estimator.solver not in ("auto", *STREAM_SOLVERS):
        raise AttributeError(
            f"There is no partial_fit with solver={estimator.solver!r}, which needs all rows at once. Use "
            f"one of {STREAM_SOLVERS} or 'auto'; or fit with RowChunks or a memory-mapped array."
        )
    return True


class StreamingMixin:
    """`partial_fit`, `merge`, `forget` and `fit_chunks` on a running state of `sklr.linalg`."""

    @available_if(_takes_chunks)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Take in more rows. What was taken in before is not needed again.

        Up to 4,096 columns the state is the Gram matrix (`sklr.linalg.RunningGram`: exact up to rounding).
        For more, it is a truncated SVD that is updated, of sparse data without centring
        (`sklr.linalg.UpdatedRows`: touches only the columns that a chunk has), otherwise Frequent Directions
        (`sklr.linalg.FrequentDirections`, whose error is bounded). `solver` names one of them: "gram",
        "svd_update" or "frequent_directions". Only "gram" leaves the rank to the data. The components and
        everything else that is fitted are computed when they are first looked at, and `error_estimate_` is an
        upper bound. After `fit`, it goes on from the components that were found; what they leave out is lost.
        Not there with another `solver`, or a `sketch`.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterator, RowChunks} of shape (n_samples, n_features)
            A chunk of one row or more; or an iterator over chunks, each of which is taken in as by a call of
            its own.
        y : Ignored
            Present for the interface.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts; need not be whole numbers. Not with an iterator.

        Returns
        -------
        RandomizedLowRank
            This estimator.

        Raises
        ------
        ValueError
            If X differs from earlier chunks in width, names or dtype, holds NaN or infinity, or is empty; if
            a parameter does not go with chunks. The chunk is then not taken in.
        """
        if isinstance(X, RowChunks):
            X = X.factory()
        if not hasattr(X, "__next__"):
            return self._partial_fit(X, sample_weight)
        if sample_weight is not None:
            raise ValueError("sample_weight cannot go with an iterator: pass the chunks one by one.")
        for chunk in X:
            self._partial_fit(chunk, None)
        return self

    def _partial_fit(self, X, sample_weight):
        with unchanged_on_error(self):
            return self._take_in(X, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def _take_in(self, X, sample_weight):
        self._check_parameters()
        is_first = not self.__sklearn_is_fitted__()
        if not is_first:
            self._check_unchanged()
        X = validate_rows(self, X, reset=is_first)
        sample_weight = validate_weight(sample_weight, X.shape[0], "sample_weight", may_vanish=True)
        feature_weight = validate_weight(self.feature_weight, X.shape[1], "feature_weight", positive=True)
        stream, made_for = vars(self).get("_stream"), vars(self).get("_made_for")
        if stream is None:
            stream = self._new_stream(X)
            if not is_first:
                self._go_on_from_fit(stream)
            is_exact = isinstance(stream, RunningGram)
            made_for = self._parameters(*_OF_STATE, *(() if is_exact else _OF_SKETCH))
        if feature_weight is not None:
            X = X.astype(compute_dtype(X.dtype), copy=False)
            scale = np.sqrt(feature_weight).astype(X.dtype)
            X = X.multiply(scale).tocsr() if sparse.issparse(X) else X * scale
        stream.add(X, sample_weight, n_threads=self.n_threads)
        self._stream, self._made_for = stream, made_for
        self._look_again()
        return self

    def _parameters(self, *names):
        """What parameters are now, though arrays may be written to and others set later."""
        return {name: copy.copy(getattr(self, name)) for name in names}

    def _check_unchanged(self):
        """Raise if what the rows so far were taken in with is not what the parameters say."""
        for name, before in vars(self).get("_made_for", {}).items():
            now = getattr(self, name)
            if not np.array_equal(before, now):
                was, now = (
                    ("an array", "another") if np.ndim(before) and np.ndim(now) else (repr(before), repr(now))
                )
                raise ValueError(
                    f"{name} was {was} when the first rows came in and is {now} now. Set it back, or begin "
                    "again with a clone."
                )

    def forget(self, factor):
        """Multiply the weight of all rows so far by `factor`, so that old rows fade.

        Called before every chunk, with c chunks in all, it is the same as a fit with the weight
        ``factor ** (c - 1 - i)`` for the rows of chunk i.

        Parameters
        ----------
        factor : float
            In (0, 1].

        Returns
        -------
        RandomizedLowRank
            This estimator.
        """
        if isinstance(factor, bool) or not isinstance(factor, Real):
            raise TypeError(f"factor must be a number in (0, 1], got {factor!r}.")
        if not 0 < factor <= 1:
            raise ValueError(f"factor must be in (0, 1], got {factor!r}.")
        stream = self._running_state("forget")
        self._check_unchanged()
        stream.forget(float(factor))
        self._look_again()
        return self

    def merge(self, other):
        """Take in what another estimator was fitted to, by `partial_fit`, on other rows.

        Exact for "gram"; for "frequent_directions" within the bound that one state of all rows has, in
        whatever order states are merged. Two states of "svd_update" merge as if the leading singular vectors
        of the other one were further rows.

        Parameters
        ----------
        other : RandomizedLowRank
            With the same `center` and `feature_weight`, and state of the same kind and size. It does not
            change.

        Returns
        -------
        RandomizedLowRank
            This estimator.

        Raises
        ------
        TypeError, ValueError
            If the two do not go together.
        """
        if not isinstance(other, type(self)):
            raise TypeError(f"other must be a {type(self).__name__}, got {type(other).__name__}.")
        mine, theirs = self._running_state("merge"), other._running_state("merge")
        self._check_unchanged()
        other._check_unchanged()
        for name in ("center", "feature_weight"):
            if not np.array_equal(getattr(self, name), getattr(other, name)):
                raise ValueError(
                    f"Cannot merge: {name} is {getattr(self, name)!r} here and "
                    f"{getattr(other, name)!r} there."
                )
        names = [getattr(model, "feature_names_in_", None) for model in (self, other)]
        if None not in [None if n is None else "" for n in names] and not np.array_equal(*names):
            raise ValueError("Cannot merge: the feature names differ, or their order.")
        mine.merge(theirs, n_threads=self.n_threads)
        self._look_again()
        return self

    @available_if(_takes_chunks)
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_chunks(self, X, y=None, *, sample_weight=None, checkpoint=None, every=16):
        """Fit in one pass over chunks, as `partial_fit` does; after a kill, resume from a file.

        A fit that was interrupted and resumed has the same bits as one that was not.

        Parameters
        ----------
        X : RowChunks
            The data.
        y : Ignored
            Present for the interface.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts.
        checkpoint : str or path, default=None
            File for the running state, written after every `every` chunks: to a temporary file, which then
            takes its place, so that there is always a whole one. If it exists when the fit begins, the fit
            goes on from there; it is removed when the fit is complete. It is a pickle: resume only from files
            of your own. None: no file.
        every : int, default=16
            Chunks between two writes.

        Returns
        -------
        RandomizedLowRank
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            As `partial_fit`; if X is not `RowChunks` or not as it promises; if the checkpoint belongs to
            other parameters or other data: the chunks that it has seen are read once more and compared.

        Warns
        -----
        RuntimeWarning
            A checkpoint could not be written, because the disk is full for instance. The fit goes on, and the
            file before stays.
        """
        if not isinstance(X, RowChunks):
            raise TypeError(f"X must be RowChunks, got {type(X).__name__}. For one array use fit.")
        if isinstance(every, bool) or not isinstance(every, Integral) or every < 1:
            raise ValueError(f"every must be a positive int, got {every!r}.")
        sample_weight = validate_weight(sample_weight, X.shape[0], "sample_weight")
        names = set(self.get_params(deep=False)) - {"n_threads", "verbose", "whiten", "random_state"}
        about = {name: getattr(self, name) for name in sorted(names)} | {"sample_weight": sample_weight}
        file = None if checkpoint is None else Checkpoint(Path(checkpoint), about, X.shape, X.dtype)
        with unchanged_on_error(self):
            for name in (*SPECTRAL, "_stream", "_made_for"):
                vars(self).pop(name, None)
            done = 0
            if file is not None and file.exists():
                done, state = file.read()
                vars(self).update(state)
            for index, row, chunk in X.pieces():
                if index < done:
                    file.check(index, chunk)
                    continue
                if chunk.shape[0]:
                    end = row + chunk.shape[0]
                    self._take_in(chunk, None if sample_weight is None else sample_weight[row:end])
                if file is not None:
                    file.note(chunk)
                    if (index + 1) % every == 0:
                        file.write(index + 1, self._state())
                if self.verbose and (index + 1) % every == 0:
                    rows = f"{self._stream.n_rows} of {X.shape[0]} rows"
                    print(f"[{type(self).__name__}] {index + 1} chunks, {rows}", flush=True)
        if file is not None:
            file.remove()
        return self

    def _state(self):
        names = ("_stream", "_made_for", "n_features_in_", "feature_names_in_")
        return {name: vars(self)[name] for name in names if name in vars(self)}

    # -- the running state ------------------------------------------------------------------------

    def _running_state(self, method):
        if "_stream" not in vars(self):
            how = "was fitted by fit, which keeps none" if self.__sklearn_is_fitted__() else "has no rows yet"
            raise ValueError(
                f"{method} needs the running state of partial_fit, and this {type(self).__name__} {how}. Use "
                "partial_fit or fit_chunks instead of fit."
            )
        return self._stream

    def _new_stream(self, X):
        n = X.shape[1]
        dtype = compute_dtype(X.dtype)
        is_fixed = isinstance(self.n_components, Integral) and self.tol is None
        options = {
            "gram": lambda: RunningGram(n, center=self.center, dtype=dtype),
            "frequent_directions": lambda: FrequentDirections(
                n, 2 * (self.n_components + self.n_oversamples), center=self.center, dtype=dtype
            ),
            "svd_update": lambda: UpdatedRows(n, self.n_components + self.n_oversamples, dtype=dtype),
        }
        solver = self.solver
        if solver == "auto":
            if n <= _GRAM_COLUMNS:
                solver = "gram"
            else:
                solver = "svd_update" if sparse.issparse(X) and not self.center else "frequent_directions"
        if solver != "gram" and not is_fixed:
            raise ValueError(
                f"With n_components={self.n_components!r} and tol={self.tol!r} the data choose the rank, "
                f"which solver={solver!r} cannot let them: it drops what a rank known before does not need. "
                f"Give an int n_components and no tol, or solver='gram' ({24 * n**2 / 1e9:.3g} GB)."
            )
        if solver != "gram" and self.accuracy is not None:
            raise ValueError(
                f"accuracy={self.accuracy!r} cannot be had from solver={solver!r}, which drops what it takes "
                "for small. Leave it out, or use solver='gram' or fit."
            )
        if solver == "svd_update" and self.center:
            raise ValueError(
                "solver='svd_update' does not centre: a change of the mean touches every row. Use "
                "center=False, or solver='frequent_directions'."
            )
        stream = options[solver]()
        if stream.memory > self.max_memory:
            raise ValueError(
                f"solver={solver!r} needs {stream.memory / 2**20:.3g} MiB for {n} columns, max_memory is "
                f"{self.max_memory / 2**20:.3g} MiB. Raise max_memory"
                + (
                    ", or use solver='frequent_directions'."
                    if solver == "gram"
                    else " or ask for fewer components."
                )
            )
        return stream

    def _go_on_from_fit(self, stream):
        """Begin with what `fit` has left of its rows."""
        n_rows, mean = self._seen
        weight = 1.0 if self.feature_weight is None else np.asarray(self.feature_weight, dtype=np.float64)
        stream.go_on_from(
            self.singular_values_.astype(np.float64),
            self.components_ * np.sqrt(weight),
            mean * np.sqrt(weight),
            self.n_samples_,
            self._squared_norm,
            n_rows,
        )

    def _look_again(self):
        """Forget what was computed from the running state as it was before."""
        for name in SPECTRAL:
            vars(self).pop(name, None)

    def __getattr__(self, name):
        is_there = self.center if name in ("mean_", "noise_variance_") else name in SPECTRAL
        if is_there and "_stream" in vars(self):
            self._decompose_stream()
            if name in vars(self):
                return vars(self)[name]
        return super().__getattribute__(name)  # raises, with the reason where a method is not available

    def _decompose_stream(self):
        self._check_unchanged()
        stream = self._stream.settled()
        n_samples = stream.weight
        self._check_has_variance(n_samples)
        shape = (stream.n_rows, stream.n_features)
        self._warn_if_clipped(shape)
        result = stream.low_rank(self._rule(shape, n_samples), n_threads=self.n_threads)
        mean = stream.mean
        if self.feature_weight is not None:
            mean = mean / np.sqrt(np.asarray(self.feature_weight, dtype=np.float64))
        with unchanged_on_error(self):
            self._set_results(result, mean, n_samples, self._error_bound(result))
            self._set_course(result, 1)
            self._seen = stream.n_rows, mean
            self._warn_if_missed(result)
            self._warn_if_lost(result)

    def _warn_if_lost(self, result):
        s = result.singular_values.astype(np.float64)
        limit = np.sqrt(_LOST * np.finfo(result.singular_values.dtype).eps)
        lost = int(np.sum(s <= limit * s[0])) if s[0] > 0 else 0
        if lost and result.solver == "gram":
            warnings.warn(
                f"The {lost} smallest of {len(s)} singular values are below {limit:.1e} of the largest, "
                f"where a running Gram matrix in {result.singular_values.dtype} holds rounding errors only. "
                "Use fewer components, float64 data, or fit.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
