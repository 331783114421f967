"""Distribution and operator: the two halves of a sketch.

A *distribution* is the recipe: a small value with parameters and no size. An *operator*
is a distribution together with a shape and a random stream. It is defined, not sampled,
when it is made: every entry is a function of ``(distribution, shape, seed)`` and is
produced when it is asked for.
"""

import inspect
from abc import ABC, abstractmethod
from copy import deepcopy
from numbers import Integral

import numpy as np
from scipy import sparse

from sklr._backend import as_operand, as_stream, compute_dtype, ordered, session

# Columns of S that one task of the adjoint product generates.
_ADJOINT_COLUMNS = 8192


class Distribution(ABC):
    """A sketching distribution: what to draw, but neither how large nor from which seed.

    Distributions behave like scikit-learn's kernels: parameters are stored as given, are
    compared by value, and can be read and set by name, so that a search over
    ``sketch__n_blocks`` works. `operator` copies what it needs: changing a distribution
    does not change operators already made.

    A new family is a subclass with a `name`, an ``__init__`` that stores its parameters, `_make`,
    which returns its `SketchOperator`, and `_validate` where parameters can be wrong; and a row in
    the registry. `sklr.testing.check_sketch_operator` then says whether it keeps the laws.

    Attributes
    ----------
    name : str
        Name in the registry.
    extendable : bool
        Whether operators grow by rows (`SketchOperator.extend`).
    has_orthogonal_rows : bool
        Whether rows are orthogonal and of equal length, ``S S^T = (n / sketch_size) I``.

    See Also
    --------
    SketchOperator : A distribution with a shape and a seed; its laws.

    Examples
    --------
    >>> from sklr.sketch import SparseStack
    >>> stack = SparseStack(n_blocks=4)
    >>> stack.set_params(n_blocks=2) == SparseStack(n_blocks=2)
    True
    >>> stack.operator(10, 1000, rng=0)
    <SparseStack(n_blocks=2) operator of shape (10, 1000), float64>
    """

    name = None
    extendable = False
    has_orthogonal_rows = False

    @classmethod
    def _parameter_names(cls):
        if cls.__init__ is object.__init__:
            return []
        return [p for p in inspect.signature(cls.__init__).parameters if p != "self"]

    def get_params(self, deep=True):
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            There for scikit-learn's ``clone``; no parameter has parameters of its own.

        Returns
        -------
        dict
            The values as they were given.
        """
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params):
        """Set parameters in place.

        Parameters
        ----------
        **params : object
            Values by name; they are checked by `operator`.

        Returns
        -------
        Distribution
            This one.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        valid = self._parameter_names()
        for key, value in params.items():
            if key not in valid:
                raise ValueError(f"{type(self).__name__} has no parameter {key!r}; it has {valid}.")
            setattr(self, key, value)
        return self

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = self.get_params(), other.get_params()
        return all(np.array_equal(mine[key], theirs[key]) for key in mine)

    __hash__ = None  # a value that `set_params` changes in place must not be a dictionary key

    def __repr__(self):
        with np.printoptions(threshold=8, edgeitems=2):
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
        rng : int, Generator, RandomState or Stream, default=None
            Where the seed comes from; equal ints give equal operators, None a new one each time.
        dtype : dtype, default=float64
            float64 or float32, of the entries. The float32 operator is the float64 one, rounded.

        Returns
        -------
        SketchOperator
            Defined, not sampled: entries are drawn when they are asked for.

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
        dtype = _check_dtype(dtype)
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
    needs_all_rows : bool
        True where ``S @ block`` is cheap only on all n rows at once (fast transforms).
    is_sparse : bool
        True where `columns` and `rows` return `scipy.sparse.csc_array`.

    See Also
    --------
    Distribution : Makes operators.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.sketch import SparseStack
    >>> A = np.ones((1000, 3))
    >>> S = SparseStack().operator(sketch_size=50, n=1000, rng=0)
    >>> S.apply(A).shape
    (50, 3)
    >>> S.columns(0, 10).nnz  # nothing else is generated
    80
    >>> bool(np.array_equal(S.columns(0, 10).toarray(), S.toarray()[:, 0:10]))
    True
    """

    needs_all_rows = False
    is_sparse = False
    __array_ufunc__ = None  # so that NumPy leaves ``X @ S`` to `__rmatmul__`

    def __init__(self, distribution, shape, stream, dtype):
        self.distribution = type(distribution)(**deepcopy(distribution.get_params()))
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
        """``S @ block`` for a float block with all n rows, dense or sparse; overridden by fast transforms."""
        return self._astype(self._submatrix(0, self.shape[0], 0, self.shape[1]), block.dtype) @ block

    def _apply_adjoint(self, Y):
        """``S^T @ Y`` for a dense float Y, inside a session; overridden by fast transforms."""
        d, n = self.shape
        out = np.empty((n, Y.shape[1]), dtype=Y.dtype)

        def one_block(lo):
            hi = min(lo + _ADJOINT_COLUMNS, n)
            out[lo:hi] = self._astype(self._submatrix(0, d, lo, hi), Y.dtype).T @ Y

        ordered(one_block, range(0, n, _ADJOINT_COLUMNS))
        return out

    # -- entries ------------------------------------------------------------------------

    @staticmethod
    def _astype(block, dtype):
        return block.astype(dtype, copy=False)

    def columns(self, lo, hi, dtype=None):
        """Return some columns of S; no others are generated.

        Parameters
        ----------
        lo, hi : int
            The columns ``lo:hi``.
        dtype : dtype, default=None
            float64 or float32; that of the operator if None.

        Returns
        -------
        ndarray or csc_array of shape (sketch_size, hi - lo)
            A csc_array, its rows ascending within a column, where the operator `is_sparse`.

        Raises
        ------
        ValueError
            If not ``0 <= lo <= hi <= n``, or if `dtype` is another one.
        """
        lo, hi = _check_range("columns", lo, hi, self.shape[1])
        dtype = self.dtype if dtype is None else _check_dtype(dtype)
        return self._astype(self._submatrix(0, self.shape[0], lo, hi), dtype)

    def rows(self, lo, hi, dtype=None):
        """Return some rows of S; no others are generated.

        Parameters
        ----------
        lo, hi : int
            The rows ``lo:hi``.
        dtype : dtype, default=None
            float64 or float32; that of the operator if None.

        Returns
        -------
        ndarray or csc_array of shape (hi - lo, n)
            A csc_array, its rows ascending within a column, where the operator `is_sparse`.

        Raises
        ------
        ValueError
            If not ``0 <= lo <= hi <= sketch_size``, or if `dtype` is another one.
        """
        lo, hi = _check_range("rows", lo, hi, self.shape[0])
        dtype = self.dtype if dtype is None else _check_dtype(dtype)
        return self._astype(self._submatrix(lo, hi, 0, self.shape[1]), dtype)

    def toarray(self):
        """Return S as an array: ``sketch_size * n`` entries, for looking and for tests.

        Returns
        -------
        ndarray of shape (sketch_size, n)
            Of the operator's dtype.
        """
        S = self.rows(0, self.shape[0])
        return S.toarray() if sparse.issparse(S) else S

    # -- products -----------------------------------------------------------------------

    def apply(self, A, n_threads=None):
        """Return S A, scaled, in one pass over A.

        Parameters
        ----------
        A : array of shape (n,) or (n, p), sparse matrix or array, RowChunks or operand
            Memory-mapped arrays are read tile by tile. float32 stays float32; integers and booleans
            become float64, tile by tile.
        n_threads : int, default=None
            At most so many threads; None means what this process may use. The bits of
            the result do not depend on it.

        Returns
        -------
        SA : ndarray of shape (sketch_size,) or (sketch_size, p), or csr_array
            A csr_array when both A and S are sparse. The dtype is that of the products with A,
            whatever that of the operator.

        Raises
        ------
        TypeError
            If A does not hold numbers, or is an iterator.
        ValueError
            If A does not have n rows, is empty or complex, or holds NaN or infinity.
        """
        is_vector = not sparse.issparse(A) and np.ndim(A) == 1
        operand = as_operand(np.asarray(A)[:, None] if is_vector else A, name="A")
        if operand.shape[0] != self.shape[1]:
            raise ValueError(
                f"A has {operand.shape[0]} rows but the sketch expects {self.shape[1]}: "
                f"the operator has shape {self.shape}."
            )
        SA = operand.sketch(self, n_threads=n_threads)
        return SA[:, 0] if is_vector else SA

    def apply_right(self, A, n_threads=None):
        """Return A S^T, scaled, in one pass over A: a sketch of the columns.

        Parameters
        ----------
        A : array of shape (p, n), sparse matrix or array, RowChunks or operand
            As in `apply`.
        n_threads : int, default=None
            As in `apply`.

        Returns
        -------
        AS : ndarray of shape (p, sketch_size), or csc_array
            A csc_array when both A and S are sparse.

        Raises
        ------
        TypeError
            If A does not hold numbers, or is an iterator.
        ValueError
            If A does not have n columns, is empty or complex, or holds NaN or infinity.
        """
        operand = as_operand(A, name="A")
        if operand.shape[1] != self.shape[1]:
            raise ValueError(
                f"A has {operand.shape[1]} columns but the sketch expects {self.shape[1]}: "
                f"the operator has shape {self.shape}."
            )
        return operand.T.sketch(self, n_threads=n_threads).T

    def __matmul__(self, A):
        return self.apply(A)

    def __rmatmul__(self, X):
        # X S = (S^T X^T)^T. Who meant to sketch the columns of X is told so by the shapes.
        if sparse.issparse(X) or np.ndim(X) not in (1, 2) or np.shape(X)[-1] != self.shape[0]:
            kind = "a sparse X" if sparse.issparse(X) else "X"
            raise ValueError(
                f"X @ S needs a dense X with {self.shape[0]} columns (the size of the sketch), got {kind} of "
                f"shape {np.shape(X)}. To sketch the columns of X, write X @ S.T."
            )
        return self.T.apply(np.asarray(X).T).T

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

    Attributes
    ----------
    shape : (int, int)
        ``(n, sketch_size)``.
    dtype : dtype
        That of S.
    """

    __array_ufunc__ = None  # as in `SketchOperator`

    def __init__(self, sketch):
        self._sketch = sketch
        self.shape = sketch.shape[::-1]
        self.dtype = sketch.dtype

    @property
    def T(self):
        """The operator itself."""
        return self._sketch

    def apply(self, Y, n_threads=None):
        """Return S^T Y.

        Parameters
        ----------
        Y : array of shape (sketch_size,) or (sketch_size, p)
            Dense. float32 stays float32; integers and booleans become float64.
        n_threads : int, default=None
            At most so many threads; the bits of the result do not depend on it.

        Returns
        -------
        ndarray of shape (n,) or (n, p)
            Of ``n p`` entries.

        Raises
        ------
        ValueError
            If Y does not have `sketch_size` rows, is complex, or holds NaN or infinity.
        """
        Y = np.asarray(Y)
        if Y.ndim not in (1, 2) or Y.shape[0] != self.shape[1]:
            raise ValueError(
                f"Y must have {self.shape[1]} rows (the size of the sketch), got shape {Y.shape}."
            )
        Y = Y.astype(compute_dtype(Y.dtype, "Y"), copy=False)
        if not np.isfinite(Y).all():
            raise ValueError("Input Y contains NaN or infinity.")
        with session(n_threads):
            X = self._sketch._apply_adjoint(Y if Y.ndim == 2 else Y[:, None])
        return X if Y.ndim == 2 else X[:, 0]

    def __matmul__(self, Y):
        return self.apply(Y)

    def __rmatmul__(self, X):
        return self._sketch.apply(X) if np.ndim(X) == 1 else self._sketch.apply_right(X)

    def toarray(self):
        """Return S^T as an ndarray of ``n * sketch_size`` entries."""
        return self._sketch.toarray().T

    def __repr__(self):
        return f"<adjoint of {self._sketch!r}>"


def _check_size(name, value, low):
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}.")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}.")
    return int(value)


def _check_dtype(dtype):
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise ValueError(f"dtype must be float64 or float32, got {dtype}.")
    return dtype


def _check_range(what, lo, hi, n):
    lo, hi = _check_size("lo", lo, 0), _check_size("hi", hi, 0)
    if not lo <= hi <= n:
        raise ValueError(f"{what}(lo, hi) needs 0 <= lo <= hi <= {n}, got lo={lo}, hi={hi}.")
    return lo, hi
