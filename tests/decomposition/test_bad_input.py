"""RandomizedLowRank on degenerate and badly scaled data: for every solver the right answer, or which error.

Reference: LAPACK in float64 on the data divided by their largest entry.
"""

import warnings

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from sklr.decomposition import RandomizedLowRank

SOLVERS = ("auto", "gram", "exact", "krylov", "subspace", "single_pass")
GRAM = "Gram matrix cannot resolve singular value.*Use solver='krylov' or 'exact', or a smaller rank"
OVERFLOW = "squares of X overflow: it has an entry of .*Divide X by its largest entry first"
UNDERFLOW = "squares of X underflow: its largest entry is .*Divide X by its largest entry first"
ONE_SAMPLE = "center=True needs more than one sample.*use center=False"
VARIANCE = (
    r"explained_variance_ leaves the range of float32.*variance of \d\.\d+e\+7\d\. Divide X by .* float64"
)


@pytest.fixture(autouse=True, scope="module")
def _one_blas_thread():
    """The references are small: on a busy machine BLAS's own threads make them slow."""
    with threadpool_limits(1, user_api="blas"):
        yield


def decaying(m, n):
    """Singular values 1, 0.7, 0.49, ..."""
    rng = np.random.default_rng(0)
    q = min(m, n)
    U, V = (np.linalg.qr(rng.standard_normal((size, q)))[0] for size in (m, n))
    return (U * 0.7 ** np.arange(q)) @ V.T


def with_constant_columns():
    X = decaying(60, 20)
    X[:, 3], X[:, 7] = 0.1, 0
    return X


ROW = np.random.default_rng(1).standard_normal((1, 20))
TALL = decaying(60, 20) + 0.3
MEANS = np.random.default_rng(2).uniform(0.5, 1.5, 20)

DATA = {
    "some constant columns": with_constant_columns(),
    "equal rows": np.tile(ROW, (60, 1)),
    "one value": np.full((60, 20), 0.1),
    "zero": np.zeros((60, 20)),
    "rank 3": decaying(60, 3) @ np.random.default_rng(3).standard_normal((3, 20)),
    "two rows": np.vstack([ROW, ROW[:, ::-1]]),
    "one row": ROW,
    "one column": ROW.T + 1,
    "one entry": np.array([[3.0]]),
    "repeated singular values": np.linalg.qr(np.random.default_rng(4).standard_normal((60, 20)))[0],
    "identity": np.eye(20),
    "tall": TALL,
    "wide": TALL.T.copy(),
    "one large entry": np.where(np.arange(1200).reshape(60, 20) == 777, 1e6, TALL),
    "1e-300": TALL * 1e-300,
    "1e300": TALL * 1e300,
    "1e-100": TALL * 1e-100,
    "1e100": TALL * 1e100,
    "float32": TALL.astype(np.float32),
    "float32 1e19": (TALL * 1e19).astype(np.float32),
    "float32 1e-25": (TALL * 1e-25).astype(np.float32),
    "float32 1e37": (TALL * 1e37).astype(np.float32),
    "float32 zero": np.zeros((60, 20), np.float32),
    "float32 equal rows": np.tile(ROW, (60, 1)).astype(np.float32),
    "mean 1e6": decaying(60, 20) + 1e6 * MEANS,
    "float32 mean 1e3": (10 * decaying(60, 20) + 1e3 * MEANS).astype(np.float32),
}


def refusal(name, center, solver, k):
    """The message of the error that is right here, or None where there is an answer."""
    if name in ("1e300", "1e-300"):
        return OVERFLOW if name == "1e300" else UNDERFLOW
    if center and name in ("one row", "one entry"):
        return ONE_SAMPLE
    if name == "float32 1e37":
        return VARIANCE
    if solver == "gram" and (
        (name == "rank 3" and k > 3)
        or (name == "two rows" and k == 2 and center)
        or (name in ("equal rows", "one value") and k > 1 and not center)
        or (name == "mean 1e6" and k > 1 and not center)
        or (name == "float32 equal rows" and k > 1 and not center)
        or (name == "one large entry" and k == 5 and center)
    ):
        return GRAM
    return None


def assert_right(model, X, tolerance):
    """Values, vectors, errors and coordinates of a fitted model are those of LAPACK to rounding."""
    unit = float(np.abs(X).max()) or 1.0
    W = X.astype(np.float64) / unit
    mean = W.mean(axis=0) * model.center
    A = W - mean
    size = np.linalg.norm(W) or 1.0  # rounding is relative to this
    s = np.linalg.svd(A, compute_uv=False)
    k, Vt = model.n_components_, model.components_.astype(np.float64)
    assert model.components_.shape == (k, X.shape[1])
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(k), atol=20 * tolerance)
    peaks = Vt[np.arange(k), np.argmax(np.abs(Vt), axis=1)]
    assert (peaks > 0).all()
    # What a square does not hold: sqrt(eps) of the largest.
    blur = {"single_pass": np.sqrt(tolerance), "subspace": max(1e-7, tolerance)}.get(model.solver_, tolerance)
    values = model.singular_values_.astype(np.float64) / unit
    np.testing.assert_allclose(values, s[:k], rtol=1e-4, atol=blur * size)
    assert (np.diff(values) <= tolerance * size).all()
    error, best = np.linalg.norm(A - (A @ Vt.T) @ Vt), np.linalg.norm(s[k:])
    slack = 10 * tolerance if model.solver_ != "single_pass" else blur
    assert error <= best * (1 + 1e-3) + slack * size
    if best > 100 * blur * size:
        truth = error / np.linalg.norm(s)
        assert model.error_estimate_ >= truth * (1 - 10 * tolerance) or model.solver_ != "single_pass"
        if truth > (1e-6 if X.dtype == np.float64 else 1e-2):
            assert model.error_estimate_ == pytest.approx(truth, rel=1e-2)
        elif model.solver_ != "single_pass":  # a random estimate, within this factor
            assert truth / 3 < model.error_estimate_ < 3 * truth
    else:
        assert 0 <= model.error_estimate_ <= 200 * blur * size / (np.linalg.norm(s) or 1)
    if model.center:
        np.testing.assert_allclose(model.mean_.astype(np.float64) / unit, mean, atol=tolerance)
    Z = model.transform(X)
    assert Z.dtype == X.dtype
    np.testing.assert_allclose(Z.astype(np.float64) / unit, A @ Vt.T, atol=20 * tolerance * size)
    back = model.inverse_transform(Z).astype(np.float64) / unit
    np.testing.assert_allclose(back, (A @ Vt.T) @ Vt + mean, atol=20 * tolerance * size)
    for name in ("explained_variance_", "explained_variance_ratio_", "residual_norms_"):
        value = getattr(model, name)
        assert value.shape == (k,)
        assert name == "residual_norms_" and model.solver_ == "single_pass" or np.isfinite(value).all()
        assert not (value < 0).any()
    if model.center:
        squares = model.singular_values_.astype(np.float64) ** 2 / (len(X) - 1)
        np.testing.assert_allclose(
            model.explained_variance_, squares, rtol=1e-5, atol=float(np.finfo(X.dtype).tiny)
        )


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", DATA)
def test_right_or_refused(name, solver, center, form, request):
    """A wrong answer in silence; NaN or a RuntimeWarning; an error from inside that names nothing of ours."""
    X = DATA[name]
    for k in (1, 2, 5):
        if k > min(X.shape):
            continue
        model = RandomizedLowRank(k, center=center, solver=solver, n_oversamples=20, random_state=0)
        message = refusal(name, center, solver, k)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if message is not None:
                before = dict(vars(model))
                with pytest.raises(ValueError, match=message):
                    model.fit(form(X))
                assert vars(model) == before
                continue
            model.fit(form(X))
            assert_right(model, X, 1e-9 if X.dtype == np.float64 else 3e-6)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "name", ["zero", "float32 zero", "float32 1e19", "float32 1e-25", "equal rows", "tall"]
)
def test_whitening(name, solver, center, request):
    """A division by a zero, or by a variance that has left the range of float32."""
    X = DATA[name]
    k = 1 if name == "equal rows" else 2
    model = RandomizedLowRank(k, center=center, whiten=True, solver=solver, n_oversamples=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = model.fit_transform(X)
        back = model.inverse_transform(Z)
    unit = float(np.abs(X).max()) or 1.0
    plain = RandomizedLowRank(k, center=center, solver=solver, n_oversamples=20, random_state=0)
    expected = plain.inverse_transform(plain.fit_transform(X))
    np.testing.assert_allclose(back / unit, expected / unit, atol=1e-5)
    if "zero" in name:
        assert not Z.any()
    elif name != "equal rows":
        np.testing.assert_allclose(np.sum(Z**2, axis=0) / (len(X) - center), 1, rtol=1e-4)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS[:-1])
@pytest.mark.parametrize("rank", [0.9, "auto", None])
@pytest.mark.parametrize(
    "name", ["zero", "equal rows", "rank 3", "one column", "identity", "wide", "float32"]
)
def test_ranks_of_degenerate_data(name, rank, solver, center):
    """A rule that divides by a norm of zero, keeps no component, or more than there are."""
    X = DATA[name]
    model = RandomizedLowRank(rank, center=center, solver=solver, n_oversamples=20, random_state=0)
    nothing = name == "zero" or (name == "equal rows" and center)
    deficient = name in ("equal rows", "rank 3") or (name in ("identity", "wide") and center)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if solver == "gram" and rank is None and deficient and not nothing:
            with pytest.raises(ValueError, match=GRAM):
                model.fit(X)
            assert not hasattr(model, "components_")
            return
        model.fit(X)
    true_rank = {"equal rows": 1, "rank 3": 3, "one column": 1}.get(name, 20)
    if nothing:
        assert model.n_components_ == (20 if rank is None else 1)
        assert model.error_estimate_ == 0
    elif rank is None:
        assert model.n_components_ == min(X.shape)
        assert model.error_estimate_ < 1e-6
    else:
        assert 1 <= model.n_components_ <= true_rank
        if rank == 0.9:
            assert model.error_estimate_**2 <= 0.1 * (1 + 1e-6)
    assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_sample_weights_of_extreme_size(solver):
    """Weights whose scale takes the squares out of range in silence, or whose sum is not finite."""
    for scale in (1e-12, 1e12):
        weight = scale * np.linspace(1, 2, 60)
        model = RandomizedLowRank(3, solver=solver, n_oversamples=20, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(TALL, sample_weight=weight)
        s = np.linalg.svd(TALL * np.sqrt(np.linspace(1, 2, 60))[:, None], compute_uv=False)
        np.testing.assert_allclose(model.singular_values_ / np.sqrt(scale), s[:3], rtol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_model_without_noise(solver):
    """log 0 or 1 / 0 in a likelihood, where the data have no variance beyond the components."""
    for name in ("equal rows", "one value", "zero"):
        model = RandomizedLowRank(1, center=True, solver=solver, random_state=0).fit(DATA[name])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isfinite(model.get_covariance()).all()
            for call in (lambda m=model, x=DATA[name]: m.score(x), model.get_precision):
                with pytest.raises(ValueError, match="covariance of the model is singular.*fewer components"):
                    call()
