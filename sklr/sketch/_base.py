"""Distribution and operator: the two halves of a sketch.

A *distribution* is the recipe: a small value with parameters and no size. An *operator*
is a distribution together with a shape and a random stream. It is defined, not sampled,
when it is made: every entry is a function of ``(distribution, shape, seed)`` and is
produced when it is asked for.
"""

import inspect
from abc import ABC, abstractmethod
from numbers import Integral

import numpy as np
from scipy import sparse

from sklr._backend import as_operand, as_stream


class Distribution(ABC):
    """A sketching distribution: what to draw, but neither how large nor from which seed.

    Distributions behave like scikit-learn's kernels: parameters are stored as given, are
    compared by value, and can be read and set by name, so that a search over
    ``sketch__n_blocks`` works. `operator` copies what it needs: changing a distribution
    does not change operators already made.
    """

    #: Name in the registry.
    name = None
    #: Whether operators grow by rows (`SketchOperator.extend`).
    extendable = False

    @classmethod
    def _parameter_names(cls):
        if cls.__init__ is object.__init__:
            return []
        return [p for p in inspect.signature(cls.__init__).parameters if p != "self"]

    def get_params(self, deep=True):
        """Return the parameters as a dictionary; `deep` is there for scikit-learn's ``clone``."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params):
        """Set parameters in place and return the distribution."""
        valid = self._parameter_names()
        for key, value in params.items():
            if key not in valid:
                raise ValueError(
                    f"{type(self).__name__} has no parameter {key!r}; it has {valid}."
                )
            setattr(self, key, value)
        return self

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = self.get_params(), other.get_params()
        return all(np.array_equal(mine[key], theirs[key]) for key in mine)

    __hash__ = None  # a value that `set_params` changes in place must not be a dictionary key

    def __repr__(self):
        args = ", ".join(f"{k}={v!r}" for k, v in self.get_params().items())
        return f"{type(self).__name__}({args})"

    def operator(self, sketch_size, n, rng=None, dtype=np.float64):
        """Define an operator of shape ``(sketch_size, n)``.

        Parameters
        ----------
        sketch_size : int
            Rows of the sketch, between 1 and `n`.
        n : int
            Length of the axis that is sketched.
        rng : None, int, Generator or Stream, default=None
            Where the seed comes from; equal ints give equal operators.
        dtype : {float64, float32}, default=float64
            Of the entries. The float32 operator is the float64 one, rounded.

        Returns
        -------
        SketchOperator

        Raises
        ------
        TypeError
            If a size is not an integer.
        ValueError
            If a size or a parameter of the distribution is out of range; the message
            names it.
        """
        n = _check_size("n", n, 1)
        sketch_size = _check_size("sketch_size", sketch_size, 1)
        if sketch_size > n:
            raise ValueError(
                f"sketch_size={sketch_size} is larger than the sketched axis (n={n}): such a sketch "
                f"would enlarge the problem. Use a sketch_size of at most {n}, or no sketch."
            )
        dtype = np.dtype(dtype)
        if dtype not in (np.dtype(np.float64), np.dtype(np.float32)):
            raise ValueError(f"dtype must be float64 or float32, got {dtype}.")
        self._validate(sketch_size, n)
        return self._make(sketch_size, n, as_stream(rng), dtype)

    def _validate(self, sketch_size, n):  # noqa: B027 - most families have nothing to check
        """Raise if the parameters are out of range or do not suit the shape."""

    @abstractmethod
    def _make(self, sketch_size, n, stream, dtype):
        """Return the operator; the arguments have been checked."""


class SketchOperator(ABC):
    """A random matrix S of shape ``(sketch_size, n)`` with ``E[S^T S] = I``, applied by blocks.

    Laws, checked for any operator by `sklr.testing.check_sketch_operator`:

    - ``apply(A) == toarray() @ A`` up to rounding, for dense, sparse, memory-mapped and
      chunked A;
    - adjoint identity: ``<apply(u), v> == <u, T.apply(v)>``;
    - ``columns(lo, hi)`` and ``rows(lo, hi)`` are exactly those columns and rows of ``toarray()``;
    - equal distribution, shape and seed give the same bits, whatever the tiles, the
      container of A or the number of threads;
    - the float32 operator is the float64 one rounded;
    - ``E[S^T S] = I``;
    - where the family extends, ``extend(r)`` keeps the rows it had, up to the ratio of the two
      `isometry_scale`.

    Parameters
    ----------
    distribution : Distribution
        Copied; later changes do not reach the operator.
    shape : (int, int)
        ``(sketch_size, n)``.
    stream : Stream
        The seed.
    dtype : dtype
        float64 or float32.

    Attributes
    ----------
    shape : (int, int)
        ``(sketch_size, n)``.
    dtype : dtype
        Of the entries returned by `columns`, `rows` and `toarray`.
    isometry_scale : float
        The factor by which the family's unscaled entries have been multiplied so that
        ``E[S^T S] = I``.
    """

    #: True where ``S @ block`` is cheap only on all n rows at once (fast transforms).
    needs_all_rows = False
    #: True where `columns` and `rows` return `scipy.sparse.csc_array`.
    is_sparse = False

    def __init__(self, distribution, shape, stream, dtype):
        self.distribution = type(distribution)(**distribution.get_params())
        self.shape = shape
        self.stream = stream
        self.dtype = np.dtype(dtype)

    # -- what a family implements -------------------------------------------------------

    @property
    @abstractmethod
    def isometry_scale(self):
        """The factor that makes ``E[S^T S] = I``."""

    @abstractmethod
    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        """Those rows and columns, scaled, in float64: ndarray or (`is_sparse`) csc_array."""

    def _apply_all_rows(self, block):
        """``S @ block`` for a float block with all n rows; overridden by fast transforms."""
        return self._astype(self._submatrix(0, self.shape[0], 0, self.shape[1]), block.dtype) @ block

    def _apply_adjoint(self, Y):
        """``S^T @ Y`` for a dense float Y; overridden by fast transforms."""
        step = 16384
        out = np.empty((self.shape[1], Y.shape[1]), dtype=Y.dtype)
        for lo in range(0, self.shape[1], step):
            hi = min(lo + step, self.shape[1])
            out[lo:hi] = self._astype(self._submatrix(0, self.shape[0], lo, hi), Y.dtype).T @ Y
        return out

    # -- entries ------------------------------------------------------------------------

    @staticmethod
    def _astype(block, dtype):
        return block.astype(dtype, copy=False)

    def columns(self, lo, hi, dtype=None):
        """Columns ``lo:hi`` of S, an ndarray or (`is_sparse`) a csc_array of shape ``(sketch_size, hi - lo)``.

        `dtype` defaults to that of the operator.
        """
        lo, hi = _check_range("columns", lo, hi, self.shape[1])
        return self._astype(self._submatrix(0, self.shape[0], lo, hi), dtype or self.dtype)

    def rows(self, lo, hi, dtype=None):
        """Rows ``lo:hi`` of S, an ndarray or (`is_sparse`) a csc_array of shape ``(hi - lo, n)``."""
        lo, hi = _check_range("rows", lo, hi, self.shape[0])
        return self._astype(self._submatrix(lo, hi, 0, self.shape[1]), dtype or self.dtype)

    def toarray(self):
        """S as an ndarray: ``sketch_size * n`` entries, for looking and for tests."""
        S = self.rows(0, self.shape[0])
        return S.toarray() if sparse.issparse(S) else S

    # -- products -----------------------------------------------------------------------

    def apply(self, A, n_threads=None):
        """Return S A, scaled, in one pass over A.

        Parameters
        ----------
        A : array of shape (n,) or (n, p), sparse matrix or array, memmap, RowChunks or operand
            float32 stays float32; integers and booleans become float64, tile by tile.
        n_threads : int, default=None
            At most so many threads; None means what this process may use. The bits of
            the result do not depend on it.

        Returns
        -------
        SA : ndarray of shape (sketch_size,) or (sketch_size, p), or csr_array
            A csr_array when both A and S are sparse.

        Raises
        ------
        ValueError
            If A does not have n rows, or holds NaN or infinity.
        """
        vector = isinstance(A, np.ndarray) and A.ndim == 1
        operand = as_operand(A[:, None] if vector else A, name="A")
        if operand.shape[0] != self.shape[1]:
            raise ValueError(
                f"A has {operand.shape[0]} rows but the sketch expects {self.shape[1]}: "
                f"the operator has shape {self.shape}."
            )
        SA = operand.sketch(self, n_threads=n_threads)
        return SA[:, 0] if vector else SA

    def apply_right(self, A, n_threads=None):
        """Return A S^T of shape ``(p, sketch_size)`` for A of shape ``(p, n)``; otherwise as `apply`."""
        operand = as_operand(A, name="A")
        if operand.shape[1] != self.shape[1]:
            raise ValueError(
                f"A has {operand.shape[1]} columns but the sketch expects {self.shape[1]}: "
                f"the operator has shape {self.shape}."
            )
        return operand.T.sketch(self, n_threads=n_threads).T

    def __matmul__(self, A):
        return self.apply(A)

    @property
    def T(self):
        """The adjoint S^T, of shape ``(n, sketch_size)``, with `apply` and `toarray`."""
        return AdjointSketch(self)

    # -- growth -------------------------------------------------------------------------

    def extend(self, n_more_rows):
        """Return an operator with `n_more_rows` more rows whose first rows are these.

        Parameters
        ----------
        n_more_rows : int
            At least 1.

        Returns
        -------
        SketchOperator
            Of the same distribution, seed and dtype. Its first rows are the rows of this
            one times ``extended.isometry_scale / self.isometry_scale``.

        Raises
        ------
        TypeError
            If the family does not nest (CountSketch, SparseSign, sampling without
            replacement): use ``SparseStack``, which grows by whole blocks.
        ValueError
            If the result would have more rows than columns, or, for SparseStack, if
            `n_more_rows` is not a whole number of blocks.
        """
        if not self.distribution.extendable:
            raise TypeError(
                f"{type(self.distribution).__name__} does not nest: a larger operator has other rows. "
                "Use SparseStack, which grows by whole blocks, or draw a new operator."
            )
        n_more_rows = _check_size("n_more_rows", n_more_rows, 1)
        larger = self._extended_distribution(n_more_rows)
        return larger.operator(self.shape[0] + n_more_rows, self.shape[1], self.stream, self.dtype)

    def _extended_distribution(self, n_more_rows):
        return self.distribution

    def __repr__(self):
        return f"<{self.distribution!r} operator of shape {self.shape}, {self.dtype}>"


class AdjointSketch:
    """S^T for a `SketchOperator` S; ``T`` gives S back.

    Parameters
    ----------
    sketch : SketchOperator
        The operator S of shape ``(sketch_size, n)``.
    """

    def __init__(self, sketch):
        self._sketch = sketch
        self.shape = sketch.shape[::-1]
        self.dtype = sketch.dtype

    @property
    def T(self):
        """The operator itself."""
        return self._sketch

    def apply(self, Y):
        """Return S^T Y, an ndarray of shape ``(n,)`` or ``(n, p)``, for a dense Y with `sketch_size` rows."""
        Y = np.asarray(Y)
        if Y.ndim not in (1, 2) or Y.shape[0] != self.shape[1]:
            raise ValueError(
                f"Y must have {self.shape[1]} rows (the size of the sketch), got shape {Y.shape}."
            )
        if Y.dtype not in (np.float32, np.float64):
            Y = Y.astype(np.float64)
        if Y.ndim == 1:
            return self._sketch._apply_adjoint(Y[:, None])[:, 0]
        return self._sketch._apply_adjoint(Y)

    def __matmul__(self, Y):
        return self.apply(Y)

    def toarray(self):
        """S^T as an ndarray."""
        return self._sketch.toarray().T

    def __repr__(self):
        return f"<adjoint of {self._sketch!r}>"


def _check_size(name, value, low):
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}.")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}.")
    return int(value)


def _check_range(what, lo, hi, n):
    lo, hi = _check_size("lo", lo, 0), _check_size("hi", hi, 0)
    if not lo <= hi <= n:
        raise ValueError(f"{what}(lo, hi) needs 0 <= lo <= hi <= {n}, got lo={lo}, hi={hi}.")
    return lo, hi
