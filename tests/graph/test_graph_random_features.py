"""GraphRandomFeatures: what scikit-learn asks, the kernel operator, and bad input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.graph import GraphRandomFeatures
from sklr.linalg import graph_kernel, graph_modulation, graph_random_features

N = 60


@parametrize_with_checks(
    [
        GraphRandomFeatures(),
        GraphRandomFeatures("diffusion", sigma=0.5, coupling="iid", n_threads=1),
        GraphRandomFeatures("p_step", degree=4, coupling="antithetic", n_walks=3),
        GraphRandomFeatures([1.0, 0.5]),
    ],
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of an estimator of a matrix that is square and not negative."""
    check(estimator)


@pytest.fixture(scope="module")
def graph():
    """A graph with weights and an isolated node."""
    rng = np.random.default_rng(0)
    A = np.triu((rng.random((N, N)) < 0.15) * rng.random((N, N)), 1)
    A[:, -1] = 0
    return sparse.csr_array(A + A.T)


def test_is_the_function(graph):
    """Parameters that are not handed on, or draws that are the same."""
    model = GraphRandomFeatures(
        "regularized_laplacian",
        sigma=0.8,
        degree=3,
        n_walks=7,
        halt_probability=0.2,
        coupling="antithetic",
        random_state=0,
    )
    Phi = model.fit_transform(graph)
    assert Phi is model.features_
    f = graph_modulation("regularized_laplacian", sigma=0.8, degree=3)
    np.testing.assert_array_equal(model.modulation_, f)
    # With these lengths and many walks both are close to F, and as far from each other as from it.
    F = sum(weight * np.linalg.matrix_power(normalized(graph), length) for length, weight in enumerate(f))
    model.set_params(n_walks=20_000).fit(graph)
    first, second = model.features_.toarray(), model.second_features_.toarray()
    for features in (first, second):
        assert np.linalg.norm(features - F) < 0.02 * np.linalg.norm(F)
    distances = [np.linalg.norm(first - F), np.linalg.norm(second - F), np.linalg.norm(first - second)]
    assert distances[2] == pytest.approx(np.hypot(*distances[:2]), rel=0.1)


def normalized(A):
    d = A.sum(axis=1)
    W = A.toarray() / np.sqrt(np.outer(np.where(d, d, 1), np.where(d, d, 1)))
    return W + np.diag(d == 0)


@pytest.mark.parametrize("parameters", [{}, {"kernel": "p_step"}, {"kernel": [0.5, 0.3]}])
def test_few_lengths_and_seeds(parameters, graph):
    """A kernel that is another one than that of linalg; seeds that make no difference, or a fit that does."""
    model = GraphRandomFeatures(n_walks=3000, random_state=0, **parameters).fit(graph)
    K = graph_kernel(graph, **({"kernel": "regularized_laplacian"} | parameters))
    K_hat = model.kernel_operator() @ np.eye(N)
    assert np.linalg.norm(K_hat - K) < 0.05 * np.linalg.norm(K)
    again = clone(model).fit(graph)
    np.testing.assert_array_equal(again.features_.toarray(), model.features_.toarray())
    np.testing.assert_array_equal(again.second_features_.toarray(), model.second_features_.toarray())
    other = clone(model).set_params(random_state=1).fit(graph)
    assert np.abs(other.features_ - model.features_).max() > 1e-4


def test_kernel_operator(graph):
    """An operator that is not symmetric, has another shape for one vector, or is not definite as it says."""
    model = GraphRandomFeatures("diffusion", sigma=4.0, n_walks=5, random_state=0).fit(graph)
    first, second = model.features_.toarray(), model.second_features_.toarray()
    B = np.random.default_rng(0).standard_normal((N, 4))
    for definite, K in (
        (False, (first @ second.T + second @ first.T) / 2),
        (True, (first + second) @ (first + second).T / 4),
    ):
        operator = model.kernel_operator(definite=definite)
        assert operator.shape == (N, N) and operator.dtype == np.float64
        for Z in (B, B[:, 0]):
            np.testing.assert_allclose(operator @ Z, K @ Z, atol=1e-12)
            np.testing.assert_allclose(operator.T @ Z, K @ Z, atol=1e-12)
        assert (np.linalg.eigvalsh(operator @ np.eye(N)).min() > -1e-12) == definite


def test_regression_with_the_operator(graph):
    """An operator that solvers cannot use: conjugate gradients against LAPACK on the exact kernel."""
    y = np.random.default_rng(0).standard_normal(N)
    model = GraphRandomFeatures("diffusion", n_walks=2000, random_state=0).fit(graph)
    operator = model.kernel_operator(definite=True)
    coef, info = cg(LinearOperator((N, N), lambda x: operator @ x + x), y)
    exact = np.linalg.solve(graph_kernel(graph, "diffusion") + np.eye(N), y)
    assert info == 0
    assert np.linalg.norm(coef - exact) < 0.01 * np.linalg.norm(exact)


def test_frames_and_float32(graph):
    """Names that are lost; float32 that is not kept."""
    names = [f"node {i}" for i in range(N)]
    frame = pd.DataFrame(graph.toarray(), columns=names)
    model = GraphRandomFeatures(random_state=0).fit(frame)
    assert list(model.feature_names_in_) == names and model.n_features_in_ == N
    expected = GraphRandomFeatures(random_state=0).fit_transform(graph)
    np.testing.assert_array_equal(model.features_.toarray(), expected.toarray())
    model = GraphRandomFeatures(random_state=0).fit(graph.astype(np.float32))
    assert model.features_.dtype == model.second_features_.dtype == np.float32
    assert (model.kernel_operator() @ np.ones(N, dtype=np.float32)).dtype == np.float32


def test_pickle_and_threads(graph):
    """State that is not in the attributes, or that depends on threads."""
    model = GraphRandomFeatures(random_state=0, n_threads=1).fit(graph)
    again = pickle.loads(pickle.dumps(model))
    two = clone(model).set_params(n_threads=2).fit(graph)
    for other in (again, two):
        np.testing.assert_array_equal(
            other.kernel_operator() @ np.eye(N), model.kernel_operator() @ np.eye(N)
        )


def test_a_graph_without_edges():
    """A division by zero: nodes without edges are alike to themselves only."""
    model = GraphRandomFeatures(random_state=0).fit(sparse.csr_array((4, 4)))
    np.testing.assert_allclose(model.kernel_operator() @ np.eye(4), np.eye(4), atol=1e-14)


def test_is_no_transformer():
    """A `transform` that cannot be, or tags that promise one."""
    tags = get_tags(GraphRandomFeatures())
    assert tags.input_tags.pairwise and tags.input_tags.positive_only and tags.transformer_tags is None
    assert not hasattr(GraphRandomFeatures(), "transform")
    with pytest.raises(NotFittedError):
        GraphRandomFeatures().kernel_operator()


def test_a_variance_that_does_not_show(graph):
    """Features of infinite variance without a word."""
    with pytest.warns(UserWarning, match="walks longer than .* Use a smaller halt_probability"):
        GraphRandomFeatures(sigma=8.0, random_state=0).fit(graph)


@pytest.mark.filterwarnings("error")
def test_no_warning_by_default(graph):
    """A warning of a fit that is fine."""
    for parameters in ({}, {"sigma": 3.0}, {"kernel": "diffusion", "sigma": 5.0}, {"kernel": "p_step"}):
        GraphRandomFeatures(random_state=0, **parameters).fit(graph)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"kernel": "cosine"}, ValueError, "kernel must be one of"),
        ({"kernel": 3}, ValueError, "must be a sequence"),
        ({"kernel": None}, TypeError, "a callable that maps"),
        ({"kernel": "diffusion", "degree": 2}, ValueError, "degree=2 has no part"),
        ({"sigma": -1.0}, ValueError, "sigma must be above 0"),
        ({"halt_probability": 0.0}, ValueError, "halt_probability"),
        ({"halt_probability": 1.0}, ValueError, "halt_probability"),
        ({"halt_probability": np.nan}, ValueError, "halt_probability"),
        ({"n_walks": 0}, ValueError, "n_walks"),
        ({"coupling": "none"}, ValueError, "coupling"),
        ({"n_threads": 0}, ValueError, "n_threads"),
        ({"random_state": "seed"}, ValueError, "random_state"),
    ],
)
def test_bad_parameters(parameters, error, message, graph):
    """A parameter that is taken for another, or an estimator that is half fitted."""
    model = GraphRandomFeatures(**parameters)
    with pytest.raises(error, match=message):
        model.fit(graph)
    assert not [name for name in vars(model) if name.endswith("_")]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda A: A[:, 1:], ValueError, "X must be .* square"),
        (lambda A: A[:0, :0].toarray(), ValueError, "0 sample"),
        (lambda A: sparse.triu(A), ValueError, "X must be symmetric"),
        (lambda A: -A, ValueError, "X .* negative"),
        (lambda A: A * np.nan, ValueError, "X contains NaN"),
        (lambda A: A * 1j, ValueError, "Complex data not supported"),
        (lambda A: A.toarray()[0], ValueError, "2D array"),
    ],
)
def test_bad_graphs(change, error, message, graph):
    """A graph that is no graph, or a fit that is lost by an error."""
    model = GraphRandomFeatures(random_state=0).fit(graph)
    before = model.features_
    with pytest.raises(error, match=message):
        model.fit(change(graph))
    assert model.features_ is before


def test_zeros_that_are_stored(graph):
    """A zero that is walked along: on the way to a node that is not connected."""
    A = graph.tolil()
    A[0, -1] = A[-1, 0] = 1
    A = sparse.csr_array(A)
    A.data[(A.tocoo().row == N - 1) | (A.tocoo().col == N - 1)] = 0
    assert A.nnz == graph.nnz + 2
    model = GraphRandomFeatures(random_state=0).fit(A)
    expected = GraphRandomFeatures(random_state=0).fit(graph)
    np.testing.assert_array_equal(model.features_.toarray(), expected.features_.toarray())
    assert A.nnz == graph.nnz + 2
    f = graph_modulation("regularized_laplacian")
    np.testing.assert_array_equal(
        graph_random_features(A, f, rng=0).toarray(), graph_random_features(graph, f, rng=0).toarray()
    )
