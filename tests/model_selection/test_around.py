"""What stands around a search: scikit-learn's halving, notebooks, threads."""

import os
import threading

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits, make_regression
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info

from sklr._backend import threads
from sklr.decomposition import RandomizedLowRank
from sklr.inspection import SketchSearchDisplay
from sklr.linear_model import SketchedRidge
from sklr.model_selection import SketchSearchCV

X, y = (part[:300] for part in load_digits(return_X_y=True))


def test_halving_over_the_sketch_size():
    """A sketch size that halving cannot set, or that is not the resource."""
    A, b = make_regression(400, 30, noise=10.0, random_state=0)
    model = SketchedRidge(axis="samples", sketch_size=60, random_state=0)
    arguments = {"resource": "sketch_size", "min_resources": 60, "max_resources": 240, "factor": 2, "cv": 3}
    grid = HalvingGridSearchCV(model, {"alpha": [0.01, 0.1, 1.0, 10.0]}, **arguments).fit(A, b)
    assert grid.n_resources_ == [60, 120, 240] and grid.n_candidates_ == [4, 2, 1]
    assert grid.best_estimator_.sketch_size == 240
    drawn = HalvingRandomSearchCV(
        model, {"alpha": np.logspace(-3, 2, 50)}, n_candidates=4, random_state=0, **arguments
    ).fit(A, b)
    assert drawn.best_estimator_.sketch_size == 240


def test_halving_over_the_rank():
    """A rank that halving cannot set."""
    model = make_pipeline(RandomizedLowRank(random_state=0), RidgeClassifier())
    search = HalvingGridSearchCV(
        model,
        {"ridgeclassifier__alpha": [0.1, 1.0, 10.0, 100.0]},
        resource="randomizedlowrank__n_components",
        min_resources=5,
        max_resources=20,
        factor=2,
        cv=3,
    ).fit(X, y)
    assert search.n_resources_ == [5, 10, 20]
    assert search.best_estimator_[0].n_components_ == 20


@pytest.mark.parametrize("fitted", [False, True])
def test_notebooks(fitted):
    """A representation that fails, or that hides the estimator."""
    model = make_pipeline(RandomizedLowRank(random_state=0), RidgeClassifier())
    search = SketchSearchCV(model, {"randomizedlowrank__n_components": [2, 3]}, cv=2)
    if fitted:
        search.fit(X, y)
    html = search._repr_html_()
    assert "SketchSearchCV" in html and "RandomizedLowRank" in html and "RidgeClassifier" in html


def test_a_search_in_a_cross_validation():
    """A search that cannot be cloned, fitted in folds, or put in a pipeline."""
    search = SketchSearchCV(
        make_pipeline(RandomizedLowRank(random_state=0), RidgeClassifier()),
        {"randomizedlowrank__n_components": [5, 20]},
        cv=2,
    )
    assert cross_val_score(search, X, y, cv=3).mean() > 0.7
    assert make_pipeline(RandomizedLowRank(30, random_state=0), search).fit(X, y).score(X, y) > 0.8


def test_jobs_in_threads_stay_within_the_cores(monkeypatch):
    """Two jobs with a pool each; a limit of BLAS that one of them lifts while the other one works."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 2)
    seen, lock = [], threading.Lock()
    real = threads.ordered

    def watched(compute, tasks, commit=None):
        def look(task):
            limits = [
                library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
            ]
            with lock:
                seen.append((threads._workers.active, max(limits, default=1)))
            return compute(task)

        return real(look, tasks, commit) if commit is not None else real(look, tasks)

    monkeypatch.setattr("sklr._backend.operands.ordered", watched)
    before = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    rng = np.random.default_rng(0)
    A, label = rng.standard_normal((3000, 60)), rng.integers(0, 2, 3000)
    model = make_pipeline(RandomizedLowRank(random_state=0, solver="krylov"), RidgeClassifier())
    search = SketchSearchCV(model, {"randomizedlowrank__n_components": [3, 6]}, cv=4, n_jobs=2, refit=False)
    with joblib.parallel_backend("threading"):
        search.fit(A, label)
    after = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    # Both jobs, and the one helper that a lone job has been granted until it is done with its task.
    assert seen and max(active for active, _ in seen) <= 3
    assert {limit for _, limit in seen} == {1}
    assert after == before


def test_display_of_a_halving_search():
    """Rounds of halving that are taken for candidates of one."""
    pytest.importorskip("matplotlib").use("Agg")
    A, b = make_regression(200, 10, noise=5.0, random_state=0)
    model = SketchedRidge(axis="samples", sketch_size=30, random_state=0)
    search = HalvingGridSearchCV(
        model,
        {"alpha": [0.1, 1.0]},
        resource="sketch_size",
        min_resources=30,
        max_resources=60,
        factor=2,
        cv=2,
    ).fit(A, b)
    display = SketchSearchDisplay.from_estimator(search, params="sketch_size")
    assert display.errorbars_[0][0].get_xdata().tolist() == [30, 60]


# -- joblib's backends --------------------------------------------------------------------------------


@pytest.fixture(params=["loky", "threading", "dask, threads", "dask, processes"])
def backend(request):
    """Two jobs on one of them, of as many processes as it says."""
    if not request.param.startswith("dask"):
        with joblib.parallel_backend(request.param, n_jobs=2):
            yield 2 if request.param == "loky" else 1
        return
    distributed = pytest.importorskip("distributed")
    in_processes = request.param.endswith("processes")
    n_processes = 2 if in_processes else 1
    with (
        distributed.LocalCluster(
            n_workers=n_processes,
            threads_per_worker=2 // n_processes,
            processes=in_processes,
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_backend("dask"),
    ):
        yield n_processes


def test_backends(backend):
    """Processes that take all cores each, BLAS with threads of its own, results of other workers."""

    def look(estimator, X, y):
        with threads.session():
            limits = [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]
            return {
                "score": estimator.score(X, y),
                "blas": max(limits, default=1),
                "cores": threads.cpu_count(),
                "process": os.getpid(),
            }

    model = make_pipeline(RandomizedLowRank(random_state=0), RidgeClassifier())
    grid = {"randomizedlowrank__n_components": [3, 6, 9]}
    search = SketchSearchCV(model, grid, cv=4, n_jobs=2, scoring=look, refit=False)
    found = search.fit(X, y).cv_results_
    assert set(found["mean_test_blas"]) == {1}
    assert found["mean_test_cores"].max() * backend <= max(threads.cpu_count(), backend)
    here = {os.getpid()} == {value for split in range(4) for value in found[f"split{split}_test_process"]}
    assert here == (backend == 1)
    with joblib.parallel_backend("sequential"):
        alone = search.set_params(n_jobs=None).fit(X, y).cv_results_
    for split in range(4):
        key = f"split{split}_test_score"
        np.testing.assert_array_equal(found[key], alone[key])
