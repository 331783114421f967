"""Running states of rows that arrive in chunks and are seen once: add, merge, forget, decompose."""

import copy
from abc import ABC, abstractmethod

import numpy as np
from scipy import sparse

from sklr._backend import as_operand, centered, compute_dtype, row_weighted, session

from ._checks import check_count
from ._result import LowRank, column_lengths
from .exact import exact_svd
from .gram import GramPrecisionError, gram_svd, leading
from .orthogonalize import completed
from .rank import FixedRank, rank_rule
from .updating import UpdatableSVD

# Rows are gathered until they have so many bytes or are so many: enough for every thread to have a product of
# its own, and for a sparse product to be worth its call.
_BLOCK_BYTES = 1 << 25
_BLOCK_ROWS = 8192


class RowStream(ABC):
    """What is kept of the rows x_1, x_2, ... of a matrix that is seen once, in chunks of any size.

    With weights w_i (1 if none are given) it knows, exactly up to rounding,

        W = sum_i w_i,    mean = sum_i w_i x_i / W,    squared_norm = ||A||_F^2,

    A being the matrix of rows ``sqrt(w_i) x_i``, or with ``center=True`` of rows ``sqrt(w_i) (x_i - mean)``,
    and of A^T A what the subclass keeps. Chunk b, with its own W_b and mean_b, is centred about mean_b, and

        A_{a+b}^T A_{a+b} = A_a^T A_a + A_b^T A_b + d d^T,
        d = sqrt(W_a W_b / (W_a + W_b)) (mean_b - mean_a),

    so that no digits are lost to a large mean, and two streams merge as two chunks do (Chan et al.).

    Parameters
    ----------
    n_features : int
        n, entries per row.
    center : bool, default=False
        Whether A is centred.
    dtype : dtype, default=np.float64
        Of the products, float32 or float64: that of the rows (integers: float64).

    Attributes
    ----------
    weight : float
        W, the number of rows if there are no weights.
    n_rows : int
        Rows so far.
    n_chunks : int
        Chunks so far.
    mean : ndarray of shape (n_features,)
        float64.
    squared_norm : float
        ||A||_F^2.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances", 1982, doi:10.1007/978-3-642-51461-6_3.
    """

    def __init__(self, n_features, *, center=False, dtype=np.float64):
        self.n_features = check_count("n_features", n_features, 1)
        self.center = bool(center)
        self.dtype = np.dtype(dtype)
        if compute_dtype(self.dtype, "dtype") != self.dtype:
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype}.")
        self.n_rows = self.n_chunks = 0
        self._weight = self._squared_norm = 0.0
        self._mean = np.zeros(n_features)
        self._pending = []  # (rows, weights or None) that wait until they are a block
        self._is_whole = True  # whether all that there was of the rows was taken in

    # -- what a kind of state implements ----------------------------------------------------

    @property
    @abstractmethod
    def memory(self):
        """Bytes that the state may take, with what is needed while rows are taken in."""

    @abstractmethod
    def _take(self, A, X=None, weight=None):
        """Take in the rows of the operand A: those of X, centred and weighted; or others, without X."""

    @abstractmethod
    def _take_state(self, other):
        """Take in A^T A of another stream, apart from what lies between the means."""

    @abstractmethod
    def _scale(self, factor):
        """Multiply A^T A by `factor`."""

    @abstractmethod
    def _decompose(self, rule):
        """The `LowRank` of A, of which something was kept."""

    # -- rows -------------------------------------------------------------------------------

    def add(self, X, weight=None, n_threads=None):
        """Take in the rows of X. All of them, or on an error none.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_rows, n_features)
            The chunk; not kept, so it may be overwritten afterwards.
        weight : ndarray of shape (n_rows,), default=None
            How often each row counts, non-negative; need not be whole numbers.
        n_threads : int, default=None
            At most so many threads; None means what this process may use.

        Returns
        -------
        RowStream
            This one.

        Raises
        ------
        TypeError, ValueError
            If X is not a matrix of `n_features` finite columns of the dtype of the stream; the chunk is
            named.
        """
        name = f"X (chunk {self.n_chunks})"
        A = as_operand(X, name)
        if A.shape[1] != self.n_features:
            raise ValueError(f"{name} has {A.shape[1]} columns, the chunks before it had {self.n_features}.")
        if A.dtype != self.dtype:
            raise ValueError(
                f"{name} is computed in {A.dtype}, but the chunks before it in {self.dtype}. Convert it with "
                f"astype({self.dtype})."
            )
        weight = None if weight is None else self._checked_weight(weight, A.shape[0])
        with session(n_threads):
            A = A.tiled_by_rows()
            A.expect_column_means()
            A.squared_norm()  # what is not finite or leaves the range fails before anything has changed
            A.check_squares()
            is_block = self._is_block(X)
            if is_block or (self._pending and sparse.issparse(X) != sparse.issparse(self._pending[0][0])):
                self._flush()
            if is_block:
                self._absorb(X, A, weight)
            else:
                self._gather([*self._pending, (X.copy(), weight)])
        self.n_rows += A.shape[0]
        self.n_chunks += 1
        return self

    def _checked_weight(self, weight, size):
        weight = np.array(weight, dtype=np.float64)
        if weight.shape != (size,):
            raise ValueError(f"weight must have shape ({size},), got {weight.shape}.")
        largest = np.finfo(self.dtype).max
        if not np.all((weight >= 0) & (weight <= float(largest))):
            raise ValueError(f"weight must be non-negative numbers up to {largest:.3g}.")
        return weight

    @staticmethod
    def _is_block(*parts):
        """Whether these rows are enough to be taken in."""
        size = sum(
            part.data.nbytes + part.indices.nbytes if sparse.issparse(part) else part.nbytes for part in parts
        )
        return size >= _BLOCK_BYTES or sum(part.shape[0] for part in parts) >= _BLOCK_ROWS

    def _gather(self, pending):
        """Have these rows wait, or take them in if they are enough."""
        if self._is_block(*(rows for rows, _ in pending)):
            self._absorb_all(pending)
            pending = []
        self._pending = pending

    def _flush(self):
        """Take in the rows that wait."""
        if self._pending:
            self._absorb_all(self._pending)
            self._pending = []

    def _absorb_all(self, pending):
        parts, weights = zip(*pending, strict=True)
        X = parts[0]
        if len(parts) > 1:
            X = sparse.vstack(parts, format="csr") if sparse.issparse(X) else np.concatenate(parts)
        weight = None
        if any(w is not None for w in weights):
            weight = np.concatenate(
                [np.ones(x.shape[0]) if w is None else w for x, w in zip(parts, weights, strict=True)]
            )
        A = as_operand(X).tiled_by_rows()
        A.expect_column_means()
        A.squared_norm()
        self._absorb(X, A, weight)

    def _absorb(self, X, A, weight):
        """Take in the rows of X, which are those of the operand A."""
        new = float(A.shape[0] if weight is None else weight.sum())
        if new == 0:
            return
        if weight is None:
            mean = A.column_means()
        else:
            mean = A.rmatmat(weight[:, None])[:, 0].astype(np.float64) / new
        if self.center:
            A = centered(A, mean)
        if weight is not None:
            A = row_weighted(A, np.sqrt(weight))
        squared_norm = A.squared_norm()
        A.check_squares()
        self._take(A, X, weight)
        self._join(new, mean, squared_norm)

    def _join(self, weight, mean, squared_norm):
        """Account for rows that were taken in, and for what lies between their mean and the mean so far."""
        total = self._weight + weight
        difference = mean - self._mean
        if self.center and self._weight:
            between = np.sqrt(self._weight * weight / total) * difference
            if between.any():
                self._take(as_operand(between[None].astype(self.dtype)))
                squared_norm += float(between @ between)
        self._mean = mean.copy() if self._weight == 0 else self._mean + (weight / total) * difference
        self._weight = total
        self._squared_norm += squared_norm

    # -- streams ----------------------------------------------------------------------------

    def forget(self, factor):
        """Multiply the weight of every row so far by `factor`; the mean stays.

        Parameters
        ----------
        factor : float
            In (0, 1]. Called before every chunk, it makes the weights fall exponentially with age.

        Returns
        -------
        RowStream
            This one.
        """
        if not 0 < factor <= 1:
            raise ValueError(f"factor must be in (0, 1], got {factor!r}.")
        with session(None):
            self._flush()
            self._scale(factor)
        self._weight *= factor
        self._squared_norm *= factor
        return self

    def merge(self, other, n_threads=None):
        """Take in what another stream knows of other rows; `other` stays as it is.

        Parameters
        ----------
        other : RowStream
            Of the same class, width, centring and dtype.
        n_threads : int, default=None
            At most so many threads; None means what this process may use.

        Returns
        -------
        RowStream
            This one.
        """
        if other is self:
            raise ValueError("Cannot merge a state with itself: its rows would count twice.")
        for what in ("n_features", "center", "dtype"):
            mine, theirs = getattr(self, what), getattr(other, what, None)
            if mine != theirs:
                raise ValueError(f"Cannot merge: {what} is {mine} here and {theirs} there.")
        if type(other) is not type(self):
            raise ValueError(f"Cannot merge: this is a {type(self).__name__}, that a {type(other).__name__}.")
        with session(n_threads):
            other = other.settled()
            self._flush()
            if other._weight:
                self._take_state(other)
                self._join(other._weight, other._mean, other._squared_norm)
        self._is_whole &= other._is_whole
        self.n_rows += other.n_rows
        self.n_chunks += other.n_chunks
        return self

    def go_on_from(self, s, Vt, mean, weight, squared_norm, n_rows):
        """Begin with rows of which only a low-rank approximation is left; what it lacks is lost.

        ``A^T A - V diag(s)^2 V^T`` is positive semidefinite, so that bounds of the error by what is captured
        stay bounds.

        Parameters
        ----------
        s, Vt : ndarray of shape (k,), (k, n_features)
            Leading singular values and right vectors of A.
        mean : ndarray of shape (n_features,)
            Weighted mean of the rows.
        weight : float
            Sum of their weights.
        squared_norm : float
            ||A||_F^2.
        n_rows : int
            Their number.

        Returns
        -------
        RowStream
            This one.
        """
        with session(None):
            rows = np.ascontiguousarray(Vt * s[:, None], dtype=self.dtype)
            self._take(as_operand(rows), rows)
            self._lose(
                min(float(s[-1]) ** 2, max(squared_norm - float(np.sum(np.square(s, dtype=float))), 0.0))
            )
            self._join(weight, np.asarray(mean, dtype=np.float64), squared_norm)
        self.n_rows += n_rows
        self._is_whole = False
        return self

    def _lose(self, square):  # noqa: B027 - most states have no use for it
        """Account for a part of A^T A, of that norm at most, that was never taken in."""

    def settled(self):
        """Return this stream, or a copy, in which no rows wait: to look does not change what follows.

        Returns
        -------
        RowStream
            Not to be added to.
        """
        if not self._pending:
            return self
        settled = copy.deepcopy(self)
        with session(None):
            settled._flush()
        return settled

    # -- results ----------------------------------------------------------------------------

    @property
    def weight(self):
        """Sum of the weights."""
        return self.settled()._weight

    @property
    def mean(self):
        """Weighted mean of the rows."""
        return self.settled()._mean

    @property
    def squared_norm(self):
        """||A||_F^2."""
        return self.settled()._squared_norm

    def low_rank(self, k, *, tol=None, n_threads=None):
        """Leading singular values and right vectors of A.

        Parameters
        ----------
        k : int, float, "auto" or None
            Number of singular values, or how to choose it: see `rank_rule`.
        tol : float, default=None
            Relative Frobenius error to reach with the fewest singular values, at most `k`.
        n_threads : int, default=None
            At most so many threads; None means what this process may use.

        Returns
        -------
        LowRank
            Its `captured` is a lower bound of ||A V||_F^2 where the state is not exact.
        """
        settled = self.settled()
        if not settled.n_rows:
            raise ValueError("There are no rows yet: add some first.")
        with session(n_threads):
            return settled._decompose(rank_rule(k, (settled.n_rows, settled.n_features), tol))

    def _result(self, s, V, residuals, solver):
        """The `LowRank`; `residuals` are ||A^T A v - s^2 v||."""
        return LowRank(
            s.astype(self.dtype),
            np.ascontiguousarray(V.T, dtype=self.dtype),
            np.divide(residuals, s, out=np.where(np.isnan(residuals), np.nan, 0.0), where=s > 0),
            float(np.sum(s**2)),
            self._squared_norm,
            1,
            solver,
            precision=float(np.finfo(self.dtype).eps),
        )


class RunningGram(RowStream):
    """A^T A of rows that arrive in chunks, exact up to rounding. For few columns.

    See `RowStream` for the formulas and `gram_svd` for what squaring loses: a singular value s_i has a
    relative error of about ``eps (s_1 / s_i)^2``.

    Parameters
    ----------
    n_features : int
        n, entries per row.
    center : bool, default=False
        Whether A is centred.
    dtype : dtype, default=np.float64
        Of the products, float32 or float64; they are summed in float64.

    Notes
    -----
    Per row ``n^2`` flops (rows are gathered into blocks of 32 MB), memory ``8 n^2`` bytes and as many again
    twice while a block is taken in. Merging is exact. Not for many columns: use `FrequentDirections`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import RunningGram
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> stream = RunningGram(5)
    >>> for row in X:
    ...     _ = stream.add(row[None])
    >>> bool(np.allclose(stream.low_rank(2).singular_values, np.linalg.svd(X)[1][:2]))
    True
    """

    def __init__(self, n_features, *, center=False, dtype=np.float64):
        super().__init__(n_features, center=center, dtype=dtype)
        self._G = np.zeros((self.n_features,) * 2)

    @property
    def gram(self):
        """A^T A, float64."""
        return self.settled()._G

    @property
    def memory(self):
        """Bytes of the Gram matrix and the partial sums of a block."""
        return 3 * 8 * self.n_features**2

    def _take(self, A, X=None, weight=None):
        self._G += A.gram()

    def _take_state(self, other):
        self._G += other._G

    def _scale(self, factor):
        self._G *= factor

    def _decompose(self, rule):
        G, total = self._G, self._squared_norm
        if total == 0:
            k = rule.choose(np.zeros(len(G)), 0.0)
            return self._result(np.zeros(k), np.eye(len(G), k), np.zeros(k), "gram")
        squares, V = leading(G, rule, total)
        residuals = np.full(len(squares), np.nan)
        if self._is_whole:
            residuals = column_lengths(G @ V - V * squares, squares[0])
        return self._result(np.sqrt(np.maximum(squares, 0)), V, residuals, "gram")


class FrequentDirections(RowStream):
    """A sketch B of rows that arrive in chunks, with B^T B close to A^T A. For many columns.

    B has l rows, and as many again that wait. When it is full, B = U diag(s) V^T, every s_i^2 with
    ``l - k < i <= l`` is reduced by ``s_{l+1}^2`` and those with i > l are dropped. With D the sum of what
    was taken off, at all times

        0 <= A^T A - B^T B <= D I,    D <= ||A - A_k||_F^2 / (l' - k),    l' = floor(l / 2),

    with A_k the best approximation of rank k, whatever the data and their order, and the same for merged
    streams. For only the lower half of the l values is reduced: each step takes at least l' times the
    reduction off ||B||_F^2, so ``l' D <= ||A||_F^2 - ||B||_F^2 <= k D + ||A - A_k||_F^2``. The
    reported s_i are those of B: ``s_i^2 <= sigma_i^2 <= s_i^2 + D``, and
    ``||A - A V V^T||_F^2 <= ||A||_F^2 - sum_i s_i^2``.

    Parameters
    ----------
    n_features : int
        n, entries per row.
    sketch_size : int
        l, at least 2; for the bound above more than 2 k.
    center : bool, default=False
        Whether A is centred.
    dtype : dtype, default=np.float64
        Of B, float32 or float64: that of the rows (integers: float64).

    Attributes
    ----------
    deviation : float
        D.

    Notes
    -----
    Per row ``8 l n`` flops; memory ``2 l n`` numbers and as many again while B is reduced. Rows of sparse
    matrices are filled in, one block at a time. Not for sparse data with very many columns: see
    `UpdatableSVD`.

    References
    ----------
    M. Ghashami, E. Liberty, J. M. Phillips and D. P. Woodruff, "Frequent Directions: Simple and Deterministic
    Matrix Sketching", 2015, arXiv:1501.01711. A. Desai, M. Ghashami and J. M. Phillips, "Improved Practical
    Matrix Sketching with Guarantees", 2015, arXiv:1501.06561 (only a part of the values is reduced).

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import FrequentDirections
    >>> X = np.random.default_rng(0).standard_normal((1000, 200)) * 0.9 ** np.arange(200)
    >>> stream = FrequentDirections(200, sketch_size=40)
    >>> for lo in range(0, 1000, 100):
    ...     _ = stream.add(X[lo : lo + 100])
    >>> exact = np.linalg.svd(X)[1][:5]
    >>> bool(np.all(abs(stream.low_rank(5).singular_values / exact - 1) < 1e-3))
    True
    """

    def __init__(self, n_features, sketch_size, *, center=False, dtype=np.float64):
        super().__init__(n_features, center=center, dtype=dtype)
        self.sketch_size = check_count("sketch_size", sketch_size, 2)
        self._deviation = 0.0
        self._B = np.zeros((0, self.n_features), dtype=self.dtype)  # grows to 2 l rows, of which
        self._filled = 0  # so many hold something

    @property
    def memory(self):
        """Bytes of the sketch, twice."""
        return 4 * self.sketch_size * self.n_features * self.dtype.itemsize

    @property
    def deviation(self):
        """D: A^T A - B^T B is between 0 and D I."""
        return self.settled()._deviation

    def _take(self, A, X=None, weight=None):
        for rows in A.row_blocks():
            self._append(rows)

    def _take_state(self, other):
        if other.sketch_size != self.sketch_size:
            raise ValueError(
                f"Cannot merge: sketch_size is {self.sketch_size} here and {other.sketch_size} there."
            )
        self._append(other._B[: other._filled])
        self._deviation += other._deviation

    def _append(self, rows):
        while len(rows):
            if self._filled == 2 * self.sketch_size:
                self._reduce()
            some = rows[: 2 * self.sketch_size - self._filled]
            rows = rows[len(some) :]
            end = self._filled + len(some)
            if end > len(self._B):
                # By doubling: few rows take little memory.
                held = self._B
                self._B = np.empty(
                    (min(max(end, 2 * len(held)), 2 * self.sketch_size), self.n_features), self.dtype
                )
                self._B[: self._filled] = held[: self._filled]
            self._B[self._filled : end] = some
            self._filled = end

    def _reduce(self):
        """Bring B to l rows."""
        size = self.sketch_size
        B = as_operand(self._B[: self._filled], name="sketch").T
        squares, U = np.linalg.eigh(B.gram())
        squares, U = np.maximum(squares[::-1], 0), U[:, ::-1]
        off = squares[size]
        kept = squares[:size].copy()
        lower = slice(size - size // 2, size)
        kept[lower] -= off
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(squares[:size] > 0, np.sqrt(np.maximum(kept, 0) / squares[:size]), 0)
        self._B[:size] = B.matmat((U[:, :size] * ratio).astype(self.dtype)).T
        self._filled = size
        self._deviation += float(off)

    def _lose(self, square):
        self._deviation += square

    def _scale(self, factor):
        self._B[: self._filled] *= self.dtype.type(np.sqrt(factor))
        self._deviation *= factor

    def _decompose(self, rule):
        if not isinstance(rule, FixedRank):
            raise ValueError(
                f"Frequent Directions needs an int for the number of components, got {rule}: it drops what "
                "such a rule would look at."
            )
        k = rule.cap
        s, V = np.zeros(k), np.zeros((self.n_features, 0), dtype=self.dtype)
        if self._squared_norm:
            B = as_operand(self._B[: self._filled], name="sketch")
            try:
                found = gram_svd(B, min(k, *B.shape))
            except GramPrecisionError:
                found = exact_svd(B, min(k, *B.shape))
            s[: len(found.singular_values)] = found.singular_values
            V = found.right_vectors.T
        return self._result(s, completed(V, k), np.full(k, np.nan), "frequent_directions")


class UpdatedRows(RowStream):
    """A truncated SVD of rows that arrive in chunks: `UpdatableSVD` as a running state. For sparse data.

    The right vectors and the singular values of the rows so far, not centred; with every chunk the k
    largest singular values of what is kept and the new rows are kept. ``V diag(s)^2 V^T <= A^T A``, so that
    ``||A - A V V^T||_F^2 <= ||A||_F^2 - sum_i s_i^2``. There is no bound before the data are seen, as
    `FrequentDirections` has one: a direction that is weak in every chunk and strong in all is missed.

    Parameters
    ----------
    n_features : int
        n, entries per row.
    k : int
        Singular values to keep.
    dtype : dtype, default=np.float64
        Of the vectors, float32 or float64: that of the rows (integers: float64).

    Notes
    -----
    A block of t <= max(k, 64) rows E costs ``4 nnz(E) k + 20 (k + t)^3`` flops, whatever n. Memory 2 n k
    numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sklr.linalg import UpdatedRows
    >>> X = sparse.random(500, 2000, density=0.01, format="csr", random_state=0)
    >>> stream = UpdatedRows(2000, 30)
    >>> for lo in range(0, 500, 50):
    ...     _ = stream.add(X[lo : lo + 50])
    >>> exact = np.linalg.svd(X.toarray())[1][:2]
    >>> bool(np.all(stream.low_rank(2).singular_values > 0.9 * exact))
    True
    """

    def __init__(self, n_features, k, *, dtype=np.float64):
        super().__init__(n_features, dtype=dtype)
        self._svd = UpdatableSVD.zeros((0, self.n_features), k, keep_left=False, dtype=self.dtype)

    @property
    def memory(self):
        """Bytes of the vectors, and of those that are made of them."""
        return 2 * self._svd.k * self.n_features * self.dtype.itemsize

    def _take(self, A, X=None, weight=None):
        if weight is not None:
            root = np.sqrt(weight).astype(self.dtype)[:, None]
            X = X.multiply(root).tocsr() if sparse.issparse(X) else X * root
        self._svd.add_rows(X)

    def _take_state(self, other):
        if other._svd.k != self._svd.k:
            raise ValueError(f"Cannot merge: k is {self._svd.k} here and {other._svd.k} there.")
        if len(other._svd.singular_values):
            self._svd.add_rows(other._svd.right_vectors * other._svd.singular_values[:, None])

    def _scale(self, factor):
        self._svd.scale(np.sqrt(factor))

    def _decompose(self, rule):
        if not isinstance(rule, FixedRank) or rule.cap > self._svd.k:
            raise ValueError(f"{self._svd.k} singular values are kept, {rule} asks for others.")
        s = np.zeros(rule.cap)
        found = self._svd.singular_values[: rule.cap]
        s[: len(found)] = found
        V = completed(self._svd.right_vectors[: len(found)].T, rule.cap)
        return self._result(s, V, np.full(rule.cap, np.nan), "svd_update")
