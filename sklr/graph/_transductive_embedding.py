"""The embedding of one graph, looked up by node."""

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted, check_memory, validate_data

from sklr.base import unchanged_on_error

from ._labels import check_unique, find_labels, label_array
from ._loaders import Graph
from ._validation import check_adjacency


class TransductiveEmbedding(TransformerMixin, BaseEstimator):
    """Embed a whole graph, and give the rows of the nodes that X names.

    X holds node ids, so that a pipeline, `cross_val_score` and `GridSearchCV` split nodes and the graph stays
    in one piece:

        Z = embedding.fit_transform(A),    transform(X)[i] = Z[row of node X[i]].

    `fit` embeds all nodes, those of the test fold too, and looks at no target; a classifier behind it sees
    the targets of the training fold only. This is the transductive protocol, in which node classification is
    usually scored: all nodes and edges are known, and some of the labels. Where nodes arrive after the
    training it is the wrong one, and too favourable: then pass the adjacency matrix itself as X to an
    embedding that scikit-learn knows to be pairwise (`FastRPEmbedding`). Folds then slice rows and columns,
    the embedding is fitted to the graph of the training nodes, and test nodes are transformed from their
    connections to these: the inductive protocol, whose scores are lower.

    Parameters
    ----------
    embedding : estimator
        Takes an adjacency matrix: one with ``fit_transform(A)``, such as `FastRPEmbedding`,
        ``SpectralEmbedding(affinity="precomputed")`` or `TruncatedSVD`, or else with ``fit(A)`` and then the
        attribute `embedding_`. Its parameters are searched as ``embedding__n_components`` and so on.
    graph : Graph or {array-like, sparse matrix} of shape (n_nodes, n_nodes)
        What is embedded. Of a bipartite `Graph` the nodes of the rows are. Wrap a large matrix,
        ``Graph(A)``: every candidate and fold of a search makes a copy of a bare one.
    node_features : {array-like, sparse matrix} of shape (n_nodes, n_features), default=None
        Handed to the fit of `embedding` as `node_features`, which must know it: `FastRPEmbedding` and
        `RandomFeaturePropagation` do.
    memory : str, joblib.Memory or None, default=None
        Where embeddings are kept, so that all folds, and all candidates that differ only behind the
        embedding, share one. None: each fit embeds anew.

    Attributes
    ----------
    embedding_ : {ndarray, csr_array} of shape (n_nodes, n_components)
        Z; sparse where `embedding` gives sparse features.
    estimator_ : estimator
        The clone of `embedding` that was fitted.
    nodes_ : ndarray of shape (n_nodes,)
        The ids that X may hold, in the order of the rows: the labels of the graph, or 0, 1, ...
    n_features_in_ : int
        1: a column of ids.
    feature_names_in_ : ndarray of shape (1,)
        Its name; only where X is a table with string column names.

    Raises
    ------
    ValueError
        From `fit` and `transform`: X has an unknown id, a missing one, or more than one column; the graph is
        not square, has no edges, or weights that are negative or not finite; its labels are not unique or not
        as many as nodes; what `embedding` returns has another number of rows, or NaN. The estimator is
        left as it was.
    TypeError
        X holds booleans: pass the ids, ``np.flatnonzero(mask)``.

    See Also
    --------
    from_edges : Makes a graph with labels.

    Notes
    -----
    A fit costs a fit of `embedding` on the whole graph; a look-up O(log n_nodes) for each id, or O(n_nodes)
    where labels are Python objects.

    A search fits each candidate once for each fold, on the same graph. With `memory` it embeds once per
    setting of `embedding`: what is stored is found by the bytes of the graph and the parameters, so scores
    are the same as without, given an int as ``random_state``. With ``random_state=None`` all folds share the
    draw that was stored first.

    Not for new nodes, nor for features of graphs, one for each graph.

    Examples
    --------
    Two groups of 40 nodes, with more edges inside than between:

    >>> import numpy as np
    >>> from sklearn.decomposition import TruncatedSVD
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklr.graph import TransductiveEmbedding, from_edges
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat([0, 1], 40)
    >>> likely = np.where(group[:, None] == group, 0.3, 0.05)
    >>> edges = np.argwhere(np.triu(rng.random((80, 80)) < likely, k=1))
    >>> graph = from_edges(edges, nodes=np.arange(80))
    >>> embedding = TransductiveEmbedding(TruncatedSVD(random_state=0), graph)
    >>> search = GridSearchCV(
    ...     make_pipeline(embedding, LogisticRegression()),
    ...     {"transductiveembedding__embedding__n_components": [1, 4]},
    ... )
    >>> nodes = np.arange(80)
    >>> search.fit(nodes, group).best_params_
    {'transductiveembedding__embedding__n_components': 4}
    >>> bool(search.best_score_ > 0.9)
    True

    In a `sklearn.compose.ColumnTransformer` it takes the column of ids, beside other features of the nodes.
    """

    _parameter_constraints: dict = {
        "embedding": [HasMethods(["fit"])],
        "graph": "no_validation",  # by `check_adjacency`
        "node_features": "no_validation",  # by the embedding
        "memory": [str, HasMethods(["cache"]), None],
    }

    def __init__(self, embedding, graph, *, node_features=None, memory=None):
        self.embedding = embedding
        self.graph = graph
        self.node_features = node_features
        self.memory = memory

    def fit(self, X, y=None):
        """Embed the graph; X is only checked.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Ids of nodes.
        y : Ignored
            Present for the interface.

        Returns
        -------
        TransductiveEmbedding
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X)

    @_fit_context(prefer_skip_nested_validation=False)
    def _fit(self, X):
        graph = self.graph if isinstance(self.graph, Graph) else Graph(self.graph)
        adjacency = check_adjacency(graph.adjacency, "graph", bipartite=graph.column_labels is not None)
        self.nodes_ = _node_ids(graph.labels, adjacency.shape[0])
        self._rows(X, reset=True)  # before the work
        embed = check_memory(self.memory).cache(_embed)
        self.embedding_, self.estimator_ = embed(clone(self.embedding), adjacency, self.node_features)
        return self

    def transform(self, X):
        """Look up nodes.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Ids of nodes, any number of times.

        Returns
        -------
        rows : {ndarray, csr_array} of shape (n_samples, n_components)
            Their rows of `embedding_`, a copy.
        """
        check_is_fitted(self)
        return self.embedding_[self._rows(X, reset=False)]

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns: those of the fitted embedding, or its class name and a number.

        Parameters
        ----------
        input_features : Ignored
            Present for the interface.

        Returns
        -------
        names : ndarray of str
            One for each column.
        """
        check_is_fitted(self)
        if hasattr(self.estimator_, "get_feature_names_out"):
            return self.estimator_.get_feature_names_out()
        prefix = type(self.estimator_).__name__.lower()
        return np.array([f"{prefix}{at}" for at in range(self.embedding_.shape[1])], dtype=object)

    def _rows(self, X, *, reset):
        """The row of each id in X."""
        if sparse.issparse(X):
            raise TypeError(
                "X must be ids of nodes, got a sparse matrix. The graph itself is a parameter; a search "
                "splits np.arange(n_nodes), or the labels of the graph."
            )
        if len(getattr(X, "shape", None) or np.shape(X)) == 1:
            X = label_array(X, "X").reshape(-1, 1)
        X = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite=False)
        if X.shape[1] != 1:
            raise ValueError(
                f"X must be ids of nodes, of shape (n_samples,) or (n_samples, 1), got {X.shape}. The "
                "graph itself is a parameter."
            )
        if X.dtype.kind == "b":
            raise TypeError("X holds booleans, not ids of nodes. Pass np.flatnonzero(mask).")
        return find_labels(label_array(X[:, 0], "X"), self.nodes_, "X")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False  # no features: a column of ids is the same as the array of them
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _node_ids(labels, n_nodes):
    if labels is None:
        return np.arange(n_nodes)
    labels = label_array(labels, "graph.labels")
    if len(labels) != n_nodes:
        raise ValueError(f"graph has {n_nodes} nodes, but {len(labels)} labels.")
    check_unique(labels, "graph.labels")
    return labels


def _embed(embedding, adjacency, node_features):
    """``(rows, fitted embedding)``; a function of its own, for `memory`."""
    features = {} if node_features is None else {"node_features": node_features}
    if hasattr(embedding, "fit_transform"):
        Z = embedding.fit_transform(adjacency, **features)
    else:
        Z = embedding.fit(adjacency, **features).embedding_
    Z = sparse.csr_array(Z) if sparse.issparse(Z) else np.asarray(Z)
    n_nodes = adjacency.shape[0]
    if Z.ndim != 2 or Z.shape[0] != n_nodes:
        raise ValueError(f"embedding must give a row for each of the {n_nodes} nodes, got shape {Z.shape}.")
    if not np.isfinite(Z.data if sparse.issparse(Z) else Z).all():
        raise ValueError("embedding gives NaN or infinity.")
    return Z, embedding
