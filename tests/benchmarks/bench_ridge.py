"""Ridge regression: against Ridge, RidgeCV and RidgeClassifier, seconds, accuracy and risk.

wide, single, scaled, conditioned
    One alpha: dense 400,000 x 300 and 100,000 x 2,000 in float64; dense 60,000 x 6,000 in float32, with a
    loose `tol`, and the risk on 10,000 of the rows, that are not fitted; sparse 500,000 x 1,000 with column
    scales over four decades, against Ridge's default for sparse data; condition numbers of 1e10 and 1e14,
    without alpha, against LAPACK.
alphas
    Ten values of alpha, left out row by row, on the first two.
genotypes
    20 values of alpha and 10 sketch sizes with two sketches of the features, for one trait of 1,814 mice with
    10,346 markers. "behind" is by how many standard errors (over the folds) the mean score of the chosen pair
    on five folds is below that of the best pair of a search on these folds; "fits" the seconds over those of
    one plain fit.
newsgroups
    Classification of 20 newsgroups by tf-idf weights.

Columns: "speed-up" is the seconds of the method over those of "sklr"; "coefficients" the relative error to
LAPACK's solution of the normal equations; "objective" and "residual norm" by which part more than the best
of all is left. Data sets are read from the folder that the environment variable SKLR_DATA names.
"""

from functools import partial

import numpy as np
from _harness import Report, alternate, arguments, data_file, mib, progress
from bench_low_rank import newsgroups as read_newsgroups
from scipy import linalg, sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge, RidgeClassifier, RidgeCV
from sklearn.model_selection import KFold

from sklr.linalg import centered
from sklr.linear_model import SketchedRidge, SketchedRidgeClassifier, SketchedRidgeCV


def dense(m, n, dtype=np.float64, seed=0):
    """Correlated columns with means, and targets with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n), dtype=np.float32).astype(dtype)
    X[:, 1:] += dtype(0.5) * X[:, :-1]
    X += dtype(1)
    y = X @ rng.standard_normal(n).astype(dtype) / dtype(np.sqrt(n)) + rng.standard_normal(m).astype(dtype)
    return X, y


def scaled_sparse(m, n, seed=0):
    """A hundredth of non-zeros; columns with scales from 1 to 1e-4."""
    X = sparse.random(m, n, density=0.01, format="csr", random_state=seed)
    rng = np.random.default_rng(seed)
    X = (X @ sparse.diags_array(np.geomspace(1, 1e-4, n))).tocsr()
    return X, X @ (rng.standard_normal(n) / np.geomspace(1, 1e-4, n)) + rng.standard_normal(m)


def objective(X, y, alpha, model):
    """What is minimised, in float64."""
    left = y - model.predict(X)
    return float(left.astype(np.float64) @ left + alpha * np.sum(model.coef_.astype(np.float64) ** 2))


# -- one alpha ------------------------------------------------------------------------------------------


def compare(report, args, name, data, peer, alpha=1.0):
    """Time both on `data`, and compare coefficients with those of the normal equations by LAPACK."""
    X, y = data
    timings = alternate(
        {
            "sklr": lambda: SketchedRidge(alpha, random_state=0).fit(X, y),
            str(peer): lambda: peer.fit(X, y),
        },
        args.repeats,
    )
    A = centered(X).astype(np.float64)
    G = A.gram()
    exact = np.linalg.solve(
        G + alpha * np.eye(len(G)), A.rmatmat((y - y.mean()).astype(np.float64)[:, None])
    )[:, 0]
    least = min(objective(X, y, alpha, timing.result) for timing in timings.values())
    for method, timing in timings.items():
        model = timing.result
        report.add(
            data=name,
            method=method,
            s=timing.median,
            speed_up=timings["sklr"].faster_than(timing),
            solver=getattr(model, "solver_", None),
            coefficients=float(np.linalg.norm(model.coef_ - exact) / np.linalg.norm(exact)),
            objective=objective(X, y, alpha, model) / least - 1,
            residual=getattr(model, "residual_", None),
            peak_mib=mib(timing.peak),
        )


def wide(report, args, small):
    """Dense, float64."""
    for m, n in ((400_000, 300), (100_000, 2_000)):
        name = f"dense {m // small} x {n} float64"
        compare(report, args, name, dense(m // small, n), Ridge(1.0, solver="cholesky"))


def scaled(report, args, small):
    """Sparse, with column scales over four decades."""
    m = 500_000 // small
    compare(report, args, f"sparse {m} x 1000", scaled_sparse(m, 1_000), Ridge(1.0))


def single(report, args, small):
    """Dense, float32, many columns: the risk on rows that were not fitted."""
    m, n = 60_000 // small, 6_000 // small
    X, y = dense(m, n, np.float32)
    cut = 5 * m // 6
    peer = Ridge(1.0, solver="cholesky")
    timings = alternate(
        {
            "sklr": lambda: SketchedRidge(1.0, tol=1e-2, random_state=0).fit(X[:cut], y[:cut]),
            "sklr, tol=1e-8": lambda: SketchedRidge(1.0, random_state=0).fit(X[:cut], y[:cut]),
            str(peer): lambda: peer.fit(X[:cut], y[:cut]),
        },
        args.repeats,
    )
    for method, timing in timings.items():
        model = timing.result
        report.add(
            data=f"dense {cut} x {n} float32",
            method=method,
            s=timing.median,
            speed_up=timings["sklr"].faster_than(timing),
            solver=getattr(model, "solver_", None),
            risk=float(np.mean((y[cut:] - model.predict(X[cut:])) ** 2, dtype=np.float64)),
            residual=getattr(model, "residual_", None),
            peak_mib=mib(timing.peak),
        )


def _coefficients(model, X, y):
    return model.fit(X, y).coef_


def _least_squares(X, y, driver):
    return linalg.lstsq(X, y, lapack_driver=driver)[0]


def conditioned(report, args, small):
    """Dense, ill-conditioned, without alpha."""
    m, n = 20_000 // small, 200
    rng = np.random.default_rng(0)
    for condition in (1e10, 1e14):
        U, V = (linalg.qr(rng.standard_normal((size, n)), mode="economic")[0] for size in (m, n))
        X = (U * np.geomspace(1, 1 / condition, n)) @ V.T
        y = X @ rng.standard_normal(n) + 1e-3 * rng.standard_normal(m) / np.sqrt(m)
        model = SketchedRidge(0.0, fit_intercept=False, random_state=0)
        functions = {
            f"sklr, {solver}": partial(_coefficients, clone(model).set_params(solver=solver), X, y)
            for solver in ("auto", "iterative", "exact")
        }
        for driver in ("gelsy", "gelsd"):
            functions[f"lstsq, {driver}"] = partial(_least_squares, X, y, driver)
        timings = alternate(functions, args.repeats)
        norms = {method: np.linalg.norm(y - X @ timing.result) for method, timing in timings.items()}
        for method, timing in timings.items():
            report.add(
                data=f"dense {m} x {n}, condition {condition:.0e}",
                method=method,
                s=timing.median,
                speed_up=timings["sklr, auto"].faster_than(timing),
                residual_norm=norms[method] / min(norms["lstsq, gelsy"], norms["lstsq, gelsd"]) - 1,
            )


# -- searches -------------------------------------------------------------------------------------------


def alphas(report, args, small):
    """Ten values of alpha."""
    values = np.logspace(-2, 7, 10)
    for m, n in ((400_000, 300), (100_000, 2_000)):
        X, y = dense(m // small, n)
        timings = alternate(
            {
                "sklr": lambda X=X, y=y: SketchedRidgeCV(values).fit(X, y),
                "sklr, cv='gcv'": lambda X=X, y=y: SketchedRidgeCV(values, cv="gcv").fit(X, y),
                "RidgeCV": lambda X=X, y=y: RidgeCV(values).fit(X, y),
            },
            args.repeats,
        )
        for method, timing in timings.items():
            report.add(
                data=f"dense {m // small} x {n} float64",
                method=method,
                s=timing.median,
                speed_up=timings["sklr"].faster_than(timing),
                alpha=float(timing.result.alpha_),
                score=f"{timing.result.best_score_:.12f}",
                peak_mib=mib(timing.peak),
            )


def genotypes(report, args, small):
    """Alphas and sketch sizes for a trait of mice."""
    with np.load(data_file("lowrank_mice_snp", "mice.npz")) as z:
        X, y = z["X"].astype(float)[::small], z["pheno"][::small, 0]
    values, sizes = np.logspace(1, 5, 20), np.linspace(30, len(X) // 2, 10).astype(int)
    grid = {"axis": "features", "sketch_sizes": sizes, "n_sketches": 2, "random_state": 0}
    families = ("count_sketch", "auto", "srtt")
    functions = {"one plain fit": lambda: SketchedRidge(1000.0).fit(X, y)}
    functions |= {f: lambda f=f: SketchedRidgeCV(values, sketch=f, **grid).fit(X, y) for f in families}
    timings = alternate(functions, args.repeats)
    for family in families:
        progress(f"five folds with {family}")
        folds = KFold(5, shuffle=True, random_state=0)
        results = SketchedRidgeCV(values, sketch=family, cv=folds, **grid).fit(X, y).cv_results_
        scores = np.array([results[f"split{i}_test_score"] for i in range(5)])
        best = scores.mean(axis=0).argmax()
        model = timings[family].result
        mine = np.argmax(
            (results["param_alpha"] == model.alpha_) & (results["param_sketch_size"] == model.sketch_size_)
        )
        behind = scores[:, best] - scores[:, mine]
        report.add(
            data=f"genotypes {X.shape[0]} x {X.shape[1]}",
            sketch=family,
            s=timings[family].median,
            fits=1 / timings[family].faster_than(timings["one plain fit"]),
            alpha=model.alpha_,
            size=model.sketch_size_,
            alpha_of_folds=results["param_alpha"][best],
            size_of_folds=int(results["param_sketch_size"][best]),
            behind=float(behind.mean() / (scores[:, best].std(ddof=1) / np.sqrt(5))),
            peak_mib=mib(timings[family].peak),
        )


def newsgroups(report, args, small):
    """Classification of texts."""
    X = read_newsgroups(args.quick).A
    with np.load(data_file("text_20newsgroups", "20newsgroups_counts.npz")) as z:
        y, n_train = z["y"][: X.shape[0]], int(z["n_train"])
    n_train = min(n_train, 2 * X.shape[0] // 3)
    timings = alternate(
        {
            "sklr": lambda: SketchedRidgeClassifier(random_state=0).fit(X[:n_train], y[:n_train]),
            "sklr, tol=1e-4": lambda: SketchedRidgeClassifier(tol=1e-4, random_state=0).fit(
                X[:n_train], y[:n_train]
            ),
            "RidgeClassifier": lambda: RidgeClassifier().fit(X[:n_train], y[:n_train]),
        },
        args.repeats,
    )
    for method, timing in timings.items():
        model = timing.result
        report.add(
            data=f"newsgroups {n_train} x {X.shape[1]}",
            method=method,
            s=timing.median,
            speed_up=timings["sklr"].faster_than(timing),
            solver=model.solver_,
            accuracy=model.score(X[n_train:], y[n_train:]),
            residual=float(np.max(model.residual_)) if hasattr(model, "residual_") else None,
            peak_mib=mib(timing.peak),
        )


CASES = {case.__name__: case for case in (wide, single, scaled, conditioned, alphas, genotypes, newsgroups)}


def main():
    """All cases, or those that are asked for."""
    args = arguments(__doc__, lambda p: p.add_argument("--data", choices=CASES, action="append"))
    for name in args.data or CASES:
        with Report(f"Ridge regression: {name}.", args) as report:
            try:
                CASES[name](report, args, 20 if args.quick else 1)
            except FileNotFoundError as error:
                report.note(f"left out: {error}")


if __name__ == "__main__":
    main()
