"""SketchSearchCV against GridSearchCV: seconds of the whole search, and scores.

mnist
    Scaler, RandomizedLowRank and RidgeClassifier on 20,000 digits, ranks 10, 20, ..., 200, five folds.
newsgroups
    The same ranks on tf-idf weights of 18,846 texts, RidgeClassifier behind RandomizedLowRank, against
    GridSearchCV with TruncatedSVD.
genotypes
    20 values of alpha and 10 sketch sizes of SketchedRidge with sketched features, 1,814 mice, five folds.
threads
    n_jobs=2 in threads, against one job, and against two jobs without the control of threads: each with a
    thread of its own for every core, and BLAS with as many in each of these.

Columns: "s" seconds; "speed-up" those of the method over those of "sklr"; "best" the best mean score;
"differs" the largest difference of a mean score from that of GridSearchCV over the same estimator; "spread"
the mean standard deviation of scores over the folds. Data sets are read from the folder that SKLR_DATA names.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import joblib
import numpy as np
from _harness import Report, alternate, arguments, data_file, mib
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklr._backend import threads as controls
from sklr.decomposition import RandomizedLowRank
from sklr.linear_model import SketchedRidge
from sklr.model_selection import SketchSearchCV


def compare(report, args, name, searches, X, y, reference=None):
    """Rows of a table; the first search is sklr's."""

    def fitted(search):
        return lambda: clone(search).fit(X, y).cv_results_

    timings = alternate({key: fitted(search) for key, search in searches.items()}, args.repeats)
    first = timings[next(iter(searches))]
    for key, timing in timings.items():
        table = timing.result
        scores = table["mean_test_score"]
        row = {"data": name, "method": key, "s": timing.median, "speed_up": first.faster_than(timing)}
        row |= {"candidates": len(scores), "best": np.nanmax(scores), "differs": None}
        if reference is not None:
            row["differs"] = np.nanmax(np.abs(scores - timings[reference].result["mean_test_score"]))
        report.add(**row, spread=np.nanmean(table["std_test_score"]), peak_mib=mib(timing.peak))


def ranks(small):
    """10 to 200."""
    return list(range(10, (200 // small) + 1, 10))


def mnist(report, args, small):
    """Digits."""
    with np.load(data_file("images_mnist", "mnist_train_20k.npz")) as z:
        X, y = z["X"].astype(np.float32)[::small], z["y"][::small]
    grid = {"reduce__n_components": ranks(small)}
    searches = {}
    for solver in ("auto", "gram"):
        model = Pipeline(
            [
                ("scale", StandardScaler()),
                ("reduce", RandomizedLowRank(solver=solver, random_state=0)),
                ("classify", RidgeClassifier()),
            ]
        )
        kinds = {"sklr": SketchSearchCV, "GridSearchCV": GridSearchCV}
        searches = {key: kind(model, grid, refit=False) for key, kind in kinds.items()}
        compare(report, args, f"mnist, solver={solver}", searches, X, y, "GridSearchCV")


def newsgroups(report, args, small):
    """Words."""
    with np.load(data_file("text_20newsgroups", "20newsgroups_counts.npz")) as z:
        counts = sparse.csr_array(
            (z["data"].astype(float), z["indices"], z["indptr"]), shape=tuple(z["shape"])
        )
        y = z["y"][::small]
    X = TfidfTransformer(sublinear_tf=True).fit_transform(counts[::small])
    grid = {"reduce__n_components": ranks(small)}

    def model(reduce):
        return Pipeline([("reduce", reduce), ("classify", RidgeClassifier())])

    searches = {
        "sklr": SketchSearchCV(model(RandomizedLowRank(random_state=0)), grid, refit=False),
        "GridSearchCV, TruncatedSVD": GridSearchCV(model(TruncatedSVD(random_state=0)), grid, refit=False),
        "SketchSearchCV, TruncatedSVD": SketchSearchCV(
            model(TruncatedSVD(random_state=0)), grid, refit=False
        ),
    }
    compare(report, args, "newsgroups", searches, X, y)


def genotypes(report, args, small):
    """Markers of mice."""
    with np.load(data_file("lowrank_mice_snp", "mice.npz")) as z:
        X, y = z["X"].astype(float)[::small], z["pheno"][::small, 0]
    grid = {
        "alpha": np.logspace(1, 5, 20 // small),
        "sketch_size": np.linspace(30, len(X) // 2, 10 // small).astype(int).tolist(),
    }
    model = SketchedRidge(axis="features", random_state=0)
    kinds = {"sklr": SketchSearchCV, "GridSearchCV": GridSearchCV}
    searches = {key: kind(model, grid, refit=False) for key, kind in kinds.items()}
    compare(report, args, "genotypes", searches, X, y, "GridSearchCV")


class InThreads(SketchSearchCV):
    """The search, with jobs in threads."""

    def fit(self, X, y=None, **params):
        """Fit within the threading backend."""
        with joblib.parallel_backend("threading"):
            return super().fit(X, y, **params)


class Uncontrolled(InThreads):
    """The same, where nobody counts the threads and BLAS keeps those that it has."""

    def fit(self, X, y=None, **params):
        """Fit, with the two controls of the backend taken away."""
        blas, hire = controls._blas, controls._Workers.hire

        def hire_all(workers, n_wanted, work, helpers):
            if workers._pool is None:
                workers._pool, workers._pool_size = ThreadPoolExecutor(64), 64
            for _ in range(n_wanted):
                workers.enter()
                helpers.append(workers._pool.submit(workers._help, work, 64))

        controls._blas, controls._Workers.hire = nullcontext(), hire_all
        try:
            return super().fit(X, y, **params)
        finally:
            controls._blas, controls._Workers.hire = blas, hire


def threads(report, args, small):
    """Two jobs in one process."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000 // small, 500))
    y = (X @ rng.standard_normal(500) > 0).astype(int)
    grid = {"reduce__random_state": [0, 1]}

    for solver in ("krylov", "gram"):
        model = Pipeline([("reduce", RandomizedLowRank(50, solver=solver)), ("classify", RidgeClassifier())])
        searches = {
            "sklr, n_jobs=2": InThreads(model, grid, n_jobs=2, cv=4, refit=False),
            "sklr, n_jobs=1": InThreads(model, grid, n_jobs=1, cv=4, refit=False),
            "uncontrolled, n_jobs=2": Uncontrolled(model, grid, n_jobs=2, cv=4, refit=False),
        }
        compare(report, args, f"threads, solver={solver}", searches, X, y)


CASES = {case.__name__: case for case in (mnist, newsgroups, genotypes, threads)}


def main():
    """All cases, or those that are asked for."""
    args = arguments(__doc__, lambda p: p.add_argument("--data", choices=CASES, action="append"))
    for name in args.data or CASES:
        with Report(f"Searches: {name}.", args) as report:
            try:
                CASES[name](report, args, 4 if args.quick else 1)
            except FileNotFoundError as error:
                report.note(f"left out: {error}")


if __name__ == "__main__":
    main()
