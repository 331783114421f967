"""TransductiveEmbedding: looking up nodes, and the protocol in which searches score them."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import SpectralEmbedding
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_set_params,
)

from sklr.graph import Graph, TransductiveEmbedding, from_edges

N = 90


@pytest.fixture(scope="module")
def planted():
    """``(adjacency, group)``: three groups, with more edges inside than between."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], N // 3)
    upper = np.triu(rng.random((N, N)) < np.where(group[:, None] == group, 0.35, 0.04), k=1)
    return sparse.csr_array((upper | upper.T).astype(float)), group


class Counting(TransformerMixin, BaseEstimator):
    """Gives ``factor * A[:, :n_components]``, and writes down the shape and the target of every fit."""

    fits: list = []

    def __init__(self, n_components=2, factor=1.0):
        self.n_components = n_components
        self.factor = factor

    def fit(self, X, y=None):
        Counting.fits.append((X.shape, y))
        return self

    def transform(self, X):
        return self.factor * X[:, : self.n_components].toarray()


class AttributeOnly(BaseEstimator):
    """Has `embedding_` and no `fit_transform`, as the embeddings of some libraries."""

    def fit(self, X, y=None):
        self.embedding_ = np.asarray(X.sum(axis=1)).reshape(-1, 1)
        return self


class Bad(BaseEstimator):
    """Gives what it is told to."""

    def __init__(self, result=None):
        self.result = result

    def fit(self, X, y=None):
        return self

    def fit_transform(self, X, y=None):
        return self.result


@pytest.fixture(autouse=True)
def no_fits():
    Counting.fits.clear()


EMBEDDINGS = {
    "svd": TruncatedSVD(n_components=3, random_state=0),
    "spectral": SpectralEmbedding(n_components=3, affinity="precomputed", random_state=0),
}


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_rows_are_those_of_the_whole_graph(name, planted):
    """An embedding of the nodes in X only, or rows in another order than X."""
    A, _ = planted
    nodes = np.array([5, 80, 5, 0])
    model = TransductiveEmbedding(EMBEDDINGS[name], A)
    Z = clone(EMBEDDINGS[name]).fit_transform(A)
    np.testing.assert_array_equal(model.fit_transform(nodes), Z[nodes])
    np.testing.assert_array_equal(model.embedding_, Z)
    np.testing.assert_array_equal(model.transform([[7]]), Z[[7]])
    assert model.estimator_ is not EMBEDDINGS[name] and not hasattr(EMBEDDINGS[name], "n_features_in_")


def test_embedding_as_an_attribute(planted):
    """An embedding without `fit_transform` refused."""
    A, _ = planted
    model = TransductiveEmbedding(AttributeOnly(), A).fit([0])
    np.testing.assert_array_equal(model.transform([3, 4]), A.toarray().sum(axis=1)[[3, 4], None])


def test_sparse_embedding(planted):
    """Sparse features filled in, or rows of a container that cannot be indexed."""
    A, _ = planted
    model = TransductiveEmbedding(Bad(sparse.coo_matrix(A)), A).fit([0])
    rows = model.transform([3, 3, 1])
    assert isinstance(rows, sparse.csr_array)
    np.testing.assert_array_equal(rows.toarray(), A.toarray()[[3, 3, 1]])


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_search_is_transductive(name, planted):
    """An embedding of the nodes of the training fold: its scores are not those written out here."""
    A, group = planted
    nodes, folds = np.arange(N), KFold(3, shuffle=True, random_state=0)
    pipeline = make_pipeline(TransductiveEmbedding(EMBEDDINGS[name], Graph(A)), LogisticRegression(C=100))
    search = GridSearchCV(pipeline, {"transductiveembedding__embedding__n_components": [1, 3]}, cv=folds)
    search.fit(nodes, group)
    for size, score in zip([1, 3], search.cv_results_["mean_test_score"], strict=True):
        Z = clone(EMBEDDINGS[name]).set_params(n_components=size).fit_transform(A)
        assert score == cross_val_score(LogisticRegression(C=100), Z, group, cv=folds).mean()
    assert search.best_params_["transductiveembedding__embedding__n_components"] == 3
    assert search.best_score_ > 0.9


def test_targets_are_not_looked_at(planted):
    """y handed to the embedding, which would see labels in the fit for the final model."""
    A, group = planted
    TransductiveEmbedding(Counting(), A).fit_transform(np.arange(N), group)
    assert Counting.fits == [((N, N), None)]


def test_memory_shares_the_embedding(planted, tmp_path):
    """A fit for every fold; one result for different graphs or parameters; other scores than without."""
    A, group = planted
    nodes = np.arange(N)
    options = {
        "transductiveembedding__embedding__n_components": [40, 80],
        "logisticregression__C": [0.1, 10.0],
    }

    def search(graph, memory):
        Counting.fits.clear()
        embedding = TransductiveEmbedding(Counting(), graph, memory=memory)
        pipeline = make_pipeline(embedding, LogisticRegression())
        found = GridSearchCV(pipeline, options, cv=3, refit=False).fit(nodes, group)
        return found.cv_results_["mean_test_score"], len(Counting.fits)

    plain, n_plain = search(Graph(A), None)
    stored, n_stored = search(Graph(A), str(tmp_path))
    assert (n_plain, n_stored) == (12, 2)
    np.testing.assert_array_equal(stored, plain)
    again, n_again = search(sparse.csr_matrix(A), str(tmp_path))  # the same graph in another container
    assert n_again == 0
    np.testing.assert_array_equal(again, plain)
    other = A.copy()
    other.data[0] = 3.0
    assert search(Graph(other), str(tmp_path))[1] == 2


def test_a_graph_is_not_copied_by_clone(planted):
    """A copy of the graph for every candidate and fold."""
    graph = Graph(planted[0])
    assert clone(TransductiveEmbedding(Counting(), graph)).graph is graph


LABELED = [("ann", "bob"), ("bob", "carl"), ("carl", "ann"), ("dora", "ann")]
NAMES = ["carl", "ann"]
ID_FORMS = {
    "list": list,
    "array": np.array,
    "object": lambda x: np.array(x, dtype=object),
    "column": lambda x: np.array(x)[:, None],
    "series": lambda x: pd.Series(x, index=[5, 3]),
    "frame": lambda x: pd.DataFrame({"node": x}),
    "category": lambda x: pd.DataFrame({"node": x}, dtype="category"),
    "polars": lambda x: pl.DataFrame({"node": x}),
    "polars series": lambda x: pl.Series("node", x),
}


@pytest.mark.parametrize("form", ID_FORMS)
def test_labels(form):
    """Labels taken for positions, or found in one kind of container only."""
    graph = from_edges(LABELED)
    model = TransductiveEmbedding(Counting(4), graph).fit(ID_FORMS[form](NAMES))
    np.testing.assert_array_equal(model.nodes_, ["ann", "bob", "carl", "dora"])
    np.testing.assert_array_equal(model.transform(ID_FORMS[form](NAMES)), graph.adjacency.toarray()[[2, 0]])
    assert model.n_features_in_ == 1


@pytest.mark.parametrize(
    "labels",
    [[30, 10, 20], [3.5, 1.5, 2.5], [("a", 1), ("a", 0), ("b", 0)], ["b", "a", "aa"], [1, "1", "x"]],
    ids=["integers", "floats", "tuples", "text", "mixed"],
)
def test_labels_in_any_order(labels):
    """A binary search in labels that are not sorted; 1 taken for "1"."""
    A = np.arange(9.0).reshape(3, 3)
    model = TransductiveEmbedding(Counting(3), Graph(A, labels))
    ids = np.empty(4, dtype=object)
    ids[:] = [labels[i] for i in (2, 0, 1, 0)]
    np.testing.assert_array_equal(model.fit_transform(ids), A[[2, 0, 1, 0]])


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.float64, object])
def test_dtype_of_numbers(dtype, planted):
    """Ids in a table with floats, or of another integer type, unknown."""
    A, _ = planted
    model = TransductiveEmbedding(Counting(), A).fit([0])
    ids = np.array([3, 89])
    np.testing.assert_array_equal(model.transform(ids.astype(dtype)), model.transform(ids))


def test_large_ids():
    """Unsigned ids compared with signed ones as floats, which beyond 2^53 are no longer all different."""
    A = np.arange(9.0).reshape(3, 3)
    labels = np.array([2**60, 2**60 + 1, 2**60 + 2])
    model = TransductiveEmbedding(Counting(3), Graph(A, labels))
    np.testing.assert_array_equal(model.fit_transform(labels[[1, 2]].astype(np.uint64)), A[[1, 2]])


def test_bipartite_graph():
    """A graph of two kinds of nodes refused, or ids looked up among the columns."""
    graph = from_edges([("u1", "a"), ("u2", "b"), ("u2", "c")], bipartite=True)
    model = TransductiveEmbedding(Counting(3), graph).fit(["u2"])
    np.testing.assert_array_equal(model.transform(["u2"]), [[0, 1, 1]])
    with pytest.raises(ValueError, match="unknown node 'a'"):
        model.transform(["a"])


BAD_IDS = {
    "too large": (
        [0, 4],
        ValueError,
        r"unknown node 4 at position 1 \(1 of 2 are unknown\).*4 known nodes are 0, 1",
    ),
    "negative": ([-1], ValueError, "unknown node -1"),
    "fraction": ([0.5], ValueError, "unknown node 0.5"),
    "text": (["0"], ValueError, "unknown node '0'"),
    "missing": ([0.0, np.nan], ValueError, "no label at position 1"),
    "mask": ([True, False], TypeError, "booleans"),
    "two columns": ([[0, 1]], ValueError, r"got \(1, 2\)|X has 2 features"),
    "empty": ([], ValueError, "0 sample"),
}


@pytest.mark.parametrize("bad", BAD_IDS)
def test_bad_ids(bad):
    """Rows from the end for negative ids, a mask taken for 0 and 1, an error that does not name the id."""
    ids, error, message = BAD_IDS[bad]
    model = TransductiveEmbedding(Counting(), np.ones((4, 4)))
    with pytest.raises(error, match=message):
        model.fit(ids)
    assert not Counting.fits and not hasattr(model, "nodes_")
    model.fit([0])
    with pytest.raises(error, match=message):
        model.transform(ids)


@pytest.mark.parametrize(
    "graph, message",
    [
        (np.ones((2, 3)), r"graph must be .* square"),
        (-np.ones((2, 2)), "graph must not have negative"),
        (np.array([[0, np.nan], [1, 0]]), "graph contains NaN"),
        (np.zeros((2, 2)), "graph has no edges"),
        (Graph(np.ones((2, 2)), ["a"]), "2 nodes, but 1 labels"),
        (Graph(np.ones((2, 2)), ["a", "a"]), "'a' is there twice"),
        (Graph(np.ones((2, 2)), ["a", None]), "no label at position 1"),
    ],
)
def test_bad_graphs(graph, message):
    """A wrong graph embedded all the same; a failed fit that leaves the estimator half fitted."""
    model = TransductiveEmbedding(Counting(), np.ones((3, 3))).fit([2])
    before = dict(vars(model), graph=graph)
    model.set_params(graph=graph)
    with pytest.raises(ValueError, match=message):
        model.fit([0])
    assert vars(model) == before


@pytest.mark.parametrize(
    "result, message",
    [
        (np.ones((3, 2)), r"row for each of the 4 nodes, got shape \(3, 2\)"),
        (np.ones(4), r"got shape \(4,\)"),
        (np.full((4, 2), np.nan), "NaN"),
    ],
)
def test_bad_embeddings(result, message):
    """Rows that belong to other nodes, or NaN of isolated nodes passed on."""
    with pytest.raises(ValueError, match=message):
        TransductiveEmbedding(Bad(result), np.ones((4, 4))).fit([0])


def test_bad_parameters():
    """A class in place of an estimator, or a memory of another kind, found late."""
    with pytest.raises(ValueError, match="'embedding' parameter"):
        TransductiveEmbedding("svd", np.ones((3, 3))).fit([0])
    with pytest.raises(ValueError, match="'memory' parameter"):
        TransductiveEmbedding(Counting(), np.ones((3, 3)), memory=3).fit([0])


def test_isolated_nodes_are_zero_rows():
    """NaN for a node without edges."""
    A = np.zeros((6, 6))
    A[:4, :4] = 1 - np.eye(4)
    Z = TransductiveEmbedding(TruncatedSVD(2, random_state=0), A).fit_transform([4, 5, 0])
    np.testing.assert_allclose(Z[:2], 0, atol=1e-12)
    assert np.abs(Z[2]).max() > 0.5


def test_names_and_output(planted):
    """Names of another length than the rows, or rows without the index of X."""
    A, _ = planted
    frame = pd.DataFrame({"node": [4, 2]}, index=["x", "y"])
    svd = TransductiveEmbedding(EMBEDDINGS["svd"], A).set_output(transform="pandas")
    out = svd.fit_transform(frame)
    assert list(out.columns) == ["truncatedsvd0", "truncatedsvd1", "truncatedsvd2"]
    assert list(out.index) == ["x", "y"] and list(svd.feature_names_in_) == ["node"]
    with pytest.raises(ValueError, match="feature names"):
        svd.transform(frame.rename(columns={"node": "id"}))
    spectral = TransductiveEmbedding(EMBEDDINGS["spectral"], A).fit([0])
    assert list(spectral.get_feature_names_out()) == [f"spectralembedding{i}" for i in range(3)]


def test_beside_other_features(planted):
    """ColumnTransformer, which passes a table of one column."""
    A, group = planted
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"node": np.arange(N), "age": rng.random(N)})
    columns = ColumnTransformer(
        [("graph", TransductiveEmbedding(EMBEDDINGS["svd"], A), ["node"])], remainder="passthrough"
    )
    assert columns.fit_transform(frame).shape == (N, 4)
    assert make_pipeline(columns, LogisticRegression(C=100)).fit(frame, group).score(frame, group) > 0.9


def test_pickle_and_clone(planted):
    """A fitted estimator that another process cannot use; a clone with the fit in it."""
    model = TransductiveEmbedding(EMBEDDINGS["svd"], Graph(planted[0])).fit([0])
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform([3, 1]), model.transform([3, 1]))
    with pytest.raises(NotFittedError):
        clone(model).transform([3])
    # A graph of its own in the copy: writing to it changes nothing elsewhere.
    assert copy.graph is not model.graph


@pytest.mark.parametrize(
    "check", [check_no_attributes_set_in_init, check_get_params_invariance, check_set_params]
)
def test_scikit_learns_checks(check):
    """Parameters changed or lost. The other checks are skipped by the tags: X is no matrix of features."""
    check("TransductiveEmbedding", TransductiveEmbedding(Counting(), Graph(np.ones((3, 3)))))


def test_not_fitted():
    """An AttributeError before the fit."""
    with pytest.raises(NotFittedError):
        TransductiveEmbedding(Counting(), np.ones((3, 3))).transform([0])


def test_changed_rows_leave_the_fit(planted):
    """Rows that are a view of the fit, which a later step overwrites."""
    model = TransductiveEmbedding(EMBEDDINGS["svd"], planted[0]).fit([0])
    before = model.embedding_.copy()
    model.transform(np.arange(N))[:] = 0
    np.testing.assert_array_equal(model.embedding_, before)
