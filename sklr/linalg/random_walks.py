"""Sparse random features of kernels on the nodes of a graph, from random walks."""

import numpy as np
from scipy import sparse

from sklr._backend import as_stream, ordered, session

from ._checks import check_between, check_count
from ._graph import as_graph
from .graph_kernels import as_modulation, graph_modulation

COUPLINGS = ("iid", "antithetic", "repelling")
# Longer walks than are met with this probability are cut there.
_NEVER = 1e-20
# Walks that advance together: a tile of nodes has about so many.
_WALKS_OF_A_TILE = 1 << 15


def graph_random_features(
    A, modulation, *, n_walks=10, halt_probability=0.1, coupling="repelling", rng=None, n_threads=None
):
    """Sparse random features of a kernel on the nodes of a graph.

    From every node i start `n_walks` = m walks, which at each step halt with probability p and otherwise
    take an edge with a probability proportional to its weight. With d the degrees,

        Phi[i, v] = 1/m sum over walks from i, over their visits of v, after l steps:
                    f_l (1 - p)^(-l) sqrt(d_i / d_v),

    whose expectation is ``F = sum_l f_l W^l``: with two independent draws, ``E[Phi_1 Phi_2^T] = F F^T``,
    the kernel. In one draw rows are independent of each other, and ``Phi Phi^T`` is right on average but for
    its diagonal, which is too large by the variance of the row.

    Parameters
    ----------
    A : array-like or sparse matrix of shape (n, n)
        Symmetric weights of edges, not negative; see `graph_kernel`. Only a sparse one is not searched for
        its entries.
    modulation : array-like or callable
        f: `graph_modulation` has those of named kernels.
    n_walks : int, default=10
        Walks from each node; the error falls as ``n_walks^(-1/2)``.
    halt_probability : float, default=0.1
        p, in (0, 1). Walks have ``(1 - p) / p`` steps on average.
    coupling : {"iid", "antithetic", "repelling"}, default="repelling"
        Of the walks from one node. "antithetic": two and two do not halt at the same step (if p <= 1/2).
        "repelling": those that are at the same node at the same step take different edges, as far as there
        are. Each walk for itself is as with "iid".
    rng : None, int, Generator or Stream, default=None
        Where the walks come from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    Phi : csr_array of shape (n, n)
        Features of the nodes as rows; float64, or float32 where A is. At most ``n_walks / p`` entries in a
        row on average. A node without edges has one, the sum of f, at its own place.

    Raises
    ------
    ValueError
        If A is not square, has no rows, is not symmetric, or holds negative weights, NaN or infinity; or a
        parameter is out of range.
    TypeError
        If a parameter is of another type.

    See Also
    --------
    graph_kernel : The kernel itself, of a small graph.

    Notes
    -----
    Time and memory in proportion to ``n n_walks / p``, apart from a copy of A; for weights that are not all
    equal times the logarithm of the number of edges. Walks end where f does. Steps are proportional to the
    weights, and not uniform as in the first two sources, so that the product of the weights along a walk
    reduces to the degrees of its ends. Walks at the same node are spread by systematic sampling, which for
    equal weights means without replacement in blocks.

    The variance of entries grows with ``sum_l f_l^2 (1 - p)^(-l)``: where that is large, or infinite, take a
    smaller p. "regularized_laplacian" asks for ``q^2 < 1 - p`` with ``q = sigma^2 / (1 + sigma^2)``.

    References
    ----------
    K. Choromanski, "Taming graph kernels with random features", 2023, arXiv:2305.00156. I. Reid,
    K. Choromanski and A. Weller, "Quasi-Monte Carlo Graph Random Features", 2023, arXiv:2305.12470.
    I. Reid, K. Choromanski, E. Berger and A. Weller, "General Graph Random Features", 2023,
    arXiv:2310.04859. I. Reid, E. Berger, K. Choromanski and A. Weller, "Repelling Random Walks", 2023,
    arXiv:2310.04854.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sklr.linalg import graph_kernel, graph_modulation, graph_random_features
    >>> ring = sparse.diags_array([1.0] * 4, offsets=[-49, -1, 1, 49], shape=(50, 50))
    >>> f = graph_modulation("diffusion", sigma=1.0)
    >>> Phi_1, Phi_2 = (graph_random_features(ring, f, n_walks=1000, rng=seed) for seed in (0, 1))
    >>> error = np.linalg.norm(Phi_1 @ Phi_2.T - graph_kernel(ring, "diffusion", sigma=1.0))
    >>> bool(error < 0.05 * np.linalg.norm(graph_kernel(ring, "diffusion", sigma=1.0)))
    True
    """
    f = graph_modulation(modulation) if callable(modulation) else as_modulation(modulation)
    n_walks = check_count("n_walks", n_walks, 1)
    p = check_between("halt_probability", halt_probability, low=0, high=1)
    if coupling not in COUPLINGS:
        raise ValueError(f"coupling must be one of {COUPLINGS}, got {coupling!r}.")
    graph, stream = as_graph(A), as_stream(rng)
    longest = min(len(f) - 1, int(np.log(_NEVER) / np.log1p(-p)) + 1)
    lengths = np.arange(longest + 1)
    deposits = f[: longest + 1] * np.exp(-np.log1p(-p) * lengths) / n_walks
    walkers = _Walkers(graph, deposits, float(f.sum()), n_walks, p, coupling)
    n = graph.n_nodes
    step = max(1, _WALKS_OF_A_TILE // n_walks)
    tiles = []

    def compute(lo):
        generator = stream.generator("random_walks", lo // step)
        return walkers.features(generator, lo, min(lo + step, n))

    with session(n_threads):
        ordered(compute, range(0, n, step), tiles.append)
    return sparse.csr_array(sparse.vstack(tiles, format="csr"))


def is_dominated_by_rare_walks(f, halt_probability, n_drawn):
    """Whether most of the variance is due to lengths that hardly one of `n_drawn` walks reaches.

    Parameters
    ----------
    f : ndarray of shape (n_lengths,)
        Weights by length.
    halt_probability : float
        p.
    n_drawn : int
        Walks in all.

    Returns
    -------
    bool
    """
    lengths = np.arange(len(f))
    with np.errstate(divide="ignore"):
        log_terms = 2 * np.log(np.abs(f)) - np.log1p(-halt_probability) * lengths
    terms = np.exp(log_terms - log_terms.max())
    rare = lengths * np.log1p(-halt_probability) < -np.log(n_drawn)
    return bool(terms[rare].sum() > terms.sum() / 2)


class _Walkers:
    """The walks of `graph_random_features`, a tile of nodes at a time."""

    def __init__(self, graph, deposits, total, n_walks, halt_probability, coupling):
        self.graph = graph
        self.index = np.int32 if graph.n_nodes <= np.iinfo(np.int32).max else np.int64
        self.deposits = deposits
        self.total = total
        self.n_walks = n_walks
        self.halt_probability = halt_probability
        self.antithetic = coupling == "antithetic"
        self.repelling = coupling == "repelling"

    def features(self, generator, lo, hi):
        """Rows lo to hi."""
        graph = self.graph
        homes = np.arange(lo, hi, dtype=self.index)
        connected = graph.n_neighbors[lo:hi] > 0
        # The first deposits, all at home; a node without edges is never left.
        rows, columns = [homes], [homes]
        values = [np.where(connected, self.n_walks * self.deposits[0], self.total)]
        home = np.repeat(homes[connected], self.n_walks)
        at, length = home, self._lengths(generator, home.size)
        for step, deposit in enumerate(self.deposits[1:], start=1):
            going = length >= step
            home, at, length = home[going], at[going], length[going]
            if home.size == 0:
                break
            at = graph.neighbors(at, self._directions(generator, home, at))
            rows.append(home)
            columns.append(at.astype(self.index, copy=False))
            values.append(np.full(home.size, deposit))
        rows, columns, values = (np.concatenate(parts) for parts in (rows, columns, values))
        values *= graph.root_degrees[rows] / graph.root_degrees[columns]
        Phi = sparse.coo_array((values, (rows - lo, columns)), shape=(hi - lo, graph.n_nodes)).tocsr()
        return Phi.astype(graph.dtype, copy=False)

    def _lengths(self, generator, size):
        """Steps that walks take: geometric, at most as many as make a deposit."""
        p = self.halt_probability
        if self.antithetic:
            lengths = generator.geometric(p, size=(size // self.n_walks, self.n_walks)) - 1
            half = self.n_walks // 2
            self._make_antithetic(generator, lengths[:, :half], lengths[:, half : 2 * half])
            lengths = lengths.ravel()
        else:
            lengths = generator.geometric(p, size=size) - 1
        return np.minimum(lengths, len(self.deposits) - 1)

    def _make_antithetic(self, generator, left, right):
        """Lengths of pairs that draw u and u + 1/2 (modulo 1) at each step and halt below p."""
        p = self.halt_probability
        # One of a pair halts with probability min(2p, 1), both with max(2p - 1, 0); the other goes on alone.
        cap = len(self.deposits)  # sums of longer ones could overflow
        first = np.minimum(generator.geometric(min(2 * p, 1.0), size=left.shape) - 1, cap)
        more = np.minimum(generator.geometric(p, size=left.shape), cap)
        more[generator.random(left.shape) < 2 * p - 1] = 0
        is_left = generator.random(left.shape) < 0.5
        left[:] = first + np.where(is_left, 0, more)
        right[:] = first + np.where(is_left, more, 0)

    def _directions(self, generator, home, at):
        """A number in [0, 1] for the next edge of each walk, uniform for each by itself."""
        if not self.repelling:
            return generator.random(home.size)
        # Walks from one node that are together have equidistant numbers: systematic sampling. Their order
        # must not tell how long they will go on, or those that do would keep together.
        key = home.astype(np.int64) * self.graph.n_nodes + at
        order = np.argsort(key, kind="stable")
        key = key[order]
        start = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        count = np.diff(np.append(start, key.size))
        rank = np.arange(key.size) - np.repeat(start, count)
        u = np.empty(key.size)
        u[order] = (rank / np.repeat(count, count) + np.repeat(generator.random(start.size), count)) % 1
        return u
