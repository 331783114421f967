"""Sparse random features whose products are kernels on the nodes of a graph."""

import warnings
from numbers import Integral, Real

from scipy.sparse.linalg import LinearOperator
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklr._backend import as_stream
from sklr.base import draw_seed, level_of_caller, unchanged_on_error
from sklr.linalg import graph_modulation, graph_random_features
from sklr.linalg._graph import as_graph
from sklr.linalg.random_walks import COUPLINGS, is_dominated_by_rare_walks

from ._validation import validate_adjacency


class GraphRandomFeatures(BaseEstimator):
    """Sparse features of the nodes of a graph that estimate a kernel without bias, from random walks.

    With W = D^(-1/2) A D^(-1/2) the normalized adjacency matrix, D the diagonal of degrees, and L = I - W the
    normalized Laplacian, the kernels are

        K = (I + sigma^2 L)^(-degree)       "regularized_laplacian"
        K = exp(-sigma^2 L / 2)             "diffusion"
        K = (shift I - L)^degree            "p_step"
        K = (sum_l f_l W^l)^2               f given

    and two independent draws of features have ``E[Phi_1 Phi_2^T] = K``. Linear models on the features are
    kernel methods with K, for graphs whose K, of n^2 entries, cannot be had.

    Parameters
    ----------
    kernel : {"regularized_laplacian", "diffusion", "p_step"}, callable or array-like, \
default="regularized_laplacian"
        A name, or the weights f of walks by their length l: a callable that maps an array of integers to
        numbers whose sum converges, or the numbers f_0, f_1, ..., beyond which there are zeros.
    sigma : float, default=None
        Positive; None means 1. Only with "regularized_laplacian" and "diffusion".
    degree : float, default=None
        The power; None means 2. Positive; with "p_step" an even int. Only with these two kernels.
    shift : float, default=None
        At least 2; None means 2. Only with "p_step".
    n_walks : int, default=10
        Walks from each node; the error falls as ``n_walks^(-1/2)`` or faster.
    halt_probability : float, default=0.1
        Probability p, in (0, 1), to halt before each step. Walks have (1 - p) / p steps on average. A larger
        p is cheaper, and has a larger variance.
    coupling : {"iid", "antithetic", "repelling"}, default="repelling"
        Of the walks from one node, none of which it changes by itself. "antithetic": two and two do not halt
        at the same step. "repelling": those that are at the same node at the same step take different edges,
        as far as there are.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The features have the same bits on any
        number of threads.
    random_state : int, RandomState instance or None, default=None
        Where the walks come from; an int for reproducible results.

    Attributes
    ----------
    features_ : csr_array of shape (n_nodes, n_nodes)
        Phi_1: a row for each node, a column for each node that its walks can end in.
    second_features_ : csr_array of shape (n_nodes, n_nodes)
        Phi_2, from other walks.
    modulation_ : ndarray of shape (n_lengths,)
        The weights f of walks by their length.
    n_features_in_ : int
        Nodes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has string column names.

    Raises
    ------
    ValueError
        From `fit`: X is not square, not symmetric, empty, complex, or holds negative weights, NaN or
        infinity; a parameter is out of range or does not belong to the kernel. The estimator is left as it
        was.
    TypeError
        A parameter is of the wrong type, or X is no matrix in memory.

    Warns
    -----
    UserWarning
        Most of the variance is due to walks longer than those drawn, so that errors are larger than their
        spread tells.

    See Also
    --------
    sklr.linalg.graph_random_features : The function behind it.
    sklr.linalg.graph_kernel : The kernel itself, for small graphs.

    Notes
    -----
    `fit` takes time and memory in proportion to ``n_nodes n_walks / halt_probability``; where weights differ,
    time grows with the logarithm of the number of edges too. Each draw has at most
    ``n_walks / halt_probability`` entries in a row on average, of 12 bytes in float64, and takes twice that
    while it is made. For 100,000 nodes with 10
    edges each, 10 walks and the other defaults: 80 entries in a row, 100 MB and 1 s for each draw on two
    cores.

    A node without edges has a row of zeros in L and one feature, at its own place: 1 for the first two
    kernels, the sum of f for all. A loop counts once in the degree of its node.

    Rows of one draw are independent of each other, so that ``Phi_1 Phi_1^T`` is right on average but for its
    diagonal, which is too large, as if a ridge penalty had been added to the kernel; only products of both
    draws are without bias. New nodes change the kernel of all others: there is no `transform`, and `fit` is
    on all nodes, those without labels included.

    Relative Frobenius errors of ``Phi_1 Phi_2^T`` for a random graph of 1,000 nodes with 10 edges each and
    the default kernel:

    ============  =====  =====  =====
    walks         4      10     40
    ============  =====  =====  =====
    "iid"         .420   .263   .131
    "antithetic"  .418   .263   .131
    "repelling"   .374   .177   .069
    ============  =====  =====  =====

    In the same time many short walks do better than few long ones while sigma is small: "repelling" with
    ``n_walks=40, halt_probability=0.3`` has .101, with 22 entries in a row in place of 78.

    Not for directed graphs; nor for single entries of K between distant nodes, where walks hardly meet. A
    large sigma needs many long walks: for "regularized_laplacian" the variance is finite only for
    ``halt_probability < 1 - q^2`` with ``q = sigma^2 / (1 + sigma^2)``.

    References
    ----------
    K. Choromanski, "Taming graph kernels with random features", 2023, arXiv:2305.00156. I. Reid,
    K. Choromanski and A. Weller, "Quasi-Monte Carlo Graph Random Features", 2023, arXiv:2305.12470.
    I. Reid, K. Choromanski, E. Berger and A. Weller, "General Graph Random Features", 2023,
    arXiv:2310.04859. I. Reid, E. Berger, K. Choromanski and A. Weller, "Repelling Random Walks", 2023,
    arXiv:2310.04854.

    Examples
    --------
    Regression on nodes with the kernel, by conjugate gradients:

    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scipy.sparse.linalg import LinearOperator, cg
    >>> from sklr.graph import GraphRandomFeatures
    >>> ring = sparse.diags_array([1.0] * 4, offsets=[-199, -1, 1, 199], shape=(200, 200))
    >>> model = GraphRandomFeatures("diffusion", sigma=2.0, n_walks=50, random_state=0).fit(ring)
    >>> model.features_.shape
    (200, 200)
    >>> K = model.kernel_operator(definite=True)
    >>> signal = np.sin(2 * np.pi * np.arange(200) / 200)
    >>> noisy = signal + 0.5 * np.random.default_rng(0).standard_normal(200)
    >>> coef, _ = cg(LinearOperator(K.shape, lambda x: K @ x + 0.2 * x), noisy)
    >>> bool(np.std(K @ coef - signal) < 0.6 * np.std(noisy - signal))
    True
    """

    _parameter_constraints: dict = {
        "kernel": "no_validation",  # these go together: `graph_modulation` checks them
        "sigma": "no_validation",
        "degree": "no_validation",
        "shift": "no_validation",
        "n_walks": [Interval(Integral, 1, None, closed="left")],
        "halt_probability": [Interval(Real, 0, 1, closed="neither")],
        "coupling": [StrOptions(set(COUPLINGS))],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        kernel="regularized_laplacian",
        *,
        sigma=None,
        degree=None,
        shift=None,
        n_walks=10,
        halt_probability=0.1,
        coupling="repelling",
        n_threads=None,
        random_state=None,
    ):
        self.kernel = kernel
        self.sigma = sigma
        self.degree = degree
        self.shift = shift
        self.n_walks = n_walks
        self.halt_probability = halt_probability
        self.coupling = coupling
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw the features of all nodes, twice.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_nodes, n_nodes)
            The adjacency matrix: symmetric, its entries the weights of edges, not negative. Best CSR; a dense
            one is searched for its entries. float32 gives features in float32.
        y : Ignored
            Present for the interface.

        Returns
        -------
        GraphRandomFeatures
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X):
        graph = as_graph(validate_adjacency(self, X, reset=True, allow_no_edges=True), "X")
        f = graph_modulation(self.kernel, sigma=self.sigma, degree=self.degree, shift=self.shift)
        n_drawn = graph.n_nodes * self.n_walks
        if is_dominated_by_rare_walks(f, self.halt_probability, n_drawn):
            warnings.warn(
                f"Most of the variance of the features is due to walks longer than {n_drawn} drawn ones with "
                f"halt_probability={self.halt_probability} are: the error is larger than their spread tells. "
                "Use a smaller halt_probability, or weights of walks that fall faster (a smaller sigma).",
                UserWarning,
                stacklevel=level_of_caller(),
            )
        stream = as_stream(draw_seed(self.random_state))
        self.features_, self.second_features_ = (
            graph_random_features(
                graph,
                f,
                n_walks=self.n_walks,
                halt_probability=self.halt_probability,
                coupling=self.coupling,
                rng=stream.child(draw),
                n_threads=self.n_threads,
            )
            for draw in range(2)
        )
        self.modulation_ = f
        return self

    def fit_transform(self, X, y=None):
        """Draw the features of all nodes and return the first draw.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_nodes, n_nodes)
            The adjacency matrix, as in `fit`.
        y : Ignored
            Present for the interface.

        Returns
        -------
        csr_array of shape (n_nodes, n_nodes)
            `features_`.
        """
        return self.fit(X, y).features_

    def kernel_operator(self, *, definite=False):
        """Estimate of the kernel as an operator, which is multiplied by without being formed.

        Parameters
        ----------
        definite : bool, default=False
            False: ``(Phi_1 Phi_2^T + Phi_2 Phi_1^T) / 2``, unbiased and symmetric, with eigenvalues that may
            be negative. True: ``Phi Phi^T`` with Phi the mean of the draws, positive semidefinite, as
            conjugate gradients need it; its diagonal is too large on average, its error beside that smaller.

        Returns
        -------
        LinearOperator of shape (n_nodes, n_nodes)
            Of SciPy; a product with k vectors takes 8, or with `definite` 4, flops for each entry of the
            features and vector.
        """
        check_is_fitted(self)
        first, second = self.features_, self.second_features_
        if definite:
            mean = (first + second) / 2
            multiply = _product(mean, mean)
        else:
            forward, backward = _product(first, second), _product(second, first)

            def multiply(Z):
                return (forward(Z) + backward(Z)) / 2

        same = {"matvec": multiply, "rmatvec": multiply, "matmat": multiply, "rmatmat": multiply}
        return LinearOperator(first.shape, dtype=first.dtype, **same)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = True
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        return tags


def _product(left, right):
    """The product with left right^T."""
    return lambda Z: left @ (right.T @ Z)
