"""The steps of a propagation side by side, as positional encodings of nodes."""

from numbers import Integral

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from sklr.linalg import propagation_steps, transition_matrix

from ._propagation import PropagationEmbedding


class RandomFeaturePropagation(PropagationEmbedding):
    """Positional encodings of nodes: random or given features, propagated, with the steps side by side.

    With T the transition matrix of the graph and E_0 the start, of d columns, the embedding of a node is its
    row of

        [E_(q-r+1), ..., E_q]      for the last r of q steps, where

        E_k = T E_(k-1)            orthogonalize="none"
        E_k R_k = T E_(k-1)        "each": columns orthogonal to each other, simultaneous iteration
        E_k R_k = (I - P) T E_(k-1)   "all": and to those of all steps before, whose projector is P

    Early steps tell the surroundings of a node apart, late ones its part of the graph. With "all" the columns
    of all steps are an orthogonal basis of a block Krylov space of T, of which few steps of few columns hold
    what many steps of many columns find otherwise: the cheapest strong embedding where the graph has few
    clear parts.

    Parameters
    ----------
    n_components : int, default=16
        Columns of one step, d.
    n_steps : int, default=8
        Steps, q.
    keep : {"all", "last"} or int, default="all"
        The steps that make the embedding: all, the last, or the last so many.
    transition : {"random_walk", "symmetric"}, default="random_walk"
        ``D^(-1) A``, the mean over the neighbours, or ``D^(-1/2) A C^(-1/2)``, with D and C the diagonals of
        the sums of the rows and columns of A.
    orthogonalize : {"none", "each", "all"}, default="all"
        See above.
    sketch : str or Distribution, default="gaussian"
        Where the start comes from: a name of `sklr.sketch.available_sketches`, or a distribution.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The embedding has the same bits on any
        number of threads.
    random_state : int, RandomState instance or None, default=None
        Where the start comes from; an int for reproducible results.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_nodes, n_components * n_kept)
        The steps that are kept, the earliest first. Orthogonal columns have mean square 1 over the nodes with
        edges. A node without outgoing edges has a row of zeros.
    projection_ : ndarray of shape (n_nodes, n_components * n_kept)
        M, with ``embedding_ = T M``.
    offset_ : ndarray of shape (n_components * n_kept,)
        Zeros: nothing is centred.
    column_degrees_ : ndarray of shape (n_nodes,)
        Sums of the columns of A.
    n_features_in_ : int
        Nodes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has string column names.

    Raises
    ------
    ValueError
        From `fit`: X is not square, has no edges, negative weights, NaN or infinity; `keep` is above
        `n_steps`; `node_features` do not fit. From `transform`: X has another number of columns. The
        estimator is left as it was.
    TypeError
        A parameter is of the wrong type, or X is no matrix in memory.

    Warns
    -----
    UserWarning
        Orthogonal columns of some steps depend on the others and are zero: the graph has no more directions.

    See Also
    --------
    FastRPEmbedding : A weighted sum of the steps, of n_components columns.
    sklr.linalg.propagation_steps : The function behind it.

    Notes
    -----
    *Cost.* ``2 q d nnz`` flops in q passes over A, and ``6 n d^2`` for each orthogonalised step ("all":
    ``8 n d`` more for each column before it). Memory for twice what is kept and a few arrays of n d; "all"
    takes four times all steps while it works.

    The start itself is not part of the embedding: a new node has none. Put given features beside the
    embedding by a `sklearn.pipeline.FeatureUnion`, or by hand.

    *When not to use it.* For directions by size: `FastRPEmbedding` with ``orthogonalize="each"``, or a
    truncated SVD of the transition matrix, have them. Where there are many small parts, or thousands of
    components of the graph, a Krylov basis of few columns is the weaker one.

    References
    ----------
    M. Eliasof, F. Frasca, B. Bevilacqua, E. Treister, G. Chechik, H. Maron, "Graph Positional Encoding via
    Random Feature Propagation", 2023, arXiv:2303.02918. C. Musco, C. Musco, "Randomized Block Krylov Methods
    for Stronger and Faster Approximate Singular Value Decomposition", 2015, arXiv:1504.05477.

    Examples
    --------
    A ring of 200 nodes; the last step of a long propagation is smooth along it:

    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sklr.graph import RandomFeaturePropagation
    >>> ring = sparse.diags_array([1.0] * 4, offsets=[-199, -1, 1, 199], shape=(200, 200))
    >>> model = RandomFeaturePropagation(3, n_steps=6, random_state=0)
    >>> E = model.fit_transform(ring)
    >>> E.shape
    (200, 18)
    >>> bool(np.allclose(E.T @ E, 200 * np.eye(18)))
    True
    >>> bool(np.allclose(model.transform(ring), E))
    True
    """

    _parameter_constraints: dict = {
        **PropagationEmbedding._parameter_constraints,
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "keep": [StrOptions({"all", "last"}), Interval(Integral, 1, None, closed="left")],
        "orthogonalize": [StrOptions({"none", "each", "all"})],
    }
    _REMEDY = " or n_steps"

    def __init__(
        self,
        n_components=16,
        *,
        n_steps=8,
        keep="all",
        transition="random_walk",
        orthogonalize="all",
        sketch="gaussian",
        n_threads=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_steps = n_steps
        self.keep = keep
        self.transition = transition
        self.orthogonalize = orthogonalize
        self.sketch = sketch
        self.n_threads = n_threads
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, node_features):
        return super()._fit(X, node_features)

    @property
    def _n_kept(self):
        return {"all": self.n_steps, "last": 1}.get(self.keep, self.keep)

    @property
    def _n_embedded(self):
        return self.n_components * self._n_kept

    def _embed(self, A, node_features):
        if isinstance(self.keep, bool):
            raise TypeError(f"keep must be 'all', 'last' or an int, got {self.keep}.")
        if self._n_kept > self.n_steps:
            raise ValueError(
                f"keep={self.keep} is above n_steps={self.n_steps}: there are not so many steps."
            )
        T = transition_matrix(A, self.transition)
        steps = propagation_steps(
            T,
            self._start(A, node_features),
            self.n_steps,
            orthogonalize=self.orthogonalize,
            n_threads=self.n_threads,
        )
        d, first = self.n_components, self.n_steps - self._n_kept
        E = np.empty((A.shape[0], self._n_embedded), dtype=A.dtype)
        M = np.empty_like(E)
        for at, (embedding, projection) in enumerate(steps):
            if at >= first:
                columns = slice((at - first) * d, (at - first + 1) * d)
                E[:, columns], M[:, columns] = embedding, projection
        if self.orthogonalize != "none":
            self._warn_of_dependent_columns(E)
            length = E.dtype.type(np.sqrt(np.count_nonzero(np.diff(A.indptr))))
            E *= length
            M *= length
        self.embedding_, self.projection_ = E, M
