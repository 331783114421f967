"""Edge weights from the distances of nearest neighbours."""

from numbers import Real

import numpy as np
from scipy import sparse

from sklr._backend import compute_dtype

_KERNELS = {
    "gaussian": lambda t: np.exp(-0.5 * t * t),
    "exponential": lambda t: np.exp(-t),
}
_SYMMETRIC = {
    "max": lambda W: W.maximum(W.T),
    "mean": lambda W: (W + W.T) * W.dtype.type(0.5),
    "min": lambda W: W.minimum(W.T),
}


def edge_weights_from_distances(distances, *, kernel="gaussian", bandwidth="auto", symmetrize=None):
    """Turn a sparse matrix of distances into one of weights, which are large where nodes are close.

    The stored entry d_ij becomes

        w_ij = kernel(d_ij / h_i),    gaussian: exp(-t^2 / 2),    exponential: exp(-t),

    with the bandwidth h_i of row i. Distances themselves, as `KNeighborsTransformer(mode="distance")` and
    `kneighbors_graph(mode="distance")` give them, make the farthest neighbour count most.

    Parameters
    ----------
    distances : sparse matrix or array of shape (n_rows, n_columns)
        Distances of nodes, in rows, to their neighbours, in columns. A stored zero is a distance of zero;
        what is not stored is no neighbour.
    kernel : {"gaussian", "exponential"} or callable, default="gaussian"
        A callable takes the array of all d_ij / h_i and returns as many weights, finite and not negative.
    bandwidth : "auto" or float, default="auto"
        "auto": h_i is the median of the positive distances in row i (the lower one of two), so that the
        neighbours of a node count alike in dense and in thin regions, and a row depends on nothing but
        itself. float: one h for all rows, in the units of the distances.
    symmetrize : {"max", "mean", "min"} or None, default=None
        None: W. "max": an edge where one node is among the neighbours of the other, max(W, W^T). "mean":
        (W + W^T) / 2. "min": only mutual neighbours, min(W, W^T). Needs a square matrix.

    Returns
    -------
    weights : csr_array of shape (n_rows, n_columns)
        float32 where the distances are, else float64. Weights that underflow to zero are dropped.

    Raises
    ------
    ValueError
        A distance is negative, NaN or infinite; a parameter is out of range; `symmetrize` of a matrix that is
        not square; weights of a callable are negative or not finite.
    TypeError
        `distances` is dense, where a zero may be a distance or no neighbour.

    See Also
    --------
    from_edges : Makes a graph from a list of edges.

    Notes
    -----
    A sort of the entries and a few sweeps, and memory for four copies of them. A node that is its own
    neighbour at distance zero, as `KNeighborsTransformer` makes each one, gets a self-loop of weight 1; call
    ``weights.setdiag(0)`` to be without.

    In a pipeline wrap it in `sklearn.preprocessing.FunctionTransformer`, with ``symmetrize=None``: new nodes
    come in rows that have no transpose. The row-wise "auto" gives a node the same weights as in the fit.

    Not for neighbours by similarity, such as a dot product: these are weights already.

    References
    ----------
    L. Zelnik-Manor and P. Perona, "Self-Tuning Spectral Clustering", 2004, NIPS 17, which scales by a
    distance of each node, though on both sides.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsTransformer
    >>> from sklr.graph import edge_weights_from_distances
    >>> X = np.array([[0.0], [1.0], [3.0]])
    >>> G = KNeighborsTransformer(n_neighbors=2, mode="distance").fit_transform(X)
    >>> edge_weights_from_distances(G, bandwidth=1.0).toarray().round(3)
    array([[1.   , 0.607, 0.011],
           [0.607, 1.   , 0.135],
           [0.011, 0.135, 1.   ]])
    """
    if not sparse.issparse(distances):
        raise TypeError(
            f"distances must be a SciPy sparse matrix, got {type(distances).__name__}: in a dense one a zero "
            "may be a distance or no neighbour. kneighbors_graph(X, n_neighbors, mode='distance') makes one."
        )
    if not callable(kernel) and kernel not in _KERNELS:
        raise ValueError(f"kernel must be one of {sorted(_KERNELS)} or a callable, got {kernel!r}.")
    if symmetrize is not None and symmetrize not in _SYMMETRIC:
        raise ValueError(f"symmetrize must be None or one of {sorted(_SYMMETRIC)}, got {symmetrize!r}.")
    if symmetrize is not None and distances.shape[0] != distances.shape[1]:
        raise ValueError(
            f"symmetrize={symmetrize!r} needs a square matrix, got shape {distances.shape}. Use None."
        )
    dtype = compute_dtype(distances.dtype, "distances")
    D = sparse.csr_array(distances, dtype=dtype, copy=True)
    D.sum_duplicates()  # sorts the indices too
    if not np.isfinite(D.data).all():
        raise ValueError("distances contains NaN or infinity. Store nothing where there is no neighbour.")
    if D.nnz and D.data.min() < 0:
        raise ValueError(f"distances must not be negative, got {D.data.min()}.")
    with np.errstate(over="ignore", under="ignore"):
        ratios = D.data / _bandwidths(D, bandwidth)
        weights = np.asarray((kernel if callable(kernel) else _KERNELS[kernel])(ratios), dtype=dtype)
    if weights.shape != D.data.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(
            f"kernel must return {D.nnz} weights, finite and not negative, for an array of {D.nnz} ratios."
        )
    D.data = weights
    W = D if symmetrize is None else sparse.csr_array(_SYMMETRIC[symmetrize](D))
    W.eliminate_zeros()
    return W


def _bandwidths(D, bandwidth):
    """The bandwidth of every stored entry, or one for all."""
    if not isinstance(bandwidth, str):
        if isinstance(bandwidth, bool) or not isinstance(bandwidth, Real):
            raise TypeError(f"bandwidth must be 'auto' or a float, got {bandwidth!r}.")
        with np.errstate(over="ignore", under="ignore"):
            h = D.dtype.type(bandwidth)
        if not 0 < h < np.inf:
            raise ValueError(f"bandwidth must be positive and finite in {D.dtype}, got {bandwidth}.")
        return h
    if bandwidth != "auto":
        raise ValueError(f"bandwidth must be 'auto' or a float, got {bandwidth!r}.")
    rows = np.repeat(np.arange(D.shape[0]), np.diff(D.indptr))
    positive = D.data > 0
    values, of_row = D.data[positive], rows[positive]
    values = values[np.lexsort((values, of_row))]
    counts = np.bincount(of_row, minlength=D.shape[0])
    filled = np.flatnonzero(counts)
    medians = np.ones(D.shape[0], dtype=D.dtype)  # where all distances are zero any bandwidth is right
    medians[filled] = values[(np.cumsum(counts) - counts + (counts - 1) // 2)[filled]]
    return medians[rows]
