"""RandomizedLowRank: what it computes, compared with scikit-learn and LAPACK."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import RowChunks, relative_error
from sklr.sketch import Gaussian, SparseStack

SOLVERS = ("gram", "krylov", "exact")
FITTED = ("components_", "singular_values_", "error_estimate_", "n_passes_", "solver_", "mean_")


def fitted(model):
    return {name: getattr(model, name) for name in FITTED if hasattr(model, name)}


def assert_same_fit(a, b):
    """Equal bits in every fitted attribute."""
    assert fitted(a).keys() == fitted(b).keys()
    for name, value in fitted(a).items():
        np.testing.assert_array_equal(value, fitted(b)[name], err_msg=name, strict=True)


def with_positive_peaks(Vt):
    """The sign convention, written anew: in each row the entry of largest magnitude is positive."""
    return np.array([row * np.sign(row[np.argmax(np.abs(row))]) for row in Vt])


def error_of(model, X):
    """||A - A_hat||_F / ||A||_F by NumPy, from the difference itself."""
    A = np.asarray(X, dtype=np.float64) - getattr(model, "mean_", 0.0)
    Vt = model.components_.astype(np.float64)
    return np.linalg.norm(A - (A @ Vt.T) @ Vt) / np.linalg.norm(A)


# -- the numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_equal_to_truncated_svd(solver, form, data):
    """A decomposition of another matrix, another sign convention, or another scale of the output."""
    X = form(data)
    model = RandomizedLowRank(6, solver=solver, n_oversamples=25, random_state=0).fit(X)
    reference = TruncatedSVD(6, algorithm="arpack", random_state=0).fit(X)
    rtol = 1e-4 if solver == "krylov" else 1e-9
    np.testing.assert_allclose(model.singular_values_, reference.singular_values_, rtol=rtol)
    np.testing.assert_allclose(model.components_, with_positive_peaks(reference.components_), atol=30 * rtol)
    signs = np.sign(np.sum(model.components_ * reference.components_, axis=1))
    Z = model.transform(X)
    np.testing.assert_allclose(Z, reference.transform(X) * signs, atol=100 * rtol)
    np.testing.assert_allclose(
        model.inverse_transform(Z), reference.inverse_transform(reference.transform(X)), atol=100 * rtol
    )
    assert not hasattr(model, "mean_")


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_equal_to_pca(solver, form, data):
    """Sparse data that are not centred, or centred twice; the mean forgotten on the way back."""
    X = form(data)
    model = RandomizedLowRank(6, center=True, solver=solver, n_oversamples=25, random_state=0).fit(X)
    reference = PCA(6, svd_solver="full").fit(data)
    rtol = 1e-4 if solver == "krylov" else 1e-9
    np.testing.assert_allclose(model.mean_, reference.mean_, rtol=1e-12)
    np.testing.assert_allclose(model.singular_values_, reference.singular_values_, rtol=rtol)
    np.testing.assert_allclose(model.components_, with_positive_peaks(reference.components_), atol=30 * rtol)
    signs = np.sign(np.sum(model.components_ * reference.components_, axis=1))
    Z = model.transform(X)
    np.testing.assert_allclose(Z, reference.transform(data) * signs, atol=100 * rtol)
    np.testing.assert_allclose(
        model.inverse_transform(Z), reference.inverse_transform(reference.transform(data)), atol=100 * rtol
    )


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_container(solver, center, contained, data):
    """A container that is read wrongly by `fit` or by `transform`."""
    model = RandomizedLowRank(5, center=center, solver=solver, random_state=0)
    reference = RandomizedLowRank(5, center=center, solver=solver, random_state=0).fit(data)
    X = contained(data)
    Z = model.fit_transform(X)
    assert type(Z) is np.ndarray
    np.testing.assert_allclose(model.singular_values_, reference.singular_values_, rtol=1e-9)
    np.testing.assert_allclose(model.components_, reference.components_, atol=1e-8)
    np.testing.assert_allclose(Z, reference.transform(data), atol=1e-7)
    assert model.error_estimate_ == pytest.approx(reference.error_estimate_, rel=1e-9)
    np.testing.assert_array_equal(reference.transform(X), reference.transform(contained(data)))
    np.testing.assert_allclose(reference.transform(X), reference.transform(data), atol=1e-12)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ["subspace", *SOLVERS])
def test_error_estimate_is_the_error(solver, center, data):
    """An estimate of something else: of the data that are not centred, or squared."""
    for k in (1, 5, 20):
        model = RandomizedLowRank(k, center=center, solver=solver, random_state=0).fit(data)
        assert model.error_estimate_ == pytest.approx(error_of(model, data), rel=1e-9)
        A = data - data.mean(axis=0) if center else data
        assert model.error_estimate_ == pytest.approx(relative_error(A, model.components_), rel=1e-9)


@pytest.mark.parametrize("solver", ["krylov", "exact"])
def test_error_estimate_of_a_nearly_exact_fit(solver):
    """An estimate that floors at 1e-8, the square root of the machine precision, or is 0 there."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 50)) + 1e-10 * rng.standard_normal((200, 50))
    model = RandomizedLowRank(3, solver=solver, random_state=0).fit(X)
    truth = error_of(model, X)
    assert truth < 1e-9
    assert truth / 3 < model.error_estimate_ < truth * 3


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_fit_transform_is_fit_then_transform(solver, center, contained, data):
    """Coordinates taken from the left vectors, which differ in the last bits or in more."""
    X = contained(data)
    a = RandomizedLowRank(4, center=center, solver=solver, random_state=0)
    b = RandomizedLowRank(4, center=center, solver=solver, random_state=0)
    np.testing.assert_array_equal(a.fit_transform(X), b.fit(X).transform(X))
    assert_same_fit(a, b)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ["auto", "subspace", *SOLVERS])
def test_same_bits_on_any_number_of_threads(solver, center, contained, at_any_threads):
    """Sums in the order in which threads finish, or LAPACK on BLAS's own threads."""
    rng = np.random.default_rng(0)
    X = contained(rng.standard_normal((3000, 100)) + 1)

    def fit_and_apply(n_threads):
        model = RandomizedLowRank(5, center=center, solver=solver, random_state=0, n_threads=n_threads)
        Z = model.fit(X).transform(X)
        return model, Z, model.inverse_transform(Z)

    (one, *outputs), (two, *others) = at_any_threads(fit_and_apply)
    assert_same_fit(one, two)
    for a, b in zip(outputs, others, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("solver", ["subspace", *SOLVERS])
@pytest.mark.parametrize("center", [False, True])
def test_float32_stays_float32(solver, center, contained, data):
    """A fit or an output in another precision than the data."""
    X = data.astype(np.float32)
    model = RandomizedLowRank(5, center=center, solver=solver, random_state=0).fit(contained(X))
    reference = RandomizedLowRank(5, center=center, solver="exact").fit(data)
    Z = model.transform(contained(X))
    arrays = [model.components_, model.singular_values_, Z, model.inverse_transform(Z)]
    arrays += [model.mean_] if center else []
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    np.testing.assert_allclose(model.singular_values_, reference.singular_values_, rtol=1e-3)
    assert model.error_estimate_ == pytest.approx(error_of(model, X), rel=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.bool_])
def test_integers_are_computed_in_float64(dtype, contained):
    """Integer arithmetic, which overflows; the uint8 file and the chunks are never converted whole."""
    X = np.random.default_rng(0).integers(0, 2 if dtype is np.bool_ else 256, (900, 30)).astype(dtype)
    model = RandomizedLowRank(4, center=True, random_state=0).fit(contained(X))
    reference = PCA(4, svd_solver="full").fit(X.astype(np.float64))
    assert model.components_.dtype == np.float64
    np.testing.assert_allclose(model.singular_values_, reference.singular_values_, rtol=1e-10)
    np.testing.assert_allclose(model.components_, with_positive_peaks(reference.components_), atol=1e-7)
    np.testing.assert_allclose(
        model.transform(contained(X)), RandomizedLowRank(4, center=True).fit_transform(X), atol=1e-6
    )


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("dtype", "ratio"), [(np.float64, 1e6), (np.float32, 1e3)])
def test_mean_much_larger_than_spread(dtype, ratio, solver, contained):
    """Centring by subtracting squares: at 1e6 times the spread nothing is left in float64.

    Reference: LAPACK of the explicitly centred matrix. Rounding the data leaves ratio * eps of the spread.
    """
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((500, 30)) * 0.85 ** np.arange(30)
    X = (spread + ratio * rng.uniform(0.5, 1.5, 30)).astype(dtype)
    wide = X.astype(np.float64)
    s, Vt = np.linalg.svd(wide - wide.mean(axis=0), full_matrices=False)[1:]
    model = RandomizedLowRank(5, center=True, solver=solver, n_oversamples=15, random_state=0)
    model.fit(contained(X))
    rounding = 20 * ratio * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(model.mean_, wide.mean(axis=0), rtol=10 * np.finfo(dtype).eps)
    np.testing.assert_allclose(model.singular_values_, s[:5], rtol=rounding)
    truth = np.linalg.norm(s[5:]) / np.linalg.norm(s)
    assert model.error_estimate_ == pytest.approx(truth, rel=max(rounding, 1e-6))
    angle = np.linalg.norm(Vt[:5].T - model.components_.T @ (model.components_ @ Vt[:5].T))
    assert angle < 100 * rounding + 1e-3 * (solver == "krylov")
    Z = model.transform(contained(X))
    np.testing.assert_allclose(Z, (wide - wide.mean(axis=0)) @ model.components_.T, atol=100 * rounding)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_of_few_digits_is_not_nothing(solver):
    """Data of which float32 keeps a digit beside their mean, taken for what rounding leaves of constants."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((500, 20)) * np.linspace(1, 3, 20) + 1e6).astype(np.float32)
    wide = X.astype(np.float64)
    s = np.linalg.svd(wide - wide.mean(axis=0), compute_uv=False)
    model = RandomizedLowRank(3, center=True, solver=solver, n_oversamples=15, random_state=0).fit(X)
    np.testing.assert_allclose(model.singular_values_, s[:3], rtol=1e-2)
    constant = RandomizedLowRank(3, center=True, solver=solver, random_state=0).fit(np.full_like(X, 1e6 / 3))
    np.testing.assert_array_equal(constant.singular_values_, 0)


@pytest.mark.parametrize("sketch", ["gaussian", "srtt", SparseStack(n_blocks=2)])
@pytest.mark.parametrize("center", [False, True])
def test_sketch_by_name_and_as_object(sketch, center, data):
    """A sketch that is accepted and ignored, or that changes the answer by more than the tolerance."""
    model = RandomizedLowRank(4, sketch=sketch, center=center, random_state=0).fit(data)
    other = RandomizedLowRank(4, sketch="rademacher", center=center, random_state=0).fit(data)
    assert model.solver_ == "krylov"
    assert not np.array_equal(model.components_, other.components_)
    exact = RandomizedLowRank(4, center=center, solver="exact").fit(data)
    assert model.error_estimate_ <= exact.error_estimate_ * (1 + 2e-3)
    if not isinstance(sketch, str):
        by_name = RandomizedLowRank(4, sketch="gaussian", center=center, random_state=0).fit(data)
        as_object = RandomizedLowRank(4, sketch=Gaussian(), center=center, random_state=0).fit(data)
        assert_same_fit(by_name, as_object)


def test_random_state(data):
    """Randomness from anywhere but `random_state`; the global generator is left alone."""

    def fit(random_state):
        return RandomizedLowRank(4, solver="krylov", random_state=random_state).fit(data)

    assert_same_fit(fit(3), fit(3))
    assert_same_fit(fit(np.random.RandomState(3)), fit(np.random.RandomState(3)))
    assert_same_fit(fit(3), fit(np.random.RandomState(3)))
    assert not np.array_equal(fit(3).components_, fit(4).components_)
    state = np.random.RandomState(3)
    assert not np.array_equal(fit(state).components_, fit(state).components_)
    assert not np.array_equal(fit(None).components_, fit(None).components_)
    model = RandomizedLowRank(4, solver="krylov", random_state=3)
    assert_same_fit(model.fit(data), RandomizedLowRank(4, solver="krylov", random_state=3).fit(data))
    assert model.random_state == 3
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    fit(3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


# -- passes and plan --------------------------------------------------------------------------------


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_passes_are_those_counted_by_the_source(solver, center, data):
    """Promised passes: all that a fit makes are counted, those for means and error estimate too."""
    calls = []

    def read():
        calls.append(1)
        return (data[i : i + 70] for i in range(0, 300, 70))

    X = RowChunks(read, data.shape)
    model = RandomizedLowRank(5, center=center, solver=solver, random_state=0).fit(X)
    assert model.n_passes_ == len(calls)
    if solver in ("gram", "exact"):
        assert len(calls) == 1 + center + (solver == "exact")
    calls.clear()
    model.transform(X)
    assert len(calls) == 1


def test_plan_does_not_read(data):
    """A plan that makes a pass over a file to print a table."""

    def read():
        raise AssertionError("the chunks have been asked for")

    X = RowChunks(read, (1_000_000, 3_000))
    model = RandomizedLowRank(20, random_state=0)
    plan = model.plan(X)
    assert plan.solver in SOLVERS
    assert "rank 20 of a 1,000,000 x 3,000 matrix (chunks float64" in str(plan)
    assert not hasattr(model, "n_features_in_")
    with pytest.raises(AssertionError, match="the chunks have been asked for"):
        model.fit(X)
    assert model.plan(np.full((30, 20), np.nan)).solver in SOLVERS


def test_fit_follows_the_plan(data):
    """A plan that is printed and not followed."""
    for solver in ("auto", *SOLVERS):
        model = RandomizedLowRank(5, solver=solver, random_state=0)
        assert model.fit(data).solver_ == model.plan(data).solver
    assert RandomizedLowRank(5, sketch="srtt").plan(data).solver == "krylov"


def test_auto_falls_back_where_the_gram_matrix_does_not_suffice():
    """`solver_` that says what was planned, not what was done; or the refusal given to the user."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((m, 20)))[0] for m in (2000, 30))
    X = (U * np.geomspace(1, 1e-10, 20)) @ V.T
    model = RandomizedLowRank(18, random_state=0)
    assert model.plan(X).solver == "gram"
    assert model.fit(X).solver_ in ("krylov", "exact")
    np.testing.assert_allclose(model.singular_values_, np.geomspace(1, 1e-10, 20)[:18], rtol=1e-3, atol=1e-14)
    with pytest.raises(ValueError, match="Gram matrix cannot resolve"):
        RandomizedLowRank(18, solver="gram").fit(X)
