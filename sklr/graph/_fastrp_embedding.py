"""FastRP: embeddings of nodes by a few powers of the transition matrix times random vectors."""

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from sklr._backend import as_operand
from sklr.linalg import propagate, transition_matrix
from sklr.linalg._factor import whiten
from sklr.linalg.propagation import check_step_weights

from ._propagation import PropagationEmbedding

# What `weights=None` means, plain and orthogonalised after each step.
_PLAIN_WEIGHTS, _N_ORTHOGONAL_STEPS = (0.0,) * 6 + (1.0, 2.0), 10


class FastRPEmbedding(PropagationEmbedding):
    """Embeddings of the nodes of a graph by random projection of powers of its transition matrix.

    With A the adjacency matrix, D and C the diagonals of the sums of its rows and columns, and the transition
    matrix ``T = D^(-1) A`` ("random_walk") or ``T = D^(-1/2) A C^(-1/2)`` ("symmetric"),

        E = sum_k w_k T^k L S^T,    k = 1, ..., q,     L = (C / mean of C)^normalization_strength,

    for a random matrix S of shape (n_components, n_nodes) with ``E[S^T S] = I``: products of rows of E are,
    on average, those of rows of ``P = sum_k w_k T^k L``, which is a matrix of n_nodes^2 entries. Their
    standard deviation is about ``|P_i| |P_j| / sqrt(n_components)`` for dense S.

    ============  =====================================================================================
    "none"        E as above (FastRP): the cheapest
    "last"        an orthonormal basis of the columns of E
    "each"        columns are orthonormalised after each step, ``Q_k R_k = T Q_(k-1)``, and
                  ``E = sum_k w_k Q_k``: they tend to the eigenvectors of the largest eigenvalues. For many
                  steps, in which plain powers sink into the rounding errors of the very largest ones
    ============  =====================================================================================

    Whitened, the columns have mean 0, variance 1 and no correlation, in the same span.

    Parameters
    ----------
    n_components : int, default=128
        Columns of the embedding. More cost more and are more accurate; there may be more than nodes.
    weights : int or sequence of float, default=None
        w_1, ..., w_q. An int q stands for q steps of which only the last one counts. None means
        ``(0, 0, 0, 0, 0, 0, 1, 2)``, and 10 with ``orthogonalize="each"``. Early steps tell small
        surroundings, late ones communities. The embedding weighs a direction of eigenvalue x of T by
        ``sum_k w_k x^k``: by ``x^7 (1 + 2 x)`` without a number, which keeps both ends of the spectrum, also
        -1 of bipartite graphs, and is blind at x = -1/2. Where few edges join nodes of the same group, as
        between three groups with hardly an edge inside them, give an int.
    normalization_strength : float, default=0.0
        The power of the degrees that scales the start, relative to their mean. Negative: hubs count less.
    transition : {"random_walk", "symmetric"}, default="random_walk"
        T: the mean over the neighbours, or normalised on both sides.
    sketch : str or Distribution, default="very_sparse"
        The family of S: a name of `sklr.sketch.available_sketches`, or a distribution. Sparse ones make the
        first step cheaper.
    orthogonalize : {"none", "last", "each"}, default="none"
        See above. Orthogonal columns have mean square 1 over the nodes with edges.
    whiten : bool, default=True
        Whether columns are centred and decorrelated. False gives the published embedding, in which the
        constant vector dominates all columns: put a `sklearn.preprocessing.StandardScaler` behind it.
    bipartite : bool, default=False
        Whether rows and columns of X are nodes of two kinds. Steps go to the columns and back then:
        ``E = sum_k w_k T (B T)^(k-1) L S^T`` with B the transition matrix of the transposed graph, for the
        rows, and ``B E`` for the columns.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The embedding has the same bits on any
        number of threads.
    random_state : int, RandomState instance or None, default=None
        Where S comes from; an int for reproducible results.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_nodes, n_components)
        E, of the nodes in the rows of X; float32 where X is. A node without outgoing edges has a row of
        zeros.
    column_embedding_ : ndarray of shape (n_columns, n_components)
        Of the nodes in the columns, in the same space: with "random_walk" the mean of the embeddings of
        their rows. Only with ``bipartite=True``.
    projection_ : ndarray of shape (n_columns, n_components)
        M: ``embedding_ = T M - offset_`` in rows that are not empty.
    offset_ : ndarray of shape (n_components,)
        What is subtracted; zeros unless `whiten`.
    column_degrees_ : ndarray of shape (n_columns,)
        Sums of the columns of X.
    subspace_change_ : float or None
        With ``orthogonalize="each"`` the root of the mean squared sine of the angles between the spans of the
        last two steps. Near 0 all directions have converged; directions of eigenvalues that are close to each
        other, as in the bulk of a random graph, never do, and need not. None otherwise, and for one step.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has string column names.

    Raises
    ------
    ValueError
        From `fit`: X is not square (unless `bipartite`), has no edges, negative weights, NaN or infinity;
        `weights` are empty, zero or not finite; `node_features` do not fit. From `transform`: X has another
        number of columns. The estimator is left as it was.
    TypeError
        A parameter is of the wrong type, or X is no matrix in memory.

    Warns
    -----
    UserWarning
        Columns of an orthogonal or whitened embedding are zero: the graph, the start or, after many steps,
        the dtype has fewer directions than `n_components`. X looks like distances: see
        `edge_weights_from_distances`.

    See Also
    --------
    TransductiveEmbedding : Scores node classification with the whole graph known.
    RandomFeaturePropagation : All steps side by side.
    sklr.linalg.propagate : The function behind it.

    Notes
    -----
    *Cost.* ``2 q nnz n_components`` flops in q passes over X, of which the first costs little for sparse S.
    Memory for two arrays of n_nodes x n_components, that of the embedding and of M, beside X and T; whitened
    or orthogonalised up to six, with "each" and several weights eight, while it works, and
    ``8 n_nodes n_components^2`` flops, with "each" 6 in each step. The graph is never made dense. A million
    nodes of 10 edges each in 128 columns of float32 take 9 s and 1.1 GB plain on two cores, 18 s and 2.1 GB
    whitened.

    E does not change with the unit of the weights of edges. Loops are edges. A directed graph is read along
    its edges: T averages over the nodes that a node points to; pass X.T, or X + X.T, for the other way or
    both. Nodes in different connected parts share no step.

    *New nodes.* `transform` averages M over the neighbours of a node, in all modes; rows of the fit give back
    the embedding, to rounding. What the new edges would have changed in the embeddings of the others is
    left out. Edges among new nodes cannot be told.

    *In scikit-learn* X is pairwise: cross-validation slices its rows and columns, and the embedding of the
    training nodes is the inductive protocol. For the transductive one, see `TransductiveEmbedding`.

    *When not to use it.* For the exact leading eigenvectors: `sklr.decomposition.RandomizedLowRank` on the
    symmetric transition matrix gives them with an error estimate. For single pairs of distant nodes, whose
    products are within the random error.

    References
    ----------
    H. Chen, S. F. Sultan, Y. Tian, M. Chen, S. Skiena, "Fast and Accurate Network Embeddings via Very Sparse
    Random Projection", 2019, arXiv:1908.11512. H. Rutishauser, "Simultaneous iteration method for symmetric
    matrices", 1970, DOI 10.1007/BF02219773.

    Examples
    --------
    Two groups of 100 nodes, with more edges inside than between; a few labels are enough:

    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklr.graph import FastRPEmbedding
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat([0, 1], 100)
    >>> likely = np.where(group[:, None] == group, 0.15, 0.03)
    >>> upper = np.triu(rng.random((200, 200)) < likely, k=1)
    >>> A = sparse.csr_array(upper + upper.T, dtype=np.float32)
    >>> embedding = FastRPEmbedding(8, random_state=0)
    >>> E = embedding.fit_transform(A)
    >>> model = LogisticRegression().fit(E[::10], group[::10])
    >>> bool(model.score(E, group) > 0.9)
    True

    New nodes, by their edges to the others:

    >>> new = rng.random((20, 200)) < likely[90:110]
    >>> bool(model.score(embedding.transform(new), group[90:110]) > 0.8)
    True
    """

    _parameter_constraints: dict = {
        **PropagationEmbedding._parameter_constraints,
        "weights": "no_validation",  # by `check_step_weights`
        "normalization_strength": [Interval(Real, None, None, closed="neither")],
        "orthogonalize": [StrOptions({"none", "last", "each"})],
        "whiten": ["boolean"],
        "bipartite": ["boolean"],
    }
    _REMEDY = ', fewer steps or orthogonalize="each"'

    def __init__(
        self,
        n_components=128,
        *,
        weights=None,
        normalization_strength=0.0,
        transition="random_walk",
        sketch="very_sparse",
        orthogonalize="none",
        whiten=True,
        bipartite=False,
        n_threads=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.weights = weights
        self.normalization_strength = normalization_strength
        self.transition = transition
        self.sketch = sketch
        self.orthogonalize = orthogonalize
        self.whiten = whiten
        self.bipartite = bipartite
        self.n_threads = n_threads
        self.random_state = random_state

    @property
    def _is_bipartite(self):
        return bool(self.bipartite)

    @property
    def _n_embedded(self):
        return self.n_components

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, node_features):
        return super()._fit(X, node_features)

    def _embed(self, A, node_features):
        weights = self.weights
        if weights is None:
            weights = _N_ORTHOGONAL_STEPS if self.orthogonalize == "each" else _PLAIN_WEIGHTS
        weights = check_step_weights(weights)
        Z = self._start(A, node_features, self.normalization_strength)
        T = as_operand(transition_matrix(A, self.transition), name="X")
        back = None
        if self.bipartite:
            back = as_operand(transition_matrix(sparse.csr_array(A.T), self.transition), name="X")
        linked = np.diff(A.indptr) > 0
        shares = None
        # Where all nodes that are pointed to have edges.
        has_constant_vector = self.bipartite or linked[self.column_degrees_ > 0].all()
        if self.whiten and self.transition == "random_walk" and has_constant_vector:
            # T has the constant vector as an eigenvector, which centring would leave as a direction of
            # rounding errors. It is taken from T, as T 1 = 1 and (T - 1 s^T) 1 = 0 with shares s of columns.
            shares = self.column_degrees_ / self.column_degrees_.max()
            shares /= shares.sum()
            T = T.shifted(linked.astype(A.dtype), shares)
        orthogonalize = self.orthogonalize
        if self.whiten and orthogonalize != "each":  # the span is all that matters, and that it is kept
            orthogonalize = "projection"
        E, M, self.subspace_change_ = propagate(
            T, Z, weights, back=back, orthogonalize=orthogonalize, n_threads=self.n_threads
        )
        if orthogonalize in ("last", "each") and not self.whiten:
            self._warn_of_dependent_columns(E)
            length = A.dtype.type(np.sqrt(np.count_nonzero(linked)))
            E *= length
            M *= length
        if self.whiten:
            E, M, mean = whiten(E, M, linked, n_threads=self.n_threads)
            self._warn_of_dependent_columns(E)
            if shares is not None:
                mean += as_operand(M).rmatmat(shares[:, None], n_threads=self.n_threads)[:, 0]
            self.offset_ = mean
        self.embedding_, self.projection_ = E, M
        vars(self).pop("column_embedding_", None)  # of a former fit
        if self.bipartite:
            self.column_embedding_ = back.matmat(E, n_threads=self.n_threads)
