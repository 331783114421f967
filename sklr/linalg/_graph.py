"""Adjacency matrices: the one check of them, and what kernels and random walks need of undirected graphs."""

import numpy as np
from scipy import sparse

from sklr._backend import compute_dtype

# Weights of an edge and of its reverse may differ by so many eps of the larger: rounding.
_ASYMMETRY = 1e3


def as_adjacency(A, name="A", *, square=True, needs_edges=False):
    """Check a matrix of weights of edges.

    Two sweeps over the stored entries; nothing is copied where A is CSR of float32 or float64 and canonical.

    Parameters
    ----------
    A : {array-like, sparse matrix or array} of shape (n_rows, n_columns)
        A[i, j] is the weight of the edge from node i to node j.
    name : str, default="A"
        What errors call it.
    square : bool, default=True
        Whether it must be square: a graph, rather than the connections of some nodes with others.
    needs_edges : bool, default=False
        Whether there must be an entry other than zero.

    Returns
    -------
    csr_array
        float32 (kept) or float64 (from anything else); sorted indices, no entry twice, no explicit zero, all
        weights positive and finite. It may share memory with A: do not write to it.

    Raises
    ------
    ValueError
        A is not square, empty, complex, or has negative weights, NaN, infinity or no edges.
    """
    given_sparse = sparse.issparse(A)
    if not given_sparse:
        A = np.asarray(A)
        if A.ndim != 2:
            raise ValueError(f"{name} must be an adjacency matrix, with two dimensions, got shape {A.shape}.")
    dtype = compute_dtype(A.dtype, name)
    X = sparse.csr_array(A if given_sparse else A.astype(dtype, copy=False))
    converted = X.astype(dtype, copy=False)  # before entries are added up, which small integers cannot hold
    if not X.has_canonical_format:
        converted = converted.copy() if converted is X and given_sparse else converted
        converted.sum_duplicates()
    X = converted
    # Minimum and maximum are NaN where an entry is, and take no memory.
    low, high = (X.data.min(), X.data.max()) if X.nnz else (0.0, 0.0)
    if not np.isfinite(low) or not np.isfinite(high):
        row, column, _ = _first(X, ~np.isfinite(X.data))
        raise ValueError(
            f"{name} contains NaN or infinity, first at row {row}, column {column}. Weights are finite; "
            "where there is no edge, store nothing."
        )
    if low < 0:
        row, column, value = _first(X, X.data < 0)
        raise ValueError(
            f"Negative values in data: {name} must not have negative weights, got {value} at row {row}, "
            f"column {column}. Take absolute values, or the positive and the negative edges as two graphs."
        )
    n_rows, n_columns = X.shape
    if square and n_rows != n_columns:
        raise ValueError(
            f"{name} must be the adjacency matrix of a graph, which is square, got shape {X.shape}. Features "
            "of nodes make one through sklearn.neighbors.kneighbors_graph; some of the rows of a graph are "
            "none: see TransductiveEmbedding for cross-validation. Nodes of two kinds are a bipartite graph."
        )
    if n_rows == 0 or n_columns == 0:
        raise ValueError(f"{name} is empty: a graph must have at least one node, got shape {X.shape}.")
    if low == 0 and X.nnz:
        X = X.copy() if given_sparse else X
        X.eliminate_zeros()
    if needs_edges and not X.nnz:
        raise ValueError(
            f"{name} has no edges: all of its {n_rows} x {n_columns} entries are zero, and so would be every "
            "embedding of it. Check how it was made."
        )
    return X


def weighted_degrees(A, name="A", axis=1):
    """Sums of the rows (axis 1) or columns (axis 0) of an adjacency matrix, float64."""
    A = A.astype(np.float64, copy=False)  # SciPy adds up in the dtype of A, whatever it is asked for
    with np.errstate(over="ignore"):
        degrees = np.asarray(A.sum(axis=axis)).ravel()
    if not np.isfinite(degrees).all():
        raise ValueError(f"{name} has weights that add up to infinity. Divide it by its largest entry.")
    return degrees


def _first(X, bad):
    """Row, column and value of the first entry that is bad."""
    at = int(np.argmax(bad))
    return int(np.searchsorted(X.indptr, at, side="right")) - 1, int(X.indices[at]), X.data[at]


def as_graph(A, name="A"):
    """Check an adjacency matrix, unless that has been done."""
    return A if isinstance(A, UndirectedGraph) else UndirectedGraph(A, name)


class UndirectedGraph:
    """A checked adjacency matrix, with what the walks need of it."""

    def __init__(self, A, name):
        A = as_adjacency(A, name)
        self.dtype = A.dtype
        A = A.astype(np.float64, copy=False)
        difference = abs(A - A.T)
        slack = _ASYMMETRY * np.finfo(self.dtype).eps
        if difference.nnz and (difference - slack * A).max() > 0:
            raise ValueError(
                f"{name} must be symmetric: kernels are on undirected graphs. Use (A + A.T) / 2."
            )
        self.adjacency = A
        self.n_nodes = A.shape[0]
        self.n_neighbors = np.diff(A.indptr)
        self.degrees = weighted_degrees(A, name)
        self.root_degrees = np.sqrt(np.where(self.degrees > 0, self.degrees, 1))
        self.cumulated = None
        if A.nnz and A.data.min() != A.data.max():
            self.cumulated = self._cumulated()

    def _cumulated(self):
        """At the j-th edge of node i: i and the probability of its edges up to the j-th."""
        A = self.adjacency
        of = np.repeat(np.arange(self.n_nodes), self.n_neighbors)
        shares = np.cumsum(A.data / self.degrees[of])
        before = np.concatenate([[0.0], shares])[A.indptr[:-1]]
        return of + (shares - before[of])

    def normalized(self):
        """W, dense."""
        W = self.adjacency.toarray()
        W /= self.root_degrees[:, None]
        W /= self.root_degrees
        np.fill_diagonal(W, np.where(self.degrees > 0, W.diagonal(), 1))
        return W

    def neighbors(self, at, u):
        """The neighbour of each node of `at` that the number of `u`, in [0, 1], stands for."""
        first, count = self.adjacency.indptr[at], self.n_neighbors[at]
        if self.cumulated is None:
            edge = first + (u * count).astype(first.dtype)
        else:
            edge = np.maximum(np.searchsorted(self.cumulated, at + u, side="right"), first)
        return self.adjacency.indices[np.minimum(edge, first + count - 1)]
