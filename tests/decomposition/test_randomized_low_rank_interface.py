"""RandomizedLowRank under scikit-learn's interface: checks, names, copies, searches, threads, errors."""

import inspect
import pickle
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_info, threadpool_limits

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import RowChunks
from sklr.sketch import SparseStack

VARIANTS = [
    RandomizedLowRank(),
    RandomizedLowRank(center=True),
    RandomizedLowRank(solver="gram"),
    RandomizedLowRank(solver="krylov"),
    RandomizedLowRank(solver="exact"),
    RandomizedLowRank(solver="krylov", center=True, n_oversamples=0),
    RandomizedLowRank(sketch="sparse_stack"),
    RandomizedLowRank(sketch=SparseStack(n_blocks=2), center=True),
    RandomizedLowRank(n_threads=1),
    RandomizedLowRank(solver="subspace"),
    RandomizedLowRank(solver="single_pass", center=True),
    RandomizedLowRank(n_components=0.9, center=True, whiten=True),
    RandomizedLowRank(n_components="auto"),
    RandomizedLowRank(n_components=None, tol=0.1),
    RandomizedLowRank(accuracy=1e-8, solver="krylov"),
]


@parametrize_with_checks(VARIANTS)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a transformer; no check is expected to fail."""
    check(estimator)


def assert_same_fit(a, b):
    """Equal bits in every fitted attribute."""
    names = {name for name in vars(a) if name.endswith("_")}
    assert names == {name for name in vars(b) if name.endswith("_")}
    for name in names:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


# -- names and containers of the output -------------------------------------------------------------


def test_pandas_output(data):
    """Columns without names, or rows that lose their index."""
    X = pd.DataFrame(data, index=[f"row{i}" for i in range(300)], columns=[f"c{j}" for j in range(40)])
    model = RandomizedLowRank(3, random_state=0).set_output(transform="pandas")
    Z = model.fit_transform(X)
    assert isinstance(Z, pd.DataFrame)
    assert list(Z.columns) == list(model.get_feature_names_out())
    assert list(Z.columns) == ["randomizedlowrank0", "randomizedlowrank1", "randomizedlowrank2"]
    assert list(Z.index) == list(X.index)
    # To rounding: a DataFrame is in Fortran order.
    np.testing.assert_allclose(Z, RandomizedLowRank(3, random_state=0).fit_transform(data), atol=1e-12)
    assert list(model.feature_names_in_) == list(X.columns)
    np.testing.assert_array_equal(model.inverse_transform(Z), model.inverse_transform(Z.to_numpy()))


def test_polars_output(data):
    """A DataFrame library that comes in and does not go out."""
    X = pl.DataFrame(data, schema=[f"c{j}" for j in range(40)])
    model = RandomizedLowRank(3, random_state=0).set_output(transform="polars")
    Z = model.fit_transform(X)
    assert isinstance(Z, pl.DataFrame)
    assert Z.columns == list(model.get_feature_names_out())
    np.testing.assert_allclose(
        Z.to_numpy(), RandomizedLowRank(3, random_state=0).fit_transform(data), atol=1e-12
    )


def test_names_after_clipping():
    """As many names as were asked for, rather than as there are components."""
    with pytest.warns(UserWarning, match="clipped"):
        model = RandomizedLowRank(9).fit(np.eye(12, 4))
    assert len(model.get_feature_names_out()) == 4
    assert model.transform(np.eye(12, 4)).shape == (12, 4)


def test_other_column_names_are_refused(data):
    """Features in another order, or others, that are transformed as if they were the same."""
    X = pd.DataFrame(data, columns=[f"c{j}" for j in range(40)])
    model = RandomizedLowRank(3, random_state=0).fit(X)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(X.rename(columns={"c3": "d3"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.transform(data)


def test_names_of_an_earlier_fit_are_forgotten(data):
    """Names, and a mean, that belong to data which are no longer the fitted ones."""
    model = RandomizedLowRank(3, random_state=0)
    for X in (data, RowChunks(lambda: iter([data]), data.shape)):
        model.set_params(center=True).fit(pd.DataFrame(data, columns=[f"c{j}" for j in range(40)]))
        assert hasattr(model, "feature_names_in_") and hasattr(model, "mean_")
        model.set_params(center=False).fit(X)
        assert not hasattr(model, "feature_names_in_") and not hasattr(model, "mean_")
        np.testing.assert_array_equal(model.transform(data), model.transform(X))


# -- parameters and copies --------------------------------------------------------------------------


def test_parameters_by_name():
    """A parameter that is not stored as given, or cannot be set through a sketch."""
    sketch = SparseStack(n_blocks=4)
    model = RandomizedLowRank(3, sketch=sketch)
    params = model.get_params()
    assert params["sketch"] is sketch and params["sketch__n_blocks"] == 4
    assert {k for k in params if "__" not in k} == set(inspect.signature(RandomizedLowRank).parameters)
    model.set_params(sketch__n_blocks=2, n_components=5)
    assert model.sketch == SparseStack(n_blocks=2) and model.n_components == 5
    with pytest.raises(ValueError, match="has no parameter 'blocks'"):
        model.set_params(sketch__blocks=2)
    with pytest.raises(ValueError, match="Invalid parameter 'rank'"):
        model.set_params(rank=2)
    with pytest.raises(TypeError):
        RandomizedLowRank(3, 10)  # all but n_components by keyword


def test_clone_shares_nothing(data):
    """A clone whose sketch is that of the original: a search over it would change both."""
    model = RandomizedLowRank(3, sketch=SparseStack(n_blocks=4), random_state=0).fit(data)
    copy = clone(model)
    assert not hasattr(copy, "components_")
    copy.set_params(sketch__n_blocks=1)
    assert model.sketch.n_blocks == 4
    assert_same_fit(clone(model).fit(data), model)


@pytest.mark.parametrize("model", VARIANTS, ids=str)
def test_pickle(model, data):
    """A fitted attribute, or an object behind it, that does not survive."""
    model = clone(model).set_params(random_state=0).fit(data)
    copy = pickle.loads(pickle.dumps(model))
    assert_same_fit(copy, model)
    assert copy.get_params()["solver"] == model.solver and copy.sketch == model.sketch
    np.testing.assert_array_equal(copy.transform(data), model.transform(data))
    unfitted = pickle.loads(pickle.dumps(clone(model)))
    assert_same_fit(unfitted.fit(data), model)


def test_fit_does_not_change_data_or_parameters(contained, data):
    """Data centred in place, or a parameter overwritten by what it was resolved to."""
    X = contained(np.array(data))
    model = RandomizedLowRank(3, center=True, random_state=0)
    before = model.get_params()
    model.fit_transform(X)
    assert model.get_params() == before
    if contained.kind != "chunks":
        np.testing.assert_array_equal(X.toarray() if sparse.issparse(X) else X, data)


def test_fitting_again_forgets(data):
    """An attribute of the first fit that survives the second one on other data."""
    model = RandomizedLowRank(3, random_state=0).fit(data)
    model.fit(data[:100, :7])
    assert_same_fit(model, RandomizedLowRank(3, random_state=0).fit(data[:100, :7]))


# -- pipelines and searches -------------------------------------------------------------------------


def test_sparse_pipeline(data):
    """A step that makes sparse data dense on the way, or refuses them."""
    X = sparse.csr_array(data)
    y = data[:, 0] > 0
    pipe = make_pipeline(MaxAbsScaler(), RandomizedLowRank(10, random_state=0), LogisticRegression())
    dense = clone(pipe).fit(data, y)
    pipe.fit(X, y)
    np.testing.assert_allclose(pipe.predict_proba(X), dense.predict_proba(data), atol=1e-6)
    assert list(pipe[:-1].get_feature_names_out()) == [f"randomizedlowrank{i}" for i in range(10)]


@pytest.fixture(scope="module")
def search():
    """Function ``(n_jobs, backend, grid) -> results`` of a grid search on digits."""
    X, y = load_digits(return_X_y=True)
    X, y = X[::4], y[::4]

    def run(grid, n_jobs, backend="loky", sketch="auto"):
        low_rank = RandomizedLowRank(8, solver="krylov", sketch=sketch, random_state=0)
        pipe = Pipeline(
            [
                ("scale", StandardScaler()),
                ("low_rank", low_rank),
                ("classify", LogisticRegression(max_iter=50, tol=1e-2)),
            ]
        )
        with joblib.parallel_backend(backend, n_jobs=n_jobs):
            found = GridSearchCV(pipe, grid, cv=2).fit(X, y)
        return found, X

    return run


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_searches_give_the_results_of_one_job(backend, search):
    """Workers that share a sketch and change it for each other, or compute other bits."""
    sketches = {"low_rank__sketch__n_blocks": [1, 3]}
    ranks = {"low_rank__n_components": [2, 8]}
    for grid, sketch in [(sketches, SparseStack(n_blocks=2)), (ranks, "auto")]:
        alone, X = search(grid, 1, sketch=sketch)
        together, _ = search(grid, 2, backend, sketch=sketch)
        np.testing.assert_array_equal(
            together.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
        )
        assert together.best_params_ == alone.best_params_
        assert_same_fit(together.best_estimator_["low_rank"], alone.best_estimator_["low_rank"])
        np.testing.assert_array_equal(
            together.best_estimator_.predict_proba(X), alone.best_estimator_.predict_proba(X)
        )
    assert sketch == "auto" and alone.best_params_ == {"low_rank__n_components": 8}


def test_search_does_not_change_the_sketch_it_was_given(search):
    """`set_params` on the user's own object."""
    sketch = SparseStack(n_blocks=2)
    found, _ = search({"low_rank__sketch__n_blocks": [1, 3]}, 1, sketch=sketch)
    assert sketch.n_blocks == 2
    n_blocks = found.best_estimator_["low_rank"].sketch.n_blocks
    assert n_blocks == found.best_params_["low_rank__sketch__n_blocks"]


@pytest.mark.parametrize("solver", ["gram", "krylov", "exact"])
def test_overlapping_fits_in_threads(solver):
    """Two fits at once: other bits than a lone one, or BLAS left at one thread when both are done."""
    rng = np.random.default_rng(0)
    matrices = [rng.standard_normal((3000, 80)) + 1 for _ in range(2)]

    def fit(X):
        return RandomizedLowRank(6, center=True, solver=solver, random_state=0).fit(X)

    def blas_threads():
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        alone = [fit(X) for X in matrices]
        results = [[], []]
        start = threading.Barrier(2)

        def work(i):
            start.wait()
            for _ in range(6):
                results[i].append(fit(matrices[i]))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert blas_threads() == before
    for model, repeats in zip(alone, results, strict=True):
        assert len(repeats) == 6
        for other in repeats:
            assert_same_fit(model, other)


# -- clipping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.parametrize("solver", ["gram", "krylov", "exact"])
def test_clipping_warns_where_the_user_called(solver, method):
    """A warning with other numbers, or that points into the library."""
    X = np.random.default_rng(0).standard_normal((30, 7))
    model = RandomizedLowRank(12, solver=solver, random_state=0)
    with pytest.warns(UserWarning) as caught:
        getattr(model, method)(X)
        line = inspect.currentframe().f_lineno - 1
    assert len(caught) == 1
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)
    message = str(caught[0].message)
    assert "n_components=12 is larger than min(n_samples, n_features)=7" in message
    assert model.components_.shape == (7, 7)
    assert model.n_components == 12
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, atol=1e-12)


def test_clipping_in_a_pipeline_warns_where_the_user_called(data):
    """A warning that points into scikit-learn."""
    with pytest.warns(UserWarning, match=r"n_components=50 .*=40") as caught:
        make_pipeline(StandardScaler(), RandomizedLowRank(50, random_state=0)).fit(data)
    assert [w.filename for w in caught] == [__file__]


def test_no_warning_without_a_reason(contained, data):
    """A warning from a fit that has nothing to warn about."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for k in (1, 40):
            RandomizedLowRank(k, solver="exact").fit(data).transform(data)
        RandomizedLowRank(5, center=True, random_state=0).fit_transform(contained(data))


# -- errors -----------------------------------------------------------------------------------------

GOOD = np.arange(60.0).reshape(12, 5) ** 0.5


def bad_entry(value, row=7, column=3):
    X = GOOD.copy()
    X[row, column] = value
    return X


BAD_DATA = {
    "nan": (bad_entry(np.nan), ValueError, "Input X contains NaN.*row 7, column 3.*Impute or drop"),
    "inf": (bad_entry(np.inf), ValueError, "Input X contains infinity.*row 7, column 3.*Clip or drop"),
    "nan in csr": (sparse.csr_array(bad_entry(np.nan)), ValueError, "X contains NaN.*row 7, column 3"),
    "nan in csc": (sparse.csc_array(bad_entry(np.nan)), ValueError, "X contains NaN.*row 7, column 3"),
    "squares overflow": (bad_entry(1e200), ValueError, "squares of X overflow.*1e.?200.*Divide X by"),
    "squares underflow": (GOOD * 1e-170, ValueError, "squares of X underflow.*e-170.*Divide X by"),
    "complex": (GOOD * 1j, ValueError, "Complex data not supported"),
    "complex csr": (sparse.csr_array(GOOD * 1j), ValueError, "Complex data not supported"),
    "strings": (np.array([["a", "b"], ["c", "d"]]), ValueError, "Convert your data to numeric"),
    "objects": (np.array([["a", 1.0], ["c", 2.0]], dtype=object), ValueError, "could not convert|Convert"),
    "no rows": (np.empty((0, 5)), ValueError, r"0 sample\(s\)"),
    "no columns": (np.empty((12, 0)), ValueError, r"0 feature\(s\)"),
    "one-dimensional": (GOOD[0], ValueError, "(?s)Expected 2D array, got 1D array.*Reshape your data"),
    "three-dimensional": (GOOD[None], ValueError, "Found array with dim 3"),
    "iterator": (iter(GOOD), TypeError, "X is an iterator.*RowChunks.*partial_fit"),
    "generator": ((row for row in GOOD), TypeError, "X is an iterator.*RowChunks.*partial_fit"),
    "chunks with nan": (
        RowChunks(lambda: iter([GOOD[:6], bad_entry(np.nan)[6:]]), GOOD.shape),
        ValueError,
        r"X contains NaN.*row 7, column 3 \(chunk 1\)",
    ),
    "chunks that end": (
        RowChunks(lambda: iter([GOOD[:5]]), GOOD.shape),
        ValueError,
        "chunks of X ended after chunk 0 with 5 rows, expected 12",
    ),
    "chunks that change width": (
        RowChunks(lambda: iter([GOOD[:6], GOOD[6:, :4]]), GOOD.shape),
        ValueError,
        "Chunk 1 of X has 4 columns, expected 5",
    ),
}
BAD_PARAMETERS = {
    "n_components=0": ({"n_components": 0}, ValueError, "n_components must be at least 1, got 0"),
    "n_components=1.5": ({"n_components": 1.5}, ValueError, r"n_components .* \(0, 1\).* got 1.5"),
    "n_components='mle'": ({"n_components": "mle"}, TypeError, "n_components .* 'auto' or None, got 'mle'"),
    "n_components=True": ({"n_components": True}, TypeError, "n_components must be an int.* got True"),
    "tol=0": ({"tol": 0}, ValueError, r"tol must be in \(0, 1\).* Got 0"),
    "tol='small'": ({"tol": "small"}, TypeError, "tol must be a float.* got 'small'"),
    "accuracy=1": ({"accuracy": 1}, ValueError, r"accuracy must be in \(0, 1\).* Got 1"),
    "tol and a fraction": (
        {"tol": 0.1, "n_components": 0.9},
        ValueError,
        "n_components=0.9 and tol=0.1 both choose the rank. Give one",
    ),
    "tol and 'auto'": ({"tol": 0.1, "n_components": "auto"}, ValueError, "both choose the rank"),
    "single_pass without a rank": (
        {"solver": "single_pass", "n_components": 0.9},
        ValueError,
        "solver='single_pass' cannot be used here: it needs n_components as an int",
    ),
    "gram for a tiny tol": (
        {"solver": "gram", "n_components": None, "tol": 1e-9},
        ValueError,
        "solver='gram' cannot be used here: squared singular values do not hold",
    ),
    "feature_weight short": ({"feature_weight": [1, 2]}, ValueError, r"feature_weight .* \(5,\), got \(2,"),
    "feature_weight zero": (
        {"feature_weight": [1, 2, 0, 1, 1]},
        ValueError,
        "feature_weight must be positive, got 0.0 at position 2: drop the features",
    ),
    "max_iter=0": ({"max_iter": 0}, ValueError, r"'max_iter' .* Got 0"),
    "max_memory too small": ({"max_memory": 100}, ValueError, "no solver for .* at least max_memory="),
    "max_memory too small, rank open": (
        {"max_memory": 100, "n_components": 0.9},
        ValueError,
        "no solver for .* at least max_memory=",
    ),
    "a sketch where it would not be used": (
        {"sketch": "gaussian", "n_components": None, "tol": 1e-9},
        ValueError,
        "no solver for .*krylov: .*Gaussian blocks, and a sketch was given .use sketch='auto'",
    ),
    "max_memory too small for one": (
        {"max_memory": 100, "solver": "gram"},
        ValueError,
        "solver='gram' cannot be used here: it needs .* Pass max_memory=",
    ),
    "whiten": ({"whiten": "yes"}, ValueError, "'whiten' .* Got 'yes'"),
    "verbose": ({"verbose": "yes"}, ValueError, "'verbose' .* Got 'yes'"),
    "n_oversamples=-1": ({"n_oversamples": -1}, ValueError, r"'n_oversamples' .* range \[0, inf\)\. Got -1"),
    "n_oversamples=True": ({"n_oversamples": True}, TypeError, "n_oversamples must be an int, got True"),
    "sketch unknown": ({"sketch": "gausian"}, ValueError, "'gausian'. Did you mean 'gaussian'.*sparse_stack"),
    "sketch a class": ({"sketch": SparseStack}, TypeError, r"sketch must be .* Did you mean SparseStack\(\)"),
    "sketch=None": ({"sketch": None}, TypeError, "sketch must be a name or a distribution, got None.*auto"),
    "sketch with bad parameters": ({"sketch": SparseStack(n_blocks=0)}, ValueError, "n_blocks.* got 0"),
    "solver unknown": ({"solver": "arpack"}, ValueError, "'solver' .*'krylov'.* Got 'arpack'"),
    "gram with a sketch": (
        {"solver": "gram", "sketch": "gaussian"},
        ValueError,
        "solver='gram' cannot be used here: .*sketch was given. Use solver='auto'",
    ),
    "exact with a sketch": (
        {"solver": "exact", "sketch": SparseStack()},
        ValueError,
        "solver='exact' cannot be used here: .*sketch was given. Use solver='auto'",
    ),
    "center": ({"center": "yes"}, ValueError, "'center' .* Got 'yes'"),
    "n_threads=0": ({"n_threads": 0}, ValueError, r"'n_threads' .* range \[1, inf\)\. Got 0"),
    "n_threads=-1": ({"n_threads": -1}, ValueError, r"'n_threads' .* range \[1, inf\)\. Got -1"),
    "n_threads=True": ({"n_threads": True}, TypeError, "n_threads must be None or an int, got True"),
    "random_state": ({"random_state": "0"}, ValueError, "'random_state' .* Got '0'"),
}


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_are_named_and_leave_nothing(case, method):
    """Data that are computed with; an error without array and remedy; a half-fitted estimator."""
    X, error, message = BAD_DATA[case]
    model = RandomizedLowRank(center=True, random_state=0)
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        getattr(model, method)(X)
    assert vars(model) == before
    model.fit(GOOD[:, :4])
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        getattr(model, method)(X)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    assert model.transform(GOOD[:, :4]).shape == (12, 2)


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters_are_named_and_leave_nothing(case):
    """A parameter that is ignored or coerced; an error that names another one."""
    parameters, error, message = BAD_PARAMETERS[case]
    model = RandomizedLowRank(random_state=0).set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.fit(GOOD)
    assert vars(model) == before
    model = RandomizedLowRank(random_state=0).fit(GOOD)
    model.set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.fit(GOOD)
    assert all(vars(model)[name] is value for name, value in before.items())


def test_gram_on_wide_chunks_is_refused():
    """Chunks of rows that would have to be swept by columns."""
    X = RowChunks(lambda: iter([GOOD.T]), GOOD.T.shape)
    with pytest.raises(ValueError, match="solver='gram' cannot be used here.*more columns than rows"):
        RandomizedLowRank(solver="gram").fit(X)
    assert RandomizedLowRank(random_state=0).fit(X).solver_ != "gram"


def test_not_fitted():
    """An AttributeError for who forgets to fit."""
    for call in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError, match="RandomizedLowRank instance is not fitted yet"):
            getattr(RandomizedLowRank(), call)(GOOD)
    with pytest.raises(NotFittedError):
        RandomizedLowRank().transform(RowChunks(lambda: iter([GOOD]), GOOD.shape))
    with pytest.raises(NotFittedError):
        RandomizedLowRank().get_feature_names_out()


def test_wrong_widths():
    """Columns that are dropped, or an error of NumPy's about shapes."""
    model = RandomizedLowRank(3, random_state=0).fit(GOOD)
    message = "X has 4 features, but RandomizedLowRank is expecting 5 features"
    narrow = GOOD[:, :4]
    for X in (narrow, sparse.csr_array(narrow), RowChunks(lambda: iter([narrow]), narrow.shape)):
        with pytest.raises(ValueError, match=message):
            model.transform(X)
    with pytest.raises(ValueError, match="X has 4 columns, but RandomizedLowRank has 3 components"):
        model.inverse_transform(narrow)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.inverse_transform(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="X contains NaN.*row 7, column 3"):
        model.transform(bad_entry(np.nan))
    with pytest.raises(TypeError, match="X is an iterator.*RowChunks"):
        model.transform(iter(GOOD))
