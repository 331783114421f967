"""What embeddings by propagation share: the start, the step, rows of new nodes."""

import warnings
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from sklr._backend import as_operand, as_stream
from sklr.base import draw_seed, level_of_caller, unchanged_on_error
from sklr.linalg import random_start, transition_matrix
from sklr.linalg._graph import weighted_degrees
from sklr.linalg.transitions import TRANSITIONS
from sklr.sketch import Distribution, make_sketch

from ._validation import validate_adjacency


class PropagationEmbedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """E = T M - c s^T for the nodes of a graph: T the transition matrix, M and s from the fit, c its rows
    that are not empty. A subclass has the parameters and `_embed`."""

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "transition": [StrOptions(set(TRANSITIONS))],
        "sketch": [str, Distribution],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }
    _is_bipartite = False
    _REMEDY = ""  # the end of the advice where columns are zero

    def fit(self, X, y=None, *, node_features=None):
        """Embed the nodes of a graph.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_nodes, n_columns)
            The adjacency matrix: X[i, j] is the weight of the edge from node i to node j, not negative. Best
            CSR; a dense one costs a sweep over all of its entries. float32 is kept.
        y : Ignored
            Present for the interface.
        node_features : {array-like, sparse matrix} of shape (n_columns, n_features), default=None
            Features of the nodes in the columns, from which the propagation starts, in place of random
            vectors. At least `n_components`; of more, as many random combinations, by `sketch`, are taken.

        Returns
        -------
        estimator
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X, node_features)

    def fit_transform(self, X, y=None, *, node_features=None):
        """Embed the nodes of a graph and return the embedding.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_nodes, n_columns)
            The adjacency matrix, as in `fit`.
        y : Ignored
            Present for the interface.
        node_features : {array-like, sparse matrix} of shape (n_columns, n_features), default=None
            As in `fit`.

        Returns
        -------
        embedding : ndarray of shape (n_nodes, n_embedded)
            `embedding_`.
        """
        return self.fit(X, y, node_features=node_features).embedding_

    def transform(self, X):
        """Embed nodes by their connections to the nodes that were fitted.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_columns)
            X[i, j] is the weight of the edge from the i-th node to the fitted node j, not negative.

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_embedded)
            For the rows that were fitted it is `embedding_`, to rounding. A row without edges is zero.
        """
        check_is_fitted(self)
        A = validate_adjacency(self, X, reset=False)
        degrees = self.column_degrees_ if self.transition == "symmetric" else None
        T = transition_matrix(A, self.transition, column_degrees=degrees)
        E = as_operand(T).matmat(self.projection_, n_threads=self.n_threads)
        subtract_where(np.diff(A.indptr) > 0, self.offset_, E)
        return E

    def _start(self, A, node_features, strength=0.0):
        """The start vectors: random, or features of the nodes; rows scaled by a power of their degrees."""
        n_nodes, d = A.shape[1], self.n_components
        stream = as_stream(draw_seed(self.random_state))
        if node_features is None:
            family = make_sketch(self.sketch, n=max(n_nodes, d), sketch_size=d, sparse=True)
            Z = random_start(family, n_nodes, d, stream, dtype=A.dtype, n_threads=self.n_threads)
        else:
            Z = self._start_from(node_features, n_nodes, stream, A.dtype)
        scale = _scale(self.column_degrees_, strength).astype(A.dtype)
        if sparse.issparse(Z):
            data = Z.data * np.repeat(scale, np.diff(Z.indptr))
            return sparse.csr_array((data, Z.indices, Z.indptr), shape=Z.shape)
        return Z * scale[:, None]

    def _start_from(self, node_features, n_nodes, stream, dtype):
        F = check_array(node_features, accept_sparse="csr", dtype=dtype, input_name="node_features")
        n_features, d = F.shape[1], self.n_components
        if F.shape[0] != n_nodes:
            raise ValueError(
                f"node_features must have a row for each of the {n_nodes} columns of X, got shape {F.shape}."
            )
        if n_features < d:
            raise ValueError(
                f"node_features has {n_features} columns, fewer than n_components={d}: combinations of them "
                f"have no more directions. Use n_components={n_features}, or give more features."
            )
        if n_features == d:
            return sparse.csr_array(F) if sparse.issparse(F) else F
        family = make_sketch(self.sketch, n=n_features, sketch_size=d, sparse=sparse.issparse(F))
        S = family.operator(d, n_features, rng=stream, dtype=dtype)
        Z = as_operand(F, name="node_features").T.sketch(S, n_threads=self.n_threads).T
        return sparse.csr_array(Z) if sparse.issparse(Z) else np.ascontiguousarray(Z)

    def _fit(self, X, node_features):
        A = validate_adjacency(self, X, reset=True, bipartite=self._is_bipartite)
        self.column_degrees_ = weighted_degrees(A, "X", axis=0)
        self.offset_ = np.zeros(self._n_embedded, dtype=A.dtype)
        self._embed(A, node_features)
        self._n_features_out = self._n_embedded
        return self

    def _warn_of_dependent_columns(self, E):
        """Tell that columns of E are zero because the graph has no more directions."""
        n_columns = E.shape[1]
        rank = int(np.count_nonzero(E.any(axis=0)))
        if rank < n_columns:
            warnings.warn(
                f"{n_columns - rank} of the {n_columns} columns of the embedding are zero: no more "
                f"directions are left, of the graph, or of its powers above rounding in {E.dtype}. "
                f"Use a smaller n_components{self._REMEDY}.",
                UserWarning,
                stacklevel=level_of_caller(),
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = not self._is_bipartite
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def subtract_where(rows, offset, E):
    """``E[rows] -= offset``, in place."""
    if offset.any():
        np.subtract(E, offset.astype(E.dtype), out=E, where=rows[:, None])


def _scale(degrees, strength):
    """``(degree / mean degree)^strength``; 0 for nodes that no edge goes to."""
    linked = degrees > 0
    scale = linked.astype(np.float64)
    if strength:
        relative = degrees[linked] / degrees.max()  # whose sum does not overflow
        with np.errstate(over="ignore"):
            scale[linked] = (relative / relative.mean()) ** strength
    if not scale.max() < np.finfo(np.float32).max:
        raise ValueError(
            f"normalization_strength={strength} makes powers of the degrees above the range of float32. Use "
            "one nearer to zero."
        )
    return scale
