"""RandomizedLowRank: ranks that the data choose, weights, truncation, paths, progress and interrupts."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import RowChunks

SOLVERS = ("gram", "exact", "krylov", "subspace")
ALL_SOLVERS = (*SOLVERS, "single_pass")
ATTRIBUTES = (
    "components_",
    "singular_values_",
    "explained_variance_",
    "explained_variance_ratio_",
    "error_estimate_",
    "n_components_",
    "n_samples_",
)


@pytest.fixture(autouse=True, scope="module")
def _one_blas_thread():
    """The references are small: on a busy machine BLAS's own threads make them slow."""
    with threadpool_limits(1, user_api="blas"):
        yield


def attributes(model):
    names = ATTRIBUTES + (("mean_", "noise_variance_") if model.center else ())
    return {name: getattr(model, name) for name in names}


def assert_close_fits(a, b, atol=1e-9):
    """Equal attributes to rounding."""
    for name, value in attributes(a).items():
        np.testing.assert_allclose(value, attributes(b)[name], rtol=1e-9, atol=atol, err_msg=name)


def lapack(X, center=False, weight=None):
    """``(A, s, Vt)`` of the matrix that is decomposed, by LAPACK."""
    weight = np.ones(len(X)) if weight is None else weight
    A = (X - center * np.average(X, axis=0, weights=weight)) * np.sqrt(weight)[:, None]
    return A, *np.linalg.svd(A, full_matrices=False)[1:]


def planted(m, n, rank, noise, seed=0):
    """`rank` singular values from 40 down to 20, noise of standard deviation `noise` and a mean."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for size in (m, n))
    return (U * np.linspace(40, 20, rank)) @ V.T + noise * rng.standard_normal((m, n))


# -- ranks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("tol", [0.7, 0.2])
@pytest.mark.parametrize("solver", SOLVERS)
def test_tol_is_met_with_the_smallest_rank(solver, tol, center, form, data):
    """A tolerance on squares, of data not centred, or met by more components than it takes."""
    _, s, _ = lapack(data, center)
    beyond = np.sqrt(np.append(np.cumsum((s**2)[::-1])[::-1], 0)) / np.linalg.norm(s)
    least = int(np.argmax(beyond <= tol))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RandomizedLowRank(None, tol=tol, center=center, solver=solver, random_state=0).fit(form(data))
    assert model.error_estimate_ <= tol * (1 + 1e-6)
    assert model.n_components_ == len(model.components_)
    assert least <= model.n_components_ <= least + (solver in ("krylov", "subspace"))


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_tol_below_what_n_components_allows_warns(solver, center, data):
    """A tolerance that is missed in silence, or by a warning without numbers."""
    model = RandomizedLowRank(4, tol=0.01, center=center, solver=solver, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"tol=0.01 is not reached: .* with 4 components is 0\.\d+\. Use"
    ):
        model.fit(data)
    _, s, _ = lapack(data, center)
    assert model.n_components_ == 4
    assert model.error_estimate_ == pytest.approx(np.linalg.norm(s[4:]) / np.linalg.norm(s), rel=1e-2)


@pytest.mark.parametrize("solver", ["exact", "krylov"])
def test_tol_below_1e_6(solver):
    """An error that a difference of squares cannot show: no rank, or the full one, is then enough."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((m, 30)))[0] for m in (200, 50))
    s = 10.0 ** -np.arange(30)
    X = (U * s) @ V.T
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RandomizedLowRank(None, tol=3e-8, solver=solver, random_state=0).fit(X)
    truth = np.linalg.norm(X - model.inverse_transform(model.transform(X))) / np.linalg.norm(X)
    assert truth <= 3e-8
    assert 8 <= model.n_components_ <= 10
    assert truth / 3 < model.error_estimate_ < 3 * truth


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("fraction", [0.5, 0.9])
@pytest.mark.parametrize("solver", SOLVERS)
def test_fraction_holds_that_part(solver, fraction, center, form, data):
    """A fraction of singular values, or with center=False of the variance."""
    _, s, _ = lapack(data, center)
    held = np.cumsum(s**2) / np.sum(s**2)
    least = int(np.argmax(held >= fraction)) + 1
    model = RandomizedLowRank(fraction, center=center, solver=solver, random_state=0).fit(form(data))
    assert least <= model.n_components_ <= least + (solver in ("krylov", "subspace"))
    assert 1 - model.error_estimate_**2 >= fraction * (1 - 1e-9)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shape", [(300, 60), (60, 300)])
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_auto_recovers_the_planted_rank(solver, shape, center, form):
    """A threshold of another shape, or one that noise alone passes."""
    for rank in (1, 7):
        X = planted(*shape, rank, noise=0.1) + 3 * center
        model = RandomizedLowRank("auto", center=center, solver=solver, random_state=0).fit(form(X))
        assert model.n_components_ == rank


@pytest.mark.parametrize("solver", ["krylov", "subspace"])
@pytest.mark.parametrize("accuracy", [1e-2, 1e-8])
def test_accuracy_of_singular_values(accuracy, solver):
    """An accuracy that is stored and not used, or one that float32 products cannot give."""
    X = np.random.default_rng(0).standard_normal((400, 150)) * np.geomspace(1, 0.3, 150)
    _, s, _ = lapack(X)
    model = RandomizedLowRank(5, accuracy=accuracy, solver=solver, max_iter=300, random_state=0).fit(X)
    np.testing.assert_allclose(model.singular_values_, s[:5], rtol=accuracy)
    rough = RandomizedLowRank(5, accuracy=0.3, solver=solver, random_state=0).fit(X)
    assert accuracy > 1e-3 or rough.n_iter_ < model.n_iter_


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ["krylov", "subspace"])
def test_max_iter_warns_with_numbers(solver, center):
    """An iteration that is cut off in silence; a bound on passes that is not kept."""
    X = np.random.default_rng(0).standard_normal((600, 400))
    model = RandomizedLowRank(
        5, accuracy=1e-10, max_iter=3, n_oversamples=2, center=center, solver=solver, random_state=0
    )
    with pytest.warns(
        ConvergenceWarning, match=r"max_iter=3 passes: the largest residual norm is [\d.e-]+ of"
    ):
        model.fit(X)
    assert model.n_iter_ <= 5
    assert np.isfinite(model.transform(X)).all()


# -- sample weights -----------------------------------------------------------------------------------


def weighted_pair(model, X, weight):
    """The model of weighted rows and that of repeated rows."""
    repeated = np.repeat(X, weight, axis=0)
    return clone(model).fit(X, sample_weight=weight), clone(model).fit(repeated)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_are_repetitions(solver, center, form, data):
    """A mean without the weights, weights in place of their roots, or n of rows in a variance."""
    weight = np.random.default_rng(0).integers(0, 4, len(data))
    model = RandomizedLowRank(
        4, center=center, solver=solver, n_oversamples=36, accuracy=1e-12, random_state=0
    )
    a = clone(model).fit(form(data), sample_weight=weight)
    b = clone(model).fit(form(np.repeat(data, weight, axis=0)))
    assert_close_fits(a, b, atol=1e-5 if solver in ("krylov", "subspace") else 1e-9)
    np.testing.assert_allclose(a.transform(data), b.transform(data), atol=1e-4)
    _, s, _ = lapack(data, center, weight)
    np.testing.assert_allclose(a.singular_values_, s[:4], rtol=1e-9)
    if center:
        np.testing.assert_allclose(a.score_samples(data), b.score_samples(data), rtol=1e-6)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_rows_of_weight_zero_do_not_count(solver, center, data):
    """A row of weight zero that enters the mean, or the number of rows."""
    weight = (np.arange(len(data)) % 3 > 0).astype(float)
    spoilt = data.copy()
    spoilt[weight == 0] = 1e3
    model = RandomizedLowRank(4, center=center, solver=solver, n_oversamples=32, random_state=0)
    a, b = model.fit(spoilt, sample_weight=weight), clone(model).fit(data[weight > 0])
    np.testing.assert_allclose(a.singular_values_, b.singular_values_, rtol=1e-4)
    np.testing.assert_allclose(a.explained_variance_, b.explained_variance_, rtol=1e-3)
    assert a.error_estimate_ == pytest.approx(b.error_estimate_, rel=1e-4)
    assert a.n_samples_ == b.n_samples_ == 200


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_scale_of_weights(solver, center, data):
    """Weights of another scale that change the components, or do not scale the squares."""
    weight = np.random.default_rng(0).uniform(0.2, 2, len(data))
    model = RandomizedLowRank(4, center=center, solver=solver, n_oversamples=32, random_state=0)
    a, b = (clone(model).fit(data, sample_weight=w) for w in (weight, 2.25 * weight))
    np.testing.assert_allclose(b.components_, a.components_, atol=1e-6)
    np.testing.assert_allclose(b.singular_values_, 1.5 * a.singular_values_, rtol=1e-9)
    np.testing.assert_allclose(b.explained_variance_ratio_, a.explained_variance_ratio_, rtol=1e-8)
    assert b.n_samples_ == pytest.approx(2.25 * a.n_samples_)
    assert b.error_estimate_ == pytest.approx(a.error_estimate_, rel=1e-9)
    _, s, _ = lapack(data, center, weight)
    np.testing.assert_allclose(a.singular_values_, s[:4], rtol=5e-2 if solver == "single_pass" else 1e-3)
    one = clone(model).fit(data, sample_weight=2.0)
    np.testing.assert_allclose(
        one.singular_values_, np.sqrt(2) * clone(model).fit(data).singular_values_, rtol=1e-6
    )


@pytest.mark.parametrize("center", [False, True])
def test_auto_counts_repetitions(center):
    """A noise threshold of another number of rows than the weights say."""
    X = planted(150, 60, 3, noise=0.1)
    weight = np.random.default_rng(0).integers(1, 3, 150)
    model = RandomizedLowRank("auto", center=center, solver="gram")
    a, b = weighted_pair(model, X, weight)
    assert a.n_components_ == b.n_components_


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.r_[-1.0, np.ones(299)], "sample_weight must be non-negative, got -1.0 at position 0"),
        (np.r_[np.nan, np.ones(299)], "sample_weight contains NaN"),
        (np.ones(3), r"sample_weight must have shape \(300,\), got \(3,\)"),
        (np.zeros(300), "sample_weight is zero everywhere"),
        (np.full(300, 1 / 400), "center=True needs more than one sample.*weights that sum to no more than 1"),
    ],
)
def test_bad_sample_weights(weight, message, data):
    """Weights that are computed with, and a half-fitted estimator."""
    model = RandomizedLowRank(3, center=True)
    with pytest.raises(ValueError, match=message):
        model.fit(data, sample_weight=weight)
    assert not [name for name in vars(model) if name.endswith("_")]


def test_metadata_routing_of_sample_weight(data):
    """Weights that a pipeline drops on the way."""
    weight = np.random.default_rng(0).uniform(0.1, 2, len(data))
    with config_context(enable_metadata_routing=True):
        step = RandomizedLowRank(3, center=True).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), step)
        pipeline.fit(data, sample_weight=weight)
        scaled = pipeline[0].transform(data)
        direct = RandomizedLowRank(3, center=True).fit(scaled, sample_weight=weight)
        np.testing.assert_array_equal(pipeline[-1].components_, direct.components_)
        first = make_pipeline(clone(step), StandardScaler().set_fit_request(sample_weight=False))
        first.fit(data, sample_weight=weight)
        expected = RandomizedLowRank(3, center=True).fit(data, sample_weight=weight)
        np.testing.assert_array_equal(first[0].components_, expected.components_)
        assert not np.allclose(
            expected.components_, RandomizedLowRank(3, center=True).fit(data).components_, atol=1e-3
        )


# -- feature weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_feature_weights(solver, center, form, data):
    """Weights in place of their roots, or forgotten by `transform`; a metric that is not theirs."""
    w = np.geomspace(0.05, 20, data.shape[1])
    accurate = {"n_oversamples": 35, "accuracy": 1e-12, "center": center, "solver": solver, "random_state": 0}
    model = RandomizedLowRank(4, feature_weight=w, **accurate).fit(form(data))
    plain = RandomizedLowRank(4, **accurate).fit(form(data))
    A, *_ = lapack(data, center)
    U, s, Vt = np.linalg.svd(A * np.sqrt(w), full_matrices=False)
    best = (U[:, :4] * s[:4]) @ Vt[:4] / np.sqrt(w)
    mean = data.mean(axis=0) * center

    def errors(fitted):
        E = data - fitted.inverse_transform(fitted.transform(form(data)))
        return np.sum(w * E**2), np.sum(E**2)

    (weighted, unweighted), (weighted_plain, unweighted_plain) = errors(model), errors(plain)
    assert weighted < 0.99 * weighted_plain
    assert unweighted > 1.01 * unweighted_plain
    np.testing.assert_allclose(model.components_ * w @ model.components_.T, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(
        model.inverse_transform(model.transform(form(data))), best + mean, atol=1e-4 * np.abs(best).max()
    )
    np.testing.assert_allclose(model.singular_values_, s[:4], rtol=1e-9)
    assert model.error_estimate_ == pytest.approx(np.sqrt(weighted / np.sum(w * A**2)), rel=1e-6)
    Z = model.transform(data)
    np.testing.assert_allclose(model.explained_variance_, Z.var(axis=0, ddof=int(center)), rtol=1e-7)
    total = np.sum(w * data.var(axis=0, ddof=int(center)))
    np.testing.assert_allclose(model.explained_variance_ratio_, model.explained_variance_ / total, rtol=1e-9)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_uniform_feature_weights_change_nothing(solver, center, data):
    """A scale that leaks into the approximation."""
    plain = RandomizedLowRank(4, center=center, solver=solver, random_state=0).fit(data)
    for w in (4.0, np.full(40, 4.0)):
        model = clone(plain).set_params(feature_weight=w).fit(data)
        np.testing.assert_allclose(model.singular_values_, 2 * plain.singular_values_, rtol=1e-9)
        np.testing.assert_allclose(model.components_, plain.components_ / 2, atol=1e-7)
        np.testing.assert_allclose(
            model.inverse_transform(model.transform(data)),
            plain.inverse_transform(plain.transform(data)),
            atol=1e-6,
        )


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_both_weights(solver, center, data):
    """One of the two weights that is lost beside the other, in the mean or in the variances."""
    w = np.geomspace(0.1, 10, 40)
    weight = np.random.default_rng(0).integers(0, 4, 300)
    model = RandomizedLowRank(
        4, feature_weight=w, center=center, solver=solver, n_oversamples=36, accuracy=1e-12, random_state=0
    )
    a, b = weighted_pair(model, data, weight)
    assert_close_fits(a, b, atol=1e-5)
    np.testing.assert_allclose(
        model.fit(data).components_ @ np.diag(w) @ model.components_.T, np.eye(4), atol=1e-9
    )


@pytest.mark.parametrize("center", [False, True])
def test_whitening_with_weights(center, data):
    """Coordinates whitened by the variances of the other metric."""
    w = np.geomspace(0.1, 10, 40)
    model = RandomizedLowRank(4, feature_weight=w, center=center, whiten=True)
    Z = model.fit_transform(data)
    np.testing.assert_allclose(np.sum(Z**2, axis=0) / (300 - center), 1, rtol=1e-9)
    plain = clone(model).set_params(whiten=False)
    np.testing.assert_allclose(
        model.inverse_transform(Z), plain.inverse_transform(plain.fit_transform(data)), atol=1e-9
    )


@pytest.mark.parametrize(
    ("value", "message"), [(0, "positive, got 0.0"), (-1, "positive, got -1.0"), (np.nan, "NaN")]
)
def test_bad_feature_weights(value, message, data):
    """A weight that makes the metric no metric; an error that does not say which parameter."""
    w = np.ones(40)
    w[5] = value
    model = RandomizedLowRank(3, feature_weight=w)
    with pytest.raises(ValueError, match=f"feature_weight .*{message}"):
        model.fit(data)
    assert not hasattr(model, "components_")


# -- truncation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, {"whiten": True}, {"feature_weight": np.geomspace(0.1, 10, 40)}])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ["gram", "exact"])
def test_truncated_equals_direct(solver, center, extra, data):
    """An attribute of the larger fit that is kept: the noise, the error, the residuals."""
    model = RandomizedLowRank(12, center=center, solver=solver, **extra).fit(data)
    before = pickle.dumps(model)
    for k in (1, 5, 12):
        small, direct = (
            model.truncate(k),
            RandomizedLowRank(k, center=center, solver=solver, **extra).fit(data),
        )
        assert small.n_components == small.n_components_ == k
        assert {n for n in vars(small) if n.endswith("_")} == {n for n in vars(direct) if n.endswith("_")}
        assert_close_fits(small, direct)
        np.testing.assert_allclose(small.residual_norms_, direct.residual_norms_, atol=1e-9)
        np.testing.assert_allclose(small.transform(data), direct.transform(data), atol=1e-9)
        assert small.get_params().keys() == direct.get_params().keys()
        if center and "feature_weight" not in extra:
            assert small.score(data) == pytest.approx(direct.score(data), rel=1e-9)
        assert list(small.get_feature_names_out()) == list(direct.get_feature_names_out())
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ["krylov", "subspace"])
def test_truncated_is_no_less_accurate(solver, center):
    """A truncation that is worse than the fit it stands for."""
    X = np.random.default_rng(0).standard_normal((300, 80)) * np.geomspace(1, 0.1, 80)
    A, s, _ = lapack(X, center)
    model = RandomizedLowRank(20, center=center, solver=solver, random_state=0).fit(X)
    for k in (2, 8):
        small = model.truncate(k)
        error = np.linalg.norm(A - (A @ small.components_.T) @ small.components_) / np.linalg.norm(A)
        assert small.error_estimate_ == pytest.approx(error, rel=1e-7)
        assert error <= np.linalg.norm(s[k:]) / np.linalg.norm(s) * (1 + 1e-3)
        direct = RandomizedLowRank(k, center=center, solver=solver, random_state=0).fit(X)
        assert small.error_estimate_ <= direct.error_estimate_ * (1 + 1e-4)


@pytest.mark.parametrize("solver", ["exact", "krylov"])
def test_error_of_a_truncation_below_1e_6(solver):
    """An error of the truncation from a difference of squares, which is rounding there."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((m, 30)))[0] for m in (200, 50))
    X = (U * 10.0 ** -np.arange(30)) @ V.T
    model = RandomizedLowRank(11, solver=solver, random_state=0).fit(X)
    for k in (2, 5, 8, 9):
        small = model.truncate(k)
        truth = np.linalg.norm(X - small.inverse_transform(small.transform(X))) / np.linalg.norm(X)
        assert small.error_estimate_ == pytest.approx(truth, rel=0.05)


def test_truncate_errors(data):
    """A rank that is clipped, or taken from the wrong end; a truncation of nothing."""
    model = RandomizedLowRank(4).fit(data)
    for k in (0, -1, 5):
        with pytest.raises(ValueError, match=f"n_components must be between 1 and 4, .*; got {k}. Fit with"):
            model.truncate(k)
    for k in (2.0, 0.5, None, True, "auto"):
        with pytest.raises(TypeError, match="n_components must be an int"):
            model.truncate(k)
    with pytest.raises(NotFittedError):
        RandomizedLowRank(4).truncate(2)
    assert model.truncate(np.int64(2)).n_components_ == 2
    loose = RandomizedLowRank(None, tol=0.3).fit(data)
    assert loose.truncate(2).tol is None


# -- paths --------------------------------------------------------------------------------------------


@pytest.fixture
def count_fits(monkeypatch):
    """The list of ranks that were fitted."""
    fits, fit = [], RandomizedLowRank._fit

    def counted(self, X, sample_weight):
        fits.append(self.n_components)
        return fit(self, X, sample_weight)

    monkeypatch.setattr(RandomizedLowRank, "_fit", counted)
    return fits


PATHS = {
    "ints": ([{"n_components": k} for k in (3, 8, 1)], [8]),
    "fractions": ([{"n_components": k} for k in (0.3, 0.9, 0.6)], [0.9]),
    "whiten": ([{"n_components": 3, "whiten": True}, {"n_components": 5}, {"whiten": True}], [5]),
    "ints and fractions": ([{"n_components": k} for k in (3, 0.5, 6, 0.8)], [6, 0.8]),
    "center": ([{"n_components": k, "center": c} for k in (2, 5) for c in (False, True)], [5, 5]),
    "solver": ([{"n_components": k, "solver": s} for s in ("gram", "exact") for k in (4, 2)], [4, 4]),
    "tol": ([{"n_components": None, "tol": t} for t in (0.5, 0.3)], [None, None]),
    "tol with caps": ([{"n_components": k, "tol": 0.01} for k in (2, 3)], [2, 3]),
    "words": ([{"n_components": k} for k in ("auto", None, 2)], ["auto", None, 2]),
    "clipped": ([{"n_components": k} for k in (2, 100)], [100]),
}


@pytest.mark.filterwarnings("ignore:tol=", "ignore:n_components=100")
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("case", PATHS)
def test_path(case, center, count_fits, data):
    """Estimators in another order, more fits than needed, or one fit for parameters that differ."""
    dictionaries, expected_fits = PATHS[case]
    base = RandomizedLowRank(4, center=center, solver="exact", random_state=0)
    models = list(base.fit_path(data, None, dictionaries))
    assert sorted(map(str, count_fits)) == sorted(map(str, expected_fits))
    assert not hasattr(base, "components_")
    assert len(models) == len(dictionaries)
    for model, parameters in zip(models, dictionaries, strict=True):
        direct = clone(base).set_params(**parameters).fit(data)
        assert str(model.get_params()) == str(direct.get_params())
        assert_close_fits(model, direct)
        np.testing.assert_allclose(model.transform(data), direct.transform(data), atol=1e-8)


def test_path_passes_weights_and_is_lazy(count_fits, data):
    """Weights that only the first fit sees; all fits made before the first is used."""
    weight = np.random.default_rng(0).uniform(0.1, 2, 300)
    path = RandomizedLowRank(solver="gram").fit_path(
        data, None, [{"n_components": 3}, {"n_components": 2, "center": True}], sample_weight=weight
    )
    first = next(path)
    assert len(count_fits) == 1
    assert_close_fits(first, RandomizedLowRank(3, solver="gram").fit(data, sample_weight=weight))
    direct = RandomizedLowRank(2, center=True, solver="gram").fit(data, sample_weight=weight)
    assert_close_fits(next(path), direct)


@pytest.mark.parametrize("k", [0, -2, -0.5, 1.5, np.nan, "all"])
def test_path_refuses_what_fit_refuses(k, data):
    """A rank that is out of range but passes because a larger one is fitted in its place."""
    path = RandomizedLowRank().fit_path(data, None, [{"n_components": 0.5}, {"n_components": k}])
    with pytest.raises((TypeError, ValueError), match="n_components must be"):
        list(path)


# -- progress, interrupts, copies ---------------------------------------------------------------------


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_verbose_prints_lines(solver, capsys, data):
    """Output that nobody asked for, or none; a result that depends on it."""
    silent = RandomizedLowRank(4, center=True, solver=solver, random_state=0).fit(data)
    silent.transform(data)
    assert capsys.readouterr() == ("", "")
    loud = RandomizedLowRank(4, center=True, solver=solver, random_state=0, verbose=1).fit(data)
    out, err = capsys.readouterr()
    assert err == ""
    assert solver in out
    assert out.count("[RandomizedLowRank]") >= 2
    assert f"relative error {loud.error_estimate_:.6g}" in out.splitlines()[-1]
    assert ("pass 2" in out) == (solver in ("krylov", "subspace"))
    np.testing.assert_array_equal(silent.components_, loud.components_)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ["krylov", "subspace"])
def test_interrupt_in_the_third_pass(solver, center, error, data):
    """An estimator that is half fitted after Ctrl-C, or threads and counters that stay broken."""
    passes = []

    def read():
        passes.append(1)
        for i in range(0, 300, 50):
            if len(passes) == 3 and i == 150:
                raise error("stop")
            yield data[i : i + 50]

    X = RowChunks(read, data.shape)
    model = RandomizedLowRank(4, center=center, solver=solver, random_state=0)
    before = dict(vars(model))
    with pytest.raises(error, match="stop"):
        model.fit(X)
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.transform(data)
    model.fit(X)
    expected = clone(model).fit(RowChunks(lambda: (data[i : i + 50] for i in range(0, 300, 50)), data.shape))
    np.testing.assert_array_equal(model.components_, expected.components_)
    assert model.n_passes_ == expected.n_passes_
    old = model.components_
    passes[:] = [1, 1]  # the next pass is the third
    with pytest.raises(error, match="stop"):
        model.fit(X)
    assert model.components_ is old


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_pickled_with_everything(solver, data):
    """An attribute that does not survive, so that a copy cannot be truncated or scored."""
    model = RandomizedLowRank(5, center=True, whiten=True, solver=solver, random_state=0, verbose=0)
    model.fit(data, sample_weight=np.linspace(0.5, 2, 300))
    copy = pickle.loads(pickle.dumps(model))
    assert_close_fits(model, copy, atol=0)
    np.testing.assert_array_equal(model.truncate(2).transform(data), copy.truncate(2).transform(data))
    assert model.truncate(2).score(data) == copy.truncate(2).score(data)


# -- one pass -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "csr", "chunks"])
@pytest.mark.parametrize("center", [False, True])
def test_single_pass(kind, center, data):
    """A second look at data that can be read once; an error estimate that is too low."""
    reads = []

    def read():
        reads.append(1)
        return (data[i : i + 50] for i in range(0, 300, 50))

    X = {"dense": data, "csr": sparse.csr_array(data), "chunks": RowChunks(read, data.shape)}[kind]
    A, s, _ = lapack(data, center)
    for seed in range(5):
        for k in (1, 5, 12):
            reads.clear()
            model = RandomizedLowRank(k, center=center, solver="single_pass", random_state=seed).fit(X)
            assert model.n_passes_ == 1 + center
            assert kind != "chunks" or len(reads) == 1 + center
            error = np.linalg.norm(A - (A @ model.components_.T) @ model.components_) / np.linalg.norm(A)
            assert error <= model.error_estimate_ * (1 + 1e-9)
            assert model.error_estimate_ < 2.5 * np.linalg.norm(s[k:]) / np.linalg.norm(s)
            assert (model.singular_values_ <= s[:k] * (1 + 1e-9)).all()
            assert np.isnan(model.residual_norms_).all()
            small = model.truncate(1)
            error = np.linalg.norm(A - (A @ small.components_.T) @ small.components_) / np.linalg.norm(A)
            assert error <= small.error_estimate_ * (1 + 1e-9)


@pytest.mark.parametrize("solver", ["gram", "krylov", "exact"])
@pytest.mark.parametrize("tail", [1e-3, 1e-8, 1e-10])
def test_the_noise_variance_does_not_cancel(tail, solver):
    """The total minus the sum of the variances, of which no digit is left.

    Below an error of 1e-6 it comes from ten Gaussian probes: chi-squared with 350 degrees of freedom,
    which leaves [0.5, 1.7] with a chance below 1e-9.
    """
    rng = np.random.default_rng(0)
    U = np.linalg.qr(np.column_stack([np.ones(300), rng.standard_normal((300, 40))]))[0][:, 1:]
    X = U * np.r_[np.linspace(10, 5, 5), np.full(35, tail)] @ np.linalg.qr(rng.standard_normal((40, 40)))[0]
    model = RandomizedLowRank(5, center=True, solver=solver, random_state=0).fit(X)
    assert 0.5 < model.noise_variance_ / (tail**2 / 299) < 1.7
    assert np.isfinite(model.score(X))


def test_a_fraction_is_computed_in_full_precision():
    """float32 products where nobody named a tolerance."""
    rng = np.random.default_rng(0)
    X = np.linalg.qr(rng.standard_normal((2000, 100)))[0] * np.r_[80, np.linspace(1, 0.9, 99)]
    s = np.linalg.svd(X - X.mean(0))[1]
    model = RandomizedLowRank(0.99, center=True).fit(X)
    np.testing.assert_allclose(model.singular_values_, s[: model.n_components_], rtol=1e-10)


def test_one_pass_promises_no_accuracy():
    """An option that is accepted and ignored."""
    with pytest.raises(ValueError, match="single_pass.*accuracy that was asked for"):
        RandomizedLowRank(5, solver="single_pass", accuracy=1e-6).fit(np.eye(50))
