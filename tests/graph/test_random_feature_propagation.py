"""RandomFeaturePropagation: the steps, what is kept of them, new nodes, bad input."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.graph import FastRPEmbedding, RandomFeaturePropagation

FAILED_CHECKS = {"check_estimators_nan_inf": "its X is not square, and transform tells of its columns first"}
ORTHOGONALIZE = ["none", "each", "all"]


@pytest.mark.filterwarnings("ignore:.*columns of the embedding are zero")
@parametrize_with_checks(
    [
        RandomFeaturePropagation(),
        RandomFeaturePropagation(2, n_steps=3, transition="symmetric", n_threads=1),
        RandomFeaturePropagation(2, n_steps=2, keep="last", orthogonalize="each"),
        RandomFeaturePropagation(3, n_steps=3, keep=2, orthogonalize="none", sketch="sparse_stack"),
    ],
    expected_failed_checks=lambda estimator: FAILED_CHECKS,
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a transformer of a matrix that is square and not negative."""
    check(estimator)


def random_graph(n=60, seed=0, directed=False):
    """Weights with loops; the last node has no edge."""
    rng = np.random.default_rng(seed)
    A = (rng.random((n, n)) < 0.15) * rng.uniform(0.5, 2, (n, n))
    if not directed:
        A = np.triu(A) + np.triu(A, 1).T
    A[-1], A[:, -1] = 0, 0
    return A


def walk(A):
    """D^(-1) A."""
    degrees = A.sum(axis=1, keepdims=True)
    return A / np.where(degrees > 0, degrees, 1)


def steps_of(A, F, n_steps, orthogonalize):
    """The steps by LAPACK, of mean square 1 over the 59 nodes with edges."""
    T, E, steps = walk(A), F, []
    for _ in range(n_steps):
        Y = T @ E
        if orthogonalize == "all":
            for Q in 2 * steps:
                Y = Y - Q @ (Q.T @ Y)
        if orthogonalize != "none":
            Y, R = np.linalg.qr(Y)
            Y = Y * np.sign(np.diag(R))
        steps.append(Y)
        E = Y
    scale = 1 if orthogonalize == "none" else np.sqrt(59)
    return [scale * Y for Y in steps]


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("orthogonalize", ORTHOGONALIZE)
def test_steps(orthogonalize, directed):
    """Steps that are left out, in another order, or not orthogonal to those they should be."""
    A = random_graph(directed=directed)
    F = np.random.default_rng(1).standard_normal((60, 4))
    expected = steps_of(A, F, 5, orthogonalize)
    for keep, kept in (
        ("all", slice(None)),
        ("last", slice(4, None)),
        (1, slice(4, None)),
        (3, slice(2, None)),
    ):
        model = RandomFeaturePropagation(4, n_steps=5, keep=keep, orthogonalize=orthogonalize)
        E = model.fit_transform(sparse.csr_array(A), node_features=F)
        np.testing.assert_allclose(E, np.hstack(expected[kept]), atol=1e-8)
        assert len(model.get_feature_names_out()) == E.shape[1]


@pytest.mark.parametrize("transition", ["random_walk", "symmetric"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("orthogonalize", ORTHOGONALIZE)
def test_transform_gives_back_the_fit(orthogonalize, dtype, transition):
    """Projections that leave out what was projected off."""
    A = random_graph().astype(dtype)
    model = RandomFeaturePropagation(
        4, n_steps=5, orthogonalize=orthogonalize, transition=transition, random_state=0
    )
    E = model.fit_transform(A)
    assert E.dtype == dtype and E.shape == (60, 20)
    tolerance = 1e-2 if dtype == np.float32 else 1e-7
    rows = [7, 59, 7]
    np.testing.assert_allclose(model.transform(A[rows]), E[rows], atol=tolerance)
    assert not E[59].any()


@pytest.mark.parametrize("orthogonalize", ORTHOGONALIZE)
def test_threads_and_containers_change_no_bit(orthogonalize, monkeypatch):
    """Sums in the order in which threads are done; a container that is read in another way."""
    monkeypatch.setattr("sklr._backend.tiles.TILE_NNZ", 500)
    monkeypatch.setattr("sklr._backend.tiles.MIN_TILE_NNZ", 100)
    monkeypatch.setattr("sklr._backend.threads.cpu_count", lambda: 4)
    A = random_graph(200)
    found = {
        RandomFeaturePropagation(4, orthogonalize=orthogonalize, random_state=0, n_threads=n_threads)
        .fit_transform(form(A))
        .tobytes()
        for form in (np.asarray, sparse.csr_array, sparse.csc_matrix, pd.DataFrame)
        for n_threads in (1, 2, 4)
    }
    assert len(found) == 1


def test_a_space_that_is_exhausted():
    """Rounding errors in place of new directions."""
    A = np.kron(np.eye(3), np.ones((10, 10)))
    with pytest.warns(UserWarning, match="6 of the 8 columns.*smaller n_components or n_steps"):
        model = RandomFeaturePropagation(2, n_steps=4, random_state=0).fit(A)
    E = model.embedding_
    assert np.count_nonzero(E.any(axis=0)) == 2
    np.testing.assert_allclose(model.transform(A), E, atol=1e-7)
    span = np.kron(np.eye(3), np.ones((10, 1)))
    np.testing.assert_allclose(span @ np.linalg.lstsq(span, E, rcond=None)[0], E, atol=1e-7)


def test_in_a_pipeline():
    """Folds that slice rows only."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    upper = np.triu(rng.random((120, 120)) < np.where(y[:, None] == y, 0.3, 0.05), k=1)
    A = sparse.csr_array(upper + upper.T, dtype=np.float64)
    model = make_pipeline(RandomFeaturePropagation(4, n_steps=3, random_state=0), LogisticRegression())
    assert cross_val_score(model, A, y, cv=5).mean() > 0.9


@pytest.mark.parametrize(
    "parameters, error, message",
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_steps": 0}, ValueError, "n_steps"),
        ({"keep": 9}, ValueError, "keep=9 is above n_steps=8"),
        ({"keep": 0}, ValueError, "keep"),
        ({"keep": "first"}, ValueError, "keep"),
        ({"keep": True}, TypeError, "keep must be"),
        ({"orthogonalize": "last"}, ValueError, "orthogonalize"),
        ({"transition": None}, ValueError, "transition"),
        ({"sketch": "gauss"}, ValueError, "Did you mean 'gaussian'"),
    ],
    ids=str,
)
def test_bad_parameters(parameters, error, message):
    """A parameter that is ignored, or an error that does not name it."""
    model = RandomFeaturePropagation(**{"n_components": 3, **parameters})
    with pytest.raises(error, match=message):
        model.fit(random_graph())
    assert not [name for name in vars(model) if name.endswith("_")]


@pytest.mark.parametrize(
    "A, message",
    [
        (np.ones((3, 4)), "square, got shape \\(3, 4\\)"),
        (-np.ones((3, 3)), "negative weights"),
        (np.full((3, 3), np.nan), "NaN"),
        (np.zeros((5, 5)), "no edges"),
    ],
    ids=["not square", "negative", "NaN", "no edges"],
)
def test_bad_graphs(A, message):
    """A graph that is none, taken for one."""
    model = RandomFeaturePropagation(2)
    with pytest.raises(ValueError, match=message):
        model.fit(A)
    assert not [name for name in vars(model) if name.endswith("_")]
    fitted = RandomFeaturePropagation(2, random_state=0).fit(random_graph())
    with pytest.raises(ValueError, match="expecting 60"):
        fitted.transform(np.ones((2, 59)))


@pytest.mark.parametrize(
    "model", [FastRPEmbedding(random_state=0), RandomFeaturePropagation(random_state=0)], ids=repr
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_defaults_in_every_container(model, dtype):
    """Defaults that change the dtype, or give other bits for a container or a number of threads."""
    rng = np.random.default_rng(0)
    upper = np.triu(rng.random((400, 400)) < 0.05, k=1)
    A = (upper + upper.T).astype(dtype)
    found = set()
    for form in (np.asarray, np.asfortranarray, sparse.csr_array, sparse.csc_array):
        for n_threads in (None, 1, 2):
            E = clone(model).set_params(n_threads=n_threads).fit_transform(form(A))
            assert E.dtype == dtype and E.shape == (400, 128)
            found.add(E.tobytes())
    assert len(found) == 1
    tolerance = 1e-2 if dtype == np.float32 else 1e-6
    np.testing.assert_allclose(clone(model).fit(A).transform(A), E, atol=tolerance)
