"""Fitting in pieces: the same as at once, merged, forgotten, resumed, and refused where it must be."""

import os
import pickle
import re
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import RowChunks

M, N, K = 600, 30, 4
WIDE = 4200  # more columns than a Gram matrix is kept for


def data(seed=0, mean=2.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((M, N)) * 0.85 ** np.arange(N) + mean


def pieces(X, size=70):
    return [X[lo : lo + size] for lo in range(0, X.shape[0], size)]


def chunks(X, size=70):
    return RowChunks(lambda: iter(pieces(X, size)), X.shape, X.dtype)


def wide(form=np.asarray, m=120):
    """Rows of 4,200 columns with a few strong directions."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, 6)) * 2.0 ** -np.arange(6) @ rng.standard_normal((6, WIDE))
    return form(X + 0.01 * rng.standard_normal(X.shape))


FITTED = (
    "components_",
    "singular_values_",
    "explained_variance_",
    "explained_variance_ratio_",
    "n_components_",
    "n_samples_",
)


def assert_same_fit(found, expected, rtol=1e-9):
    for name in FITTED + (("mean_", "noise_variance_") if expected.center else ()):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.max(np.abs(b)), err_msg=name)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("feature_weight", [None, np.linspace(0.5, 2, N)])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_chunks_are_as_good_as_one_fit(form, center, feature_weight, weighted):
    """Weights that are left out of the mean or applied twice; means that are not scaled back."""
    X = data()
    weight = np.random.default_rng(1).random(M) + 0.1 if weighted else None
    parameters = {"center": center, "feature_weight": feature_weight, "random_state": 0}
    model = RandomizedLowRank(K, **parameters)
    for rows in np.array_split(np.arange(M), 9):
        model.partial_fit(form(X[rows]), sample_weight=None if weight is None else weight[rows])
    expected = RandomizedLowRank(K, solver="gram", **parameters).fit(X, sample_weight=weight)
    assert_same_fit(model, expected)
    np.testing.assert_allclose(model.error_estimate_, expected.error_estimate_, rtol=1e-9)
    np.testing.assert_allclose(model.transform(X), expected.transform(X), atol=1e-9)
    assert (model.solver_, model.n_passes_) == ("gram", 1)
    if center and feature_weight is None:
        np.testing.assert_allclose(model.score(X), expected.score(X), rtol=1e-9)


@pytest.mark.parametrize("rank", [0.9, "auto", None])
def test_the_data_choose_the_rank(rank):
    """A rank from one chunk, or a rule that takes the chunk's rows for all."""
    X = data()
    model = RandomizedLowRank(rank, center=True).partial_fit(iter(pieces(X)))
    expected = RandomizedLowRank(rank, center=True, solver="gram").fit(X)
    assert model.n_components_ == expected.n_components_
    within = RandomizedLowRank(None, tol=0.2, center=True).partial_fit(chunks(X))
    assert within.error_estimate_ <= 0.2 < within.truncate(within.n_components_ - 1).error_estimate_


def test_a_capped_tolerance_warns_when_it_is_looked_at():
    """A tolerance that is missed without a word."""
    model = RandomizedLowRank(2, tol=0.01, center=True).partial_fit(data())
    with pytest.warns(ConvergenceWarning, match="tol=0.01 is not reached"):
        assert model.n_components_ == 2


@pytest.mark.parametrize("center", [False, True])
def test_wide_dense_chunks(center):
    """Frequent Directions that are not told the mean, or an estimate that is below the error."""
    X = wide() + (1.0 if center else 0.0)
    model = RandomizedLowRank(3, center=center)
    for part in pieces(X, 25):
        model.partial_fit(part)
    A = X - X.mean(0) if center else X
    s = np.linalg.svd(A, compute_uv=False)
    assert model.solver_ == "frequent_directions"
    np.testing.assert_allclose(model.singular_values_, s[:3], rtol=1e-3)
    V = model.components_.T
    error = np.linalg.norm(A - A @ V @ V.T) / np.linalg.norm(A)
    assert error <= model.error_estimate_ <= 1.05 * error
    if center:
        np.testing.assert_allclose(model.mean_, X.mean(0), rtol=1e-10)


def test_wide_sparse_chunks():
    """An update that fills the rows in, or weights that do not reach it."""
    rng = np.random.default_rng(0)
    X = sparse.random(400, WIDE, density=0.01, random_state=0, format="csr")
    X = X @ sparse.diags_array((1.0 + np.arange(WIDE)) ** -0.7)
    weight = rng.random(400) + 0.5
    model = RandomizedLowRank(5, n_oversamples=40)
    for rows in np.array_split(np.arange(400), 10):
        model.partial_fit(X[rows], sample_weight=weight[rows])
    A = X.toarray() * np.sqrt(weight)[:, None]
    assert model.solver_ == "svd_update"
    np.testing.assert_allclose(model.singular_values_, np.linalg.svd(A)[1][:5], rtol=1e-2)
    V = model.components_.T
    error = np.linalg.norm(A - A @ V @ V.T) / np.linalg.norm(A)
    assert error <= model.error_estimate_ * (1 + 1e-9)


def test_results_are_computed_when_they_are_looked_at(monkeypatch):
    """A decomposition for every chunk."""
    calls = []
    decompose = RandomizedLowRank._decompose_stream
    monkeypatch.setattr(
        RandomizedLowRank, "_decompose_stream", lambda self: calls.append(1) or decompose(self)
    )
    model = RandomizedLowRank(K, center=True)
    for part in pieces(data()):
        model.partial_fit(part)
    assert not calls
    model.transform(data())
    model.score(data())
    assert len(calls) == 1
    model.partial_fit(data()[:3])
    assert model.n_samples_ == M + 3 and len(calls) == 2


@pytest.mark.parametrize("size", [1, 13])
def test_pickled_in_the_middle(size):
    """A state, or rows that wait for others, left behind."""
    X = data()
    whole = RandomizedLowRank(K, center=True).partial_fit(iter(pieces(X, size)))
    half = RandomizedLowRank(K, center=True).partial_fit(iter(pieces(X[:390], size)))
    half = pickle.loads(pickle.dumps(half)).partial_fit(iter(pieces(X[390:], size)))
    for name in FITTED:
        np.testing.assert_array_equal(getattr(half, name), getattr(whole, name))


def test_feature_names_and_frames():
    """Names of the first chunk only, or columns in another order taken for the same."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(data(), columns=[f"f{i}" for i in range(N)])
    model = RandomizedLowRank(K, center=True)
    for part in (frame.iloc[:300], frame.iloc[300:]):
        model.partial_fit(part)
    assert list(model.feature_names_in_) == list(frame.columns)
    assert model.set_output(transform="pandas").transform(frame).shape == (M, K)
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(frame[frame.columns[::-1]])


@pytest.mark.parametrize("center", [False, True])
def test_merging_estimators(center):
    """Parts of other processes that do not add up to the whole; `other` changed."""
    X = data()
    parts = joblib.Parallel(n_jobs=2)(
        joblib.delayed(RandomizedLowRank(K, center=center).partial_fit)(part) for part in pieces(X, 130)
    )
    model = parts[0]
    for part in parts[1:]:
        before = part.components_.copy()
        assert model.merge(part) is model
        np.testing.assert_array_equal(part.components_, before)
    assert_same_fit(model, RandomizedLowRank(K, center=center, solver="gram").fit(X))


def test_forgetting():
    """A factor that reaches the rows of the newest chunk, or not those that wait."""
    X, factor = data(), 0.7
    model, weight = RandomizedLowRank(K, center=True), np.empty(M)
    parts = pieces(np.arange(M), 70)
    for i, rows in enumerate(parts):
        if i:
            model.forget(factor)
        model.partial_fit(X[rows])
        weight[rows] = factor ** (len(parts) - 1 - i)
    expected = RandomizedLowRank(K, center=True, solver="gram").fit(X, sample_weight=weight)
    assert_same_fit(model, expected)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("columns", [N, WIDE])
def test_going_on_from_fit(columns, center):
    """Rows of the fit that are forgotten, or an error that does not count what the fit left out."""
    X = data() if columns == N else wide()
    first, second = X[: len(X) // 2], X[len(X) // 2 :]
    model = RandomizedLowRank(K, center=center, random_state=0).fit(first).partial_fit(second)
    A = X - X.mean(0) if center else X
    V = model.components_.T
    error = np.linalg.norm(A - A @ V @ V.T) / np.linalg.norm(A)
    best = RandomizedLowRank(K, center=center, solver="exact").fit(X).error_estimate_
    assert error <= model.error_estimate_ * (1 + 1e-9)
    assert error <= 1.05 * best
    assert model.n_samples_ == len(X)
    if center:
        np.testing.assert_allclose(model.mean_, X.mean(0), rtol=1e-6)


def test_fit_begins_again():
    """Rows of an earlier partial_fit that stay."""
    X = data()
    model = RandomizedLowRank(K, center=True, random_state=0)
    model.partial_fit(100 * X[:50]).fit(X)
    np.testing.assert_array_equal(
        model.components_, RandomizedLowRank(K, center=True, random_state=0).fit(X).components_
    )
    again = RandomizedLowRank(K, center=True).partial_fit(100 * X[:50]).fit_chunks(chunks(X))
    assert again.n_samples_ == M


def test_truncate_and_clone():
    """A truncated estimator that looks at the running state of the larger one."""
    X = data()
    model = RandomizedLowRank(K, center=True).partial_fit(X)
    smaller = model.truncate(2)
    assert smaller.transform(X).shape == (M, 2)
    np.testing.assert_allclose(
        smaller.error_estimate_, RandomizedLowRank(2, center=True).fit(X).error_estimate_, rtol=1e-9
    )
    with pytest.raises(NotFittedError):
        clone(model).transform(X)
    pipeline = make_pipeline(StandardScaler(), RandomizedLowRank(K)).fit(X)
    assert pipeline.transform(X).shape == (M, K)


def test_as_accurate_as_pca_with_a_large_mean():
    """Sums of squares without centring: none of their digits is left."""
    X = data(mean=0.0) + 1e6
    model = RandomizedLowRank(K, center=True).partial_fit(iter(pieces(X, 7)))
    np.testing.assert_allclose(
        model.explained_variance_, PCA(K, svd_solver="full").fit(X).explained_variance_, rtol=1e-6
    )


def test_float32_stays():
    """Results in another dtype than the data."""
    model = RandomizedLowRank(K, center=True).partial_fit(data().astype(np.float32))
    assert model.components_.dtype == model.transform(data().astype(np.float32)).dtype == np.float32


def test_lost_digits_are_told():
    """Rounding errors that are handed out as singular values."""
    X = np.outer(np.arange(1.0, 50), np.ones(N)) + np.eye(49, N) * 1e-12
    model = RandomizedLowRank(3).partial_fit(X)
    with pytest.warns(ConvergenceWarning, match="The 2 smallest of 3 singular values are below 4.7e-08"):
        assert model.singular_values_.shape == (3,)


# -- checkpoints --------------------------------------------------------------------------------


class Interrupted(Exception):
    """What stops a pass in the middle."""


def stopping_after(X, n, size=70):
    """Chunks that fail once, after `n`."""
    state = {"is_first": True}

    def factory():
        for i, chunk in enumerate(pieces(X, size)):
            if i == n and state["is_first"]:
                state["is_first"] = False
                raise Interrupted
            yield chunk

    return RowChunks(factory, X.shape, X.dtype)


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("stop", [1, 4, 8])
@pytest.mark.parametrize("columns", [N, WIDE])
def test_resumed_with_the_same_bits(columns, stop, every, tmp_path):
    """A chunk that is taken in twice or left out, or a state that is not all of it."""
    X, size = (data(), 70) if columns == N else (wide(), 14)
    expected = RandomizedLowRank(K, center=True).fit_chunks(chunks(X, size))
    source, file = stopping_after(X, stop, size), tmp_path / "state"
    model = RandomizedLowRank(K, center=True)
    with pytest.raises(Interrupted):
        model.fit_chunks(source, checkpoint=file, every=every)
    with pytest.raises(NotFittedError):
        model.transform(X)
    assert file.exists() == (stop >= every)
    model.fit_chunks(source, checkpoint=file, every=every)
    for name in (*FITTED, "mean_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(expected, name))
    assert os.listdir(tmp_path) == []


def test_resumed_after_a_kill(tmp_path):
    """A file that is not whole when the process ends without warning."""
    program = textwrap.dedent(
        """
        import os, signal, sys
        import numpy as np
        from sklr.decomposition import RandomizedLowRank
        from sklr.linalg import RowChunks

        X = np.random.default_rng(0).standard_normal((600, 20))

        def factory():
            for i in range(12):
                if i == 7 and sys.argv[2] == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                yield X[50 * i : 50 * i + 50]

        model = RandomizedLowRank(3, center=True)
        model.fit_chunks(RowChunks(factory, X.shape), checkpoint=sys.argv[1], every=2)
        sys.stdout.write(model.components_.tobytes().hex())
        """
    )

    def run(file, what):
        command = [sys.executable, "-c", program, str(tmp_path / file), what]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    killed = run("a", "kill")
    assert killed.returncode == -9 and (tmp_path / "a").exists()
    resumed, whole = run("a", "go on"), run("b", "go on")
    assert resumed.returncode == whole.returncode == 0, resumed.stderr
    assert resumed.stdout == whole.stdout != ""


@pytest.fixture
def stopped(tmp_path):
    """``(X, file)``: a checkpoint after four chunks of X."""
    X, file = data(), tmp_path / "state"
    with pytest.raises(Interrupted):
        RandomizedLowRank(K, center=True).fit_chunks(stopping_after(X, 4), checkpoint=file, every=2)
    return X, file


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"center": False}, "center is True there and False here"),
        ({"n_components": 5}, "n_components is 4 there and 5 here"),
        ({"feature_weight": np.ones(N)}, "feature_weight is None there"),
        ({"solver": "frequent_directions"}, "solver is 'auto' there"),
    ],
)
def test_other_parameters_do_not_resume(stopped, parameters, message):
    """A state of another model that is taken for this one's."""
    X, file = stopped
    model = RandomizedLowRank(K, center=True).set_params(**parameters)
    with pytest.raises(ValueError, match=f"belongs to another fit: {message}"):
        model.fit_chunks(chunks(X), checkpoint=file)
    assert file.exists()


def test_other_data_do_not_resume(stopped):
    """Data that have changed since, the shape or dtype of others, or a file of something else."""
    X, file = stopped
    model = RandomizedLowRank(K, center=True)
    for row in (0, 100, 279):  # of the first, the second and the last chunk that were taken in
        other = X.copy()
        other[row, 0] += 1
        with pytest.raises(ValueError, match="belongs to other data: chunk . of X has changed"):
            model.fit_chunks(chunks(other), checkpoint=file)
    with pytest.raises(ValueError, match="the shape of X is .600, 30. there and .599, 30. here"):
        model.fit_chunks(chunks(X[:-1]), checkpoint=file)
    with pytest.raises(ValueError, match="the dtype of X is float64 there and float32 here"):
        model.fit_chunks(chunks(X.astype(np.float32)), checkpoint=file)
    file.write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        model.fit_chunks(chunks(X), checkpoint=file)
    file.write_bytes(pickle.dumps({"a": "dictionary"}))
    with pytest.raises(ValueError, match="is not a checkpoint"):
        model.fit_chunks(chunks(X), checkpoint=file)


def test_whiten_and_threads_may_change(stopped):
    """A refusal of what makes no difference to the state."""
    X, file = stopped
    model = RandomizedLowRank(K, center=True, whiten=True, n_threads=1)
    model.fit_chunks(chunks(X), checkpoint=file)
    np.testing.assert_allclose(model.transform(X).std(axis=0, ddof=1), 1, rtol=1e-9)


def test_a_full_disk_keeps_the_checkpoint_before(stopped, monkeypatch):
    """A pass that dies of its own safety, or half a file in the place of a whole one."""
    X, file = stopped
    before = file.read_bytes()

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    source = stopping_after(X, 6)
    monkeypatch.setattr(os, "fsync", no_space)
    with (
        pytest.warns(RuntimeWarning, match="after 6 chunks could not be written.*No space left.*one before"),
        pytest.raises(Interrupted),
    ):
        RandomizedLowRank(K, center=True).fit_chunks(source, checkpoint=file, every=2)
    assert file.read_bytes() == before and os.listdir(file.parent) == [file.name]
    monkeypatch.undo()
    model = RandomizedLowRank(K, center=True).fit_chunks(source, checkpoint=file)
    np.testing.assert_array_equal(
        model.components_, RandomizedLowRank(K, center=True).fit_chunks(chunks(X)).components_
    )


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda X: X[:, 1:], "X has 29 features, but RandomizedLowRank is expecting 30"),
        (lambda X: X.astype(np.float32), r"X \(chunk 2\) is computed in float32"),
        (lambda X: X[:0], "Found array with 0 sample"),
        (lambda X: np.where(X > 4, np.nan, X), r"X \(chunk 2\) contains NaN: first seen at row"),
        (lambda X: np.where(X > 4, np.inf, X), r"X \(chunk 2\) contains infinity"),
        (lambda X: X[0], "Expected 2D array"),
        (lambda X: X + 1j, "Complex data not supported"),
    ],
)
def test_a_bad_chunk_is_refused_and_changes_nothing(bad, message):
    """A chunk of which a part was taken in."""
    X = data()
    model = RandomizedLowRank(K, center=True).partial_fit(X[:100]).partial_fit(X[100:200])
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(bad(X))
    assert pickle.dumps(model) == before
    fresh = RandomizedLowRank(K, center=True)
    if "expecting" not in message and "float32" not in message:
        with pytest.raises(ValueError):
            fresh.partial_fit(bad(X))
        with pytest.raises(NotFittedError):
            fresh.transform(X)


def test_chunk_17_is_named():
    """An error that says that there is a NaN somewhere in a terabyte."""
    X = data()
    X[17 * 30 + 4, 3] = np.nan
    with pytest.raises(ValueError, match=r"X \(chunk 17\) contains NaN: first seen at row 4, column 3"):
        RandomizedLowRank(K).fit_chunks(chunks(X, 30))


def test_chunks_not_as_promised():
    """Rows that are missing, or too many."""
    X = data()
    for m, message in [
        (M + 1, "ended after chunk 8 with 600 rows, expected 601"),
        (M - 1, "goes beyond the 599"),
    ]:
        with pytest.raises(ValueError, match=message):
            RandomizedLowRank(K).fit_chunks(RowChunks(lambda: iter(pieces(X)), (m, N)))
    with pytest.raises(TypeError, match="X must be RowChunks, got ndarray"):
        RandomizedLowRank(K).fit_chunks(X)
    with pytest.raises(ValueError, match="every must be a positive int"):
        RandomizedLowRank(K).fit_chunks(chunks(X), every=0)


def test_unlike_estimators_do_not_merge():
    """States of other models that are added up."""
    X = data()
    model = RandomizedLowRank(K, center=True).partial_fit(X)
    for other, error, message in [
        (RandomizedLowRank(K).partial_fit(X), ValueError, "center is True here and False there"),
        (RandomizedLowRank(K, center=True).partial_fit(X[:, :9]), ValueError, "n_features is 30 here and 9"),
        (
            RandomizedLowRank(K, center=True, solver="frequent_directions").partial_fit(X),
            ValueError,
            "RunningGram, that a FrequentDirections",
        ),
        (
            RandomizedLowRank(K, center=True, feature_weight=2.0).partial_fit(X),
            ValueError,
            "feature_weight is None here and 2.0",
        ),
        (model, ValueError, "a state with itself"),
        (RandomizedLowRank(K, center=True), ValueError, "has no rows yet"),
        (RandomizedLowRank(K, center=True).fit(X), ValueError, "was fitted by fit"),
        (PCA(2).fit(X), TypeError, "other must be a RandomizedLowRank, got PCA"),
    ]:
        with pytest.raises(error, match=message):
            model.merge(other)
    assert model.n_samples_ == M


def test_parameters_that_do_not_go_with_chunks():
    """An option that is accepted and ignored."""
    X = data()
    for parameters, message in [
        ({"solver": "krylov"}, "no partial_fit with solver='krylov', .*fit with RowChunks"),
        ({"sketch": "srtt"}, "no partial_fit with sketch='srtt'"),
    ]:
        with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as refusal:
            RandomizedLowRank(K, **parameters).partial_fit  # noqa: B018
        assert re.search(message, str(refusal.value.__cause__))
    for solver in ("frequent_directions", "svd_update"):
        with pytest.raises(ValueError, match=f"solver='{solver}' takes rows as they come"):
            RandomizedLowRank(K, solver=solver).fit(X)
        with pytest.raises(ValueError, match="the data choose the rank"):
            RandomizedLowRank(0.9, solver=solver).partial_fit(X)
    with pytest.raises(ValueError, match="'svd_update' does not centre"):
        RandomizedLowRank(K, solver="svd_update", center=True).partial_fit(X)
    with pytest.raises(ValueError, match="max_memory is 0.000954 MiB"):
        RandomizedLowRank(K, max_memory=1000).partial_fit(X)
    with pytest.raises(ValueError, match="sample_weight cannot go with an iterator"):
        RandomizedLowRank(K).partial_fit(iter([X]), sample_weight=np.ones(M))
    for factor, error in [(0, ValueError), (2, ValueError), ("half", TypeError), (True, TypeError)]:
        with pytest.raises(error, match="factor must be"):
            RandomizedLowRank(K).partial_fit(X).forget(factor)
    with pytest.raises(ValueError, match="forget needs the running state of partial_fit"):
        RandomizedLowRank(K).fit(X).forget(0.5)


def test_one_row_has_no_variance_yet():
    """A division by zero, or an error while more rows may still come."""
    X = data()
    model = RandomizedLowRank(K, center=True).partial_fit(X[:1])
    with pytest.raises(ValueError, match="needs more than one sample"):
        model.components_  # noqa: B018
    assert model.partial_fit(X[1:]).n_samples_ == M
    few = RandomizedLowRank(K).partial_fit(X[:2])
    with pytest.warns(UserWarning, match="n_components=4 is larger than min.*=2"):
        assert few.n_components_ == 2


def test_parameters_of_the_state_do_not_change():
    """Chunks that are taken in with other weights or centring than those before them."""
    X = data()
    weight = np.ones(N)
    model = RandomizedLowRank(K, center=True, feature_weight=weight).partial_fit(X[:300])
    for parameters in ({"center": False}, {"feature_weight": None}, {"solver": "frequent_directions"}):
        before = model.get_params()
        model.set_params(**parameters)
        for use in (lambda: model.partial_fit(X), lambda: model.forget(0.5), lambda: model.components_):
            with pytest.raises(ValueError, match="when the first rows came in"):
                use()
        model.set_params(**before)
    weight[:] = 2
    with pytest.raises(
        ValueError, match="feature_weight was an array when the first rows came in and is another now"
    ):
        model.partial_fit(X)
    fitted = RandomizedLowRank(K, center=True).fit(X).set_params(center=False)
    with pytest.raises(ValueError, match="center was True when the first rows came in and is False"):
        fitted.partial_fit(X)
    sketched = RandomizedLowRank(2, solver="frequent_directions").partial_fit(X).set_params(n_components=5)
    with pytest.raises(ValueError, match="n_components was 2"):
        sketched.partial_fit(X)
    grown = RandomizedLowRank(2).partial_fit(X).set_params(n_components=5).partial_fit(X)
    assert grown.n_components_ == 5


@pytest.mark.parametrize("begin", ["fit", "partial_fit"])
def test_going_on_from_a_truncated_estimator(begin):
    """The mean and the number of rows of an earlier fit."""
    X = data()
    model = getattr(RandomizedLowRank(N, center=True), begin)(X[:200]).partial_fit(X[200:400])
    model = model.truncate(N).partial_fit(X[400:])
    expected = RandomizedLowRank(N, center=True, solver="gram").fit(X)
    np.testing.assert_allclose(model.mean_, X.mean(0), rtol=1e-9)
    np.testing.assert_allclose(model.explained_variance_, expected.explained_variance_, rtol=1e-6)
    assert model.n_samples_ == M and np.isnan(model.residual_norms_).all()


def test_weights_of_zero_and_chunk_weights():
    """Rows of no weight that are refused, or weights of the wrong chunk."""
    X = data()
    weight = np.arange(M) % 3.0
    model = RandomizedLowRank(K, center=True)
    for row, w in zip(X, weight, strict=True):
        model.partial_fit(row[None], sample_weight=[w])
    expected = RandomizedLowRank(K, center=True, solver="gram").fit(X, sample_weight=weight)
    assert_same_fit(model, expected)
    in_chunks = RandomizedLowRank(K, center=True).fit_chunks(chunks(X), sample_weight=weight)
    assert_same_fit(in_chunks, expected)


def test_variances_that_cancel_are_told():
    """A variance of 1e-6 of the mean square, in float32, without a word."""
    X = (data(mean=0) + 1e3).astype(np.float32)
    model = RandomizedLowRank(K).partial_fit(X)
    with pytest.warns(ConvergenceWarning, match="explained_variance_ is down to .* digits are lost"):
        assert model.explained_variance_.shape == (K,)


def test_float16_and_feature_weights():
    """Weights that are rounded to the dtype of the chunk."""
    X = data().astype(np.float16)
    weight = np.linspace(0.3, 3, N)
    model = RandomizedLowRank(K, feature_weight=weight, center=True).partial_fit(X)
    A = X.astype(np.float64) * np.sqrt(weight)
    expected = np.linalg.svd(A - A.mean(0))[1][:K]
    np.testing.assert_allclose(model.singular_values_, expected, rtol=1e-6)


def test_an_accuracy_that_cannot_be_had():
    """An option that is accepted and ignored."""
    with pytest.raises(ValueError, match="accuracy=1e-06 cannot be had from solver='frequent_directions'"):
        RandomizedLowRank(K, accuracy=1e-6, solver="frequent_directions").partial_fit(data())


def test_a_checkpoint_in_no_folder(tmp_path):
    """A warning for every checkpoint of a long night."""
    with pytest.raises(FileNotFoundError, match="folder of the checkpoint .* does not exist"):
        RandomizedLowRank(K).fit_chunks(chunks(data()), checkpoint=tmp_path / "no" / "file")
    with pytest.raises(ValueError, match="Chunk 0 of X has 30 columns, expected 31"):
        RandomizedLowRank(K).fit_chunks(RowChunks(lambda: iter(pieces(data())), (M, 31)))


def test_verbose_chunks(capsys):
    """A night without a word."""
    RandomizedLowRank(K, verbose=1).fit_chunks(chunks(data()), every=4)
    assert "8 chunks, 560 of 600 rows" in capsys.readouterr().out
