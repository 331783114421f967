"""An undirected graph, checked, with what kernels on its nodes and random walks need of it."""

import numpy as np
from scipy import sparse

from sklr._backend import compute_dtype

# Weights of an edge and of its reverse may differ by so many eps of the larger: rounding.
_ASYMMETRY = 1e3


def as_graph(A, name="A"):
    """Check an adjacency matrix, unless that has been done."""
    return A if isinstance(A, UndirectedGraph) else UndirectedGraph(A, name)


class UndirectedGraph:
    """A checked adjacency matrix, with what the walks need of it."""

    def __init__(self, A, name):
        if not sparse.issparse(A):
            A = np.asarray(A)
        if A.ndim != 2 or A.shape[0] != A.shape[1]:
            raise ValueError(
                f"{name} must be square, the adjacency matrix of a graph, got shape {A.shape}. "
                "Pass features of nodes through sklearn.neighbors.kneighbors_graph first."
            )
        if A.shape[0] == 0:
            raise ValueError(f"{name} is empty: a graph must have at least one node.")
        self.dtype = compute_dtype(A.dtype, name)
        A = sparse.csr_array(A).astype(np.float64, copy=False)
        if not A.has_canonical_format:
            A = A.copy()
            A.sum_duplicates()
        if not np.isfinite(A.data).all():
            raise ValueError(f"{name} contains NaN or infinity. Weights of edges must be finite.")
        if A.nnz and A.data.min() < 0:
            raise ValueError(
                f"{name} must hold weights of edges, which are not negative, got {A.data.min():g}. "
                "Use their magnitudes, or a kernel of them."
            )
        if A.nnz and A.data.min() == 0:
            A = A.copy()
            A.eliminate_zeros()
        difference = abs(A - A.T)
        slack = _ASYMMETRY * np.finfo(self.dtype).eps
        if difference.nnz and (difference - slack * A).max() > 0:
            raise ValueError(
                f"{name} must be symmetric: kernels are on undirected graphs. Use (A + A.T) / 2."
            )
        self.adjacency = A
        self.n_nodes = A.shape[0]
        self.n_neighbors = np.diff(A.indptr)
        with np.errstate(over="ignore"):
            self.degrees = np.asarray(A.sum(axis=1)).ravel()
        if not np.isfinite(self.degrees).all():
            raise ValueError(f"{name} has weights that add up to infinity. Divide it by its largest entry.")
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
