"""RandomizedLowRank against what scikit-learn's own tests ask of TruncatedSVD and PCA.

Reference: scikit-learn's estimators with an exact solver, or LAPACK. Deliberately different are:

- `n_components` larger than min(n_samples, n_features) is clipped, with a warning; scikit-learn refuses it.
  A search over ranks should not fail on its smallest fold.
- n_components="mle" is refused: Minka's estimate needs every eigenvalue. "auto" chooses a rank from the
  leading ones.
- A fraction, or None, goes with every solver that can decide the rank, also with random ones; PCA wants
  "full" or "covariance_eigh". n_components=0 is refused: it transforms to nothing.
- Sparse data go with every solver, center=True included.
- One sample with center=True is refused, as it has no variance; PCA divides by zero.
- `score` of a model that has used up all variance (n_components = n_samples < n_features) is refused;
  PCA inverts a singular matrix.
- `whiten` does not change the model, and so not `score`; in PCA it does, as the covariance takes the scale
  from there a second time.
- Every score is float64, also of float32 data: it is a sum of large numbers that cancel.
- Two solvers of equal data have the same signs: the entry of largest magnitude of each component is positive.
  Older versions of scikit-learn take the signs from the left vectors.
- Fitted attributes of a random solver are approximations, "no excess error above 1e-3", unless `accuracy`
  asks for more; here it does.
"""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from threadpoolctl import threadpool_limits

from sklr.decomposition import RandomizedLowRank

SOLVERS = ("gram", "exact", "krylov", "subspace")
ARRAYS = (np.asarray, sparse.csr_matrix, sparse.csc_array)


@pytest.fixture(autouse=True, scope="module")
def _one_blas_thread():
    """The references are small: on a busy machine BLAS's own threads make them slow."""
    with threadpool_limits(1, user_api="blas"):
        yield


def svd_of(k, solver="gram", **parameters):
    accuracy = None if solver == "single_pass" else 1e-12
    return RandomizedLowRank(k, solver=solver, accuracy=accuracy, random_state=0, **parameters)


def pca_of(k, solver="gram", **parameters):
    return svd_of(k, solver, center=True, **parameters)


def with_positive_peaks(Vt):
    return Vt * np.sign(Vt[np.arange(len(Vt)), np.argmax(np.abs(Vt), axis=1)])[:, None]


def with_signs_of(reference, ours):
    """The coordinates of scikit-learn's model, `reference`, as if it had the signs of `ours`."""
    return np.sign(np.sum(reference.components_ * ours.components_, axis=1))


def assert_equal_models(model, reference, rtol=1e-7, atol=1e-7):
    """Every attribute that PCA and we have."""
    np.testing.assert_allclose(
        model.components_, with_positive_peaks(reference.components_), rtol=rtol, atol=atol
    )
    for name in ("singular_values_", "explained_variance_", "explained_variance_ratio_"):
        np.testing.assert_allclose(getattr(model, name), getattr(reference, name), rtol=rtol, err_msg=name)
    np.testing.assert_allclose(model.noise_variance_, reference.noise_variance_, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(model.mean_, reference.mean_, rtol=rtol, atol=1e-14)
    assert model.n_components_ == reference.n_components_
    assert model.n_samples_ == reference.n_samples_
    assert model.n_features_in_ == reference.n_features_in_


@pytest.fixture(scope="module")
def counts():
    """60 x 55, a fifth of it non-zero: logarithms, like a small matrix of terms."""
    X = sparse.random(60, 55, density=0.2, format="csr", random_state=42, data_rvs=np.ones)
    X.data = 1 + np.abs(np.log(np.random.default_rng(0).uniform(0.05, 1, X.nnz)))
    return X


@pytest.fixture(scope="module")
def flowers():
    """150 x 4, two features strongly correlated: like the iris data."""
    rng = np.random.default_rng(1)
    size = rng.standard_normal((150, 1))
    X = size * [0.8, -0.1, 1.7, 0.7] + rng.standard_normal((150, 4)) * [0.3, 0.4, 0.2, 0.1]
    return X + [5.8, 3.0, 3.7, 1.2]


# -- truncated SVD ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ARRAYS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_truncated_svd_attributes(solver, form, counts):
    """A variance of the uncentred coordinates, or ratios of another total, or of sparse data only."""
    X = form(counts.toarray())
    model = svd_of(20, solver)
    Z = model.fit_transform(X)
    reference = TruncatedSVD(20, algorithm="arpack", random_state=0).fit(counts)
    np.testing.assert_allclose(model.singular_values_, reference.singular_values_, rtol=1e-8)
    np.testing.assert_allclose(model.explained_variance_, np.var(Z, axis=0), rtol=1e-7)
    np.testing.assert_allclose(model.explained_variance_, reference.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(
        model.explained_variance_ratio_, reference.explained_variance_ratio_, rtol=1e-6
    )
    total = counts.toarray().var(axis=0).sum()
    np.testing.assert_allclose(model.explained_variance_ratio_, np.var(Z, axis=0) / total, rtol=1e-6)
    assert (model.explained_variance_ratio_ > 0).all()
    assert model.explained_variance_ratio_.sum() < 1
    np.testing.assert_allclose(model.components_, with_positive_peaks(reference.components_), atol=1e-5)
    assert not hasattr(model, "mean_") and not hasattr(model, "noise_variance_")


@pytest.mark.parametrize("solver", SOLVERS)
def test_more_components_explain_more(solver, counts):
    """Ratios that are normalised among themselves."""
    few, many = svd_of(10, solver).fit(counts), svd_of(20, solver).fit(counts)
    np.testing.assert_allclose(
        few.explained_variance_ratio_, many.explained_variance_ratio_[:10], rtol=1e-6, atol=1e-12
    )
    assert many.explained_variance_ratio_.sum() > few.explained_variance_ratio_.sum()


@pytest.mark.parametrize("solver", [*SOLVERS, "single_pass"])
@pytest.mark.parametrize("k", [1, 25, 55])
def test_shapes_of_truncated_svd(k, solver, counts):
    """A solver that returns fewer or more components than it was asked for, or overwrites the parameter."""
    model = RandomizedLowRank(k, solver=solver, random_state=0).fit(counts)
    assert model.n_components == model.n_components_ == k
    assert model.components_.shape == (k, 55)
    assert model.singular_values_.shape == model.explained_variance_.shape == (k,)
    np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(k), atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_too_many_components_are_clipped(solver, counts):
    """Deliberately different: scikit-learn refuses what a search over ranks may ask on a small fold."""
    with pytest.warns(UserWarning, match="n_components=56 is larger than .*=55"):
        model = svd_of(56, solver).fit(counts)
    assert model.components_.shape == (55, 55)
    with pytest.raises(ValueError, match="56"):
        TruncatedSVD(56).fit(counts)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr"])
def test_sparse_formats(kind, counts):
    """A format that is refused, or read as another one, by `fit` or by `transform`."""
    model = svd_of(11)
    reference = svd_of(11).fit_transform(counts.toarray())
    X = counts.asformat(kind)
    np.testing.assert_allclose(model.fit_transform(X), reference, atol=1e-9)
    np.testing.assert_allclose(model.transform(X), reference, atol=1e-9)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_inverse_of_all_components_is_the_data(solver, center, whiten, counts):
    """A mean, or a scale, that is taken off on the way there and not put back."""
    model = svd_of(None, solver, center=center, whiten=whiten)
    Z = model.fit_transform(counts)
    np.testing.assert_allclose(model.inverse_transform(Z), counts.toarray(), atol=1e-7)


def test_integers_become_float64(counts):
    """Integer products, or their results in float32; deliberately one type whatever the width."""
    X = counts.astype(np.int64)
    for dtype in (np.int8, np.int32, np.int64):
        model = svd_of(6, center=True)
        Z = model.fit_transform(X.astype(dtype))
        assert Z.dtype == model.components_.dtype == np.float64
        np.testing.assert_allclose(
            np.abs(Z), np.abs(PCA(6, svd_solver="full").fit_transform(X.toarray())), atol=1e-8
        )


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_singular_values_are_norms_of_coordinates(solver, center):
    """Singular values on another scale than the coordinates, or of the data before centring."""
    X = np.random.default_rng(0).standard_normal((100, 80))
    model = svd_of(2, solver, center=center)
    Z = model.fit_transform(X)
    np.testing.assert_allclose(np.linalg.norm(Z, axis=0), model.singular_values_, rtol=1e-8)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shape", [(100, 110), (110, 90)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_singular_values_that_were_set(solver, shape, center):
    """Values that are off for a matrix whose spectrum is known to the last digit."""
    rng = np.random.default_rng(0)
    left = rng.standard_normal((shape[0], 3))
    left = np.linalg.qr(left - center * left.mean(axis=0))[0]
    right = np.linalg.qr(rng.standard_normal((shape[1], 3)))[0]
    model = svd_of(3, solver, center=center).fit((left * [3.142, 2.718, 1.0]) @ right.T)
    np.testing.assert_allclose(model.singular_values_, [3.142, 2.718, 1.0], rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_svd_of_centred_data_is_pca(solver, counts):
    """Two code paths, center=True and centring by hand, that disagree in values or signs."""
    X = counts.toarray()
    C = X - X.mean(axis=0)
    by_hand, model = svd_of(10, solver).fit(C), pca_of(10, solver).fit(X)
    np.testing.assert_allclose(by_hand.components_, model.components_, atol=1e-6)
    np.testing.assert_allclose(by_hand.transform(C), model.transform(X), atol=1e-6)
    np.testing.assert_allclose(pca_of(10, solver).fit(C).mean_, 0, atol=1e-14)


@pytest.mark.parametrize("form", ARRAYS)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_fit_transform_is_fit_and_transform(solver, whiten, center, form, counts):
    """A second path of `fit_transform`, by left vectors, that skips whitening or centring."""
    X = form(counts.toarray())
    Z = svd_of(5, solver, center=center, whiten=whiten).fit_transform(X)
    np.testing.assert_array_equal(Z, svd_of(5, solver, center=center, whiten=whiten).fit(X).transform(X))


# -- principal components -----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("solver", SOLVERS)
def test_pca_attributes_and_model(solver, k, flowers):
    """Any attribute on another scale; a covariance or a likelihood of another model."""
    model, reference = pca_of(k, solver).fit(flowers), PCA(k, svd_solver="full").fit(flowers)
    assert_equal_models(model, reference)
    np.testing.assert_allclose(model.get_covariance(), reference.get_covariance(), rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(model.get_precision(), reference.get_precision(), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(model.get_covariance() @ model.get_precision(), np.eye(4), atol=1e-10)
    other = flowers[::3] + 0.3
    np.testing.assert_allclose(model.score_samples(other), reference.score_samples(other), rtol=1e-7)
    assert model.score(other) == pytest.approx(reference.score(other), rel=1e-7)


@pytest.mark.parametrize("form", ARRAYS)
@pytest.mark.parametrize("density", [0.02, 0.3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_pca_of_sparse_data(solver, density, form):
    """Sparse data that are not centred, or centred by a mean that the zeros do not enter."""
    rng = np.random.default_rng(3)
    X, new = (sparse.random(200, 60, density=density, random_state=seed, format="csr") for seed in (1, 2))
    X = (X @ sparse.diags(rng.uniform(0, 100, 60))).toarray()
    model, reference = pca_of(4, solver).fit(form(X)), PCA(4, svd_solver="full").fit(X)
    assert_equal_models(model, reference, rtol=1e-6, atol=1e-5)
    signs = with_signs_of(reference, model)
    Z = model.transform(form(new.toarray()))
    np.testing.assert_allclose(Z, model.transform(new.toarray()), atol=1e-10)
    np.testing.assert_allclose(Z, reference.transform(new.toarray()) * signs, atol=1e-4)
    np.testing.assert_allclose(
        model.score_samples(form(X)), reference.score_samples(X), rtol=1e-6, err_msg="sparse likelihood"
    )


def test_no_warning_for_wide_data():
    """Means of empty slices: n_components = n_samples < n_features leaves nothing for the noise."""
    X = np.random.default_rng(0).uniform(-1, 1, (10, 12))
    for k in (9, 10):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = pca_of(k, "exact").fit(X)
        assert model.noise_variance_ == pytest.approx(
            PCA(k, svd_solver="full").fit(X).noise_variance_, abs=1e-12
        )


@pytest.mark.parametrize("solver", SOLVERS)
def test_whitening(solver):
    """Coordinates divided by singular values, or by n in place of n - 1; an inverse that forgets it."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 50)) * np.linspace(10, 1, 50) @ rng.standard_normal((50, 80))
    X[:, :50] *= 3
    model = pca_of(30, solver, whiten=True)
    Z = model.fit_transform(X)
    np.testing.assert_allclose(Z.std(axis=0, ddof=1), 1, rtol=1e-8)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    reference = PCA(30, whiten=True, svd_solver="full").fit(X)
    signs = with_signs_of(reference, model)
    np.testing.assert_allclose(Z, reference.transform(X) * signs, atol=1e-5)
    np.testing.assert_allclose(
        model.inverse_transform(Z), reference.inverse_transform(Z * signs), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        model.components_,
        pca_of(30, solver).fit(X).components_,
        atol=1e-12,
        err_msg="whiten changes components_",
    )
    uncentred = svd_of(30, solver, whiten=True)
    np.testing.assert_allclose(np.mean(uncentred.fit_transform(X + 1) ** 2, axis=0), 1, rtol=1e-8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("deficient", [False, True])
@pytest.mark.parametrize("shape", [(100, 30), (30, 100)])
@pytest.mark.parametrize("solver", ["gram", "krylov", "subspace"])
def test_solvers_agree(solver, shape, deficient, whiten, dtype):
    """A solver that differs from LAPACK's on new data, wide data, or data of low rank."""
    rng = np.random.default_rng(5)
    rank = 12
    X = (
        rng.standard_normal((shape[0] + 10, rank))
        * 0.7 ** np.arange(rank)
        @ rng.standard_normal((rank, shape[1]))
    )
    X += 0 if deficient else 0.05 * rng.standard_normal(X.shape)
    X, new = X[:-10].astype(dtype), X[-10:].astype(dtype)
    ours = RandomizedLowRank(
        8,
        center=True,
        solver=solver,
        whiten=whiten,
        random_state=0,
        accuracy=1e-12 if dtype == np.float64 else None,
    ).fit(X)
    reference = PCA(8, svd_solver="full", whiten=whiten).fit(X)
    tolerance = 2e-3 if dtype == np.float32 else 1e-7
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(reference, name), rtol=tolerance, err_msg=name
        )
    signs = with_signs_of(reference, ours)
    Z = ours.transform(new)
    assert Z.dtype == ours.components_.dtype == dtype
    np.testing.assert_allclose(Z, reference.transform(new) * signs, atol=20 * tolerance)
    back = ours.inverse_transform(Z)
    assert back.dtype == dtype
    np.testing.assert_allclose(
        back, reference.inverse_transform(reference.transform(new)), atol=20 * tolerance
    )


@pytest.mark.parametrize("shape", [(100, 80), (10, 100)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_explained_variance_is_that_of_coordinates_and_covariance(solver, shape):
    """Variances by n in place of n - 1."""
    X = np.random.default_rng(0).standard_normal(shape)
    model = pca_of(2, solver)
    Z = model.fit_transform(X)
    np.testing.assert_allclose(model.explained_variance_, Z.var(axis=0, ddof=1), rtol=1e-8)
    np.testing.assert_allclose(
        model.explained_variance_, np.linalg.eigvalsh(np.cov(X, rowvar=False))[:-3:-1], rtol=1e-7
    )
    np.testing.assert_allclose(
        model.explained_variance_ / model.explained_variance_ratio_, X.var(axis=0, ddof=1).sum(), rtol=1e-10
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_projection_of_new_points(solver):
    """New points centred by their own mean: a lone point then projects to zero."""
    rng = np.random.default_rng(0)
    X = 0.1 * rng.standard_normal((100, 3))
    X[:10] += [3, 4, 5]
    new = 0.1 * rng.standard_normal((1, 3)) + [3, 4, 5]
    Z = pca_of(2, solver).fit(X).transform(new)
    assert abs(Z[0, 0]) / np.linalg.norm(Z) == pytest.approx(1, rel=5e-3)
    assert abs(Z[0, 0]) > 5


@pytest.mark.parametrize("solver", SOLVERS)
def test_lists_of_lists(solver):
    """Input that is not an array."""
    Z = pca_of(1, solver).fit_transform([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(np.sort(Z[:, 0]), [-(0.5**0.5), 0.5**0.5], rtol=1e-12)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_inverse_of_almost_low_rank_data(solver, whiten):
    """An inverse that loses a large mean."""
    X = np.random.default_rng(0).standard_normal((50, 3)) * [1, 1e-5, 1] + [5, 4, 3]
    model = pca_of(2, solver, whiten=whiten).fit(X)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_n_components_out_of_range(solver):
    """A rank of zero or below that is taken for "all"; deliberately none for PCA's zero."""
    X = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    for data in (X, X.T):
        for k in (0, -1):
            with pytest.raises(ValueError, match=f"n_components must be at least 1, got {k}"):
                pca_of(k, solver).fit(data)
        with pytest.warns(UserWarning, match="n_components=3 .*=2"):
            assert svd_of(3, solver).fit(data).n_components_ == 2


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_none_is_all(solver, center, flowers):
    """None taken for 1 or for n_features."""
    assert svd_of(None, solver, center=center).fit(flowers).n_components_ == 4
    wide = np.random.default_rng(0).standard_normal((4, 150))
    solver = "exact" if center and solver == "gram" else solver  # centred, the fourth value is zero
    model = svd_of(None, solver, center=center).fit(wide)
    assert model.n_components_ == 4
    if center:
        assert_equal_variances(model, PCA(svd_solver="full").fit(wide))


def assert_equal_variances(model, reference):
    np.testing.assert_allclose(
        model.explained_variance_, reference.explained_variance_, rtol=1e-7, atol=1e-12
    )
    np.testing.assert_allclose(model.noise_variance_, reference.noise_variance_, atol=1e-12)


def test_mle_is_refused(flowers):
    """Deliberately different: "mle" taken for another rule."""
    with pytest.raises(TypeError, match="n_components must be .*'auto' or None, got 'mle'"):
        pca_of("mle").fit(flowers)


@pytest.mark.parametrize("solver", SOLVERS)
def test_auto_finds_the_one_direction(solver):
    """What "mle" is tested with: one cluster apart, and a column that depends on the others."""
    rng = np.random.default_rng(0)
    X = 0.1 * rng.standard_normal((100, 5))
    X[:10] += [3, 4, 5, 1, 2]
    assert RandomizedLowRank("auto", center=True, solver=solver, random_state=0).fit(X).n_components_ == 1
    X = 0.1 * rng.standard_normal((1000, 5))
    X += rng.standard_normal((1000, 1)) * [3, 4, 5, 1, 2] + [1, 0, 7, 4, 6]
    assert RandomizedLowRank("auto", center=True, solver=solver, random_state=0).fit(X).n_components_ == 1


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("solver", SOLVERS)
def test_fraction_of_the_variance(solver, fraction, flowers):
    """A fraction of singular values in place of squares, one component too few or too many."""
    for X in (flowers, np.random.default_rng(0).uniform(size=(5, 20))):
        if solver == "gram" and fraction > 0.99 and X.shape == (5, 20):
            continue  # four directions after centring, all of which are needed
        reference = PCA(fraction, svd_solver="full").fit(X)
        model = pca_of(fraction, solver).fit(X)
        assert model.n_components == fraction
        assert model.n_components_ == reference.n_components_
        assert model.explained_variance_ratio_.sum() >= fraction


def test_fraction_between_two_ranks(flowers):
    """A fraction that is just the variance of k components, plus rounding, takes one more."""
    ratios = pca_of(None, "exact").fit(flowers).explained_variance_ratio_.cumsum()
    for k, ratio in enumerate(ratios[:-1], start=1):
        for solver in SOLVERS:
            assert pca_of(float(ratio) - 1e-9, solver).fit(flowers).n_components_ == k
            assert pca_of(float(ratio) + 1e-9, solver).fit(flowers).n_components_ == k + 1


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_score_is_the_likelihood_of_the_data(solver, whiten):
    """A likelihood that is not a density: off by a factor, or changed by whitening."""
    rng = np.random.default_rng(0)
    X = 0.1 * rng.standard_normal((1000, 3)) + [3, 4, 5]
    model = pca_of(2, solver, whiten=whiten).fit(X)
    entropy = -1.5 * np.log(2 * np.pi * np.e * 0.01)
    assert model.score(X) == pytest.approx(entropy, rel=5e-2)
    assert model.score(X) > model.score(0.2 * rng.standard_normal((1000, 3)) + [3, 4, 5])
    assert model.score(X) == pytest.approx(PCA(2, svd_solver="full").fit(X).score(X), rel=1e-9)


def test_score_chooses_the_right_rank():
    """A score that grows with the rank on data that were not fitted: no use for a search."""
    rng = np.random.default_rng(0)
    directions = np.array([[1, 2, 3, 4, 5], [5, -5, 5, -5, 5]])
    X = rng.standard_normal((1050, 2)) @ directions + rng.standard_normal((1050, 5)) + 1
    scores = [pca_of(k).fit(X[:50]).score(X[50:]) for k in (1, 2, 3, 4)]
    assert np.argmax(scores) == 1
    references = [PCA(k, svd_solver="full").fit(X[:50]).score(X[50:]) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(scores, references, rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_noise_is_below_the_components(solver):
    """A noise variance divided by the wrong number of directions, above that of a component."""
    X = np.random.default_rng(0).standard_normal((200, 60)) * np.geomspace(10, 0.1, 60)
    for Y in (X, X[:40]):
        model, reference = pca_of(30, solver).fit(Y), PCA(30, svd_solver="full").fit(Y)
        assert (model.explained_variance_ >= model.noise_variance_).all()
        assert model.noise_variance_ == pytest.approx(reference.noise_variance_, rel=1e-6)
        assert model.score(Y) == pytest.approx(reference.score(Y), rel=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_noise_without_directions_is_zero(solver):
    """0 / 0; a likelihood of -inf; deliberately an error where the covariance is singular."""
    X = 0.1 * np.random.default_rng(0).standard_normal((100, 3)) + [3, 4, 5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = pca_of(3, solver).fit(X)
        assert model.noise_variance_ == 0
        assert np.isfinite(model.score(X))
        wide = pca_of(3, "exact" if solver == "gram" else solver).fit(
            X[:3].T.copy().T[:, :].repeat(3, axis=1)
        )
        assert wide.noise_variance_ == 0
        with pytest.raises(ValueError, match="covariance of the model is singular.*fewer components"):
            wide.score(X[:3].repeat(3, axis=1))
        with pytest.raises(ValueError, match="covariance of the model is singular"):
            wide.get_precision()


def test_auto_equals_the_solver_that_it_names():
    """A choice that is recorded but not made."""
    rng = np.random.default_rng(0)
    for shape, k in (((10, 50), 5), ((1000, 50), 50), ((400, 300), 5), ((400, 300), 0.5)):
        X = rng.uniform(size=shape)
        model = RandomizedLowRank(k, center=True, random_state=0).fit(X)
        named = RandomizedLowRank(k, center=True, solver=model.solver_, random_state=0).fit(X)
        np.testing.assert_array_equal(model.components_, named.components_)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", [*SOLVERS, "single_pass"])
def test_deterministic(solver, center):
    """Signs that depend on the start block: coordinates that flip from fit to fit."""
    X = np.random.default_rng(0).uniform(size=(10, 10))
    state = np.random.RandomState(0)
    first = [
        RandomizedLowRank(2, center=center, solver=solver, random_state=state).fit_transform(X)[0]
        for _ in range(10)
    ]
    np.testing.assert_allclose(first, np.tile(first[0], (10, 1)), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", [*SOLVERS, "single_pass"])
def test_dtypes_of_every_attribute(solver, center):
    """float32 that becomes float64 in one attribute, or is computed with the error of its square."""
    X = np.random.default_rng(0).uniform(size=(1000, 4))
    models = {t: svd_of(3, solver, center=center).fit(X.astype(t)) for t in (np.float64, np.float32)}
    names = ["components_", "singular_values_", "explained_variance_", "explained_variance_ratio_"]
    names += ["mean_", "noise_variance_"] if center else []
    for dtype, model in models.items():
        assert {np.asarray(getattr(model, name)).dtype for name in names} == {np.dtype(dtype)}
        assert model.transform(X.astype(dtype)).dtype == dtype
        if center:
            assert model.score_samples(X.astype(dtype)).dtype == np.float64
            assert model.get_covariance().dtype == model.get_precision().dtype == dtype
    np.testing.assert_allclose(models[np.float64].components_, models[np.float32].components_, atol=1e-3)


@pytest.mark.parametrize("solver", ["krylov", "subspace"])
def test_one_component_of_flat_spectrum(solver):
    """A leading vector that a single start column misses, where the spectrum hardly decays."""
    X = np.random.default_rng(0).standard_normal((1000, 100))
    reference = PCA(1, svd_solver="full").fit(X)
    model = RandomizedLowRank(
        1, center=True, solver=solver, n_oversamples=100, accuracy=1e-10, random_state=0
    ).fit(X)
    np.testing.assert_allclose(model.components_, with_positive_peaks(reference.components_), atol=1e-6)


def test_variance_of_one_component_and_one_column():
    """A scalar where an array belongs, or a variance of n in place of n - 1."""
    X = np.random.default_rng(0).standard_normal((30, 1)) + 2
    for solver in SOLVERS:
        model = pca_of(1, solver).fit(X)
        np.testing.assert_allclose(model.explained_variance_, [X.var(ddof=1)], rtol=1e-12)
        np.testing.assert_allclose(model.explained_variance_ratio_, [1.0], rtol=1e-12)
        np.testing.assert_allclose(model.components_, [[1.0]], rtol=1e-14)
        model = svd_of(1, solver).fit(X)
        np.testing.assert_allclose(model.explained_variance_, [X.var()], rtol=1e-10)


def test_feature_names_out(flowers):
    """Names of the columns that came in, or of another class."""
    model = pca_of(2).fit(flowers)
    assert list(model.get_feature_names_out()) == ["randomizedlowrank0", "randomizedlowrank1"]
    assert len(pca_of(0.999, "exact").fit(flowers).get_feature_names_out()) == 4 - (
        PCA(0.999).fit(flowers).n_components_ < 4
    )


@pytest.mark.parametrize("form", ARRAYS)
@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("solver", [*SOLVERS, "single_pass"])
def test_data_are_left_alone(solver, whiten, form, counts):
    """Data that are centred, scaled or sorted in place, by any method."""
    X = form(counts.toarray())
    before = X.copy()
    model = RandomizedLowRank(3, center=True, whiten=whiten, solver=solver, random_state=0)
    Z = model.fit_transform(X)
    coordinates = Z.copy()
    model.inverse_transform(Z)
    model.score(X)
    np.testing.assert_array_equal(Z, coordinates)
    if sparse.issparse(X):
        for name in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(X, name), getattr(before, name))
    else:
        np.testing.assert_array_equal(X, before)


def test_model_methods_exist_only_where_there_is_a_model(counts):
    """A likelihood for a model without a mean, or with weights, which is none."""
    weights = np.linspace(1, 2, 55)
    for model in (svd_of(3), pca_of(3, feature_weight=weights)):
        for name in ("score", "score_samples", "get_covariance", "get_precision"):
            assert not hasattr(model, name)
            assert hasattr(pca_of(3), name)


@pytest.mark.parametrize("solver", [*SOLVERS, "single_pass"])
def test_one_sample_has_no_variance(solver):
    """Deliberately different: PCA warns of a division by zero and gives NaN."""
    with pytest.raises(
        ValueError, match=r"center=True needs more than one sample.*n_samples = 1.*center=False"
    ):
        RandomizedLowRank(1, center=True, solver=solver).fit([[1.0, 2.0]])


@pytest.mark.parametrize(("dtype", "ratio"), [(np.float32, 100), (np.float64, 1e6)])
def test_explained_variance_of_uncentred_data_with_a_large_mean(dtype, ratio):
    """A variance that cancels: TruncatedSVD takes it from the coordinates, and has four digits here."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 30)) * 0.85 ** np.arange(30) + ratio * rng.uniform(0.5, 1.5, 30)
    model = svd_of(3, "exact").fit(X.astype(dtype))
    expected = svd_of(3, "exact").fit_transform(X).var(axis=0)
    np.testing.assert_allclose(model.explained_variance_, expected, rtol=1e-2)
