"""Overheads: seconds of calls on tiny data, where nothing is computed, and where they go.

Fits and transforms of a pipeline in a search are often small. The table compares sklr with TruncatedSVD and
PCA; the profiles list the functions in which a call of sklr spends its time (they slow a call down several
times: look at the shares).
"""

import cProfile
import pstats
import timeit

import numpy as np
from _harness import Report, arguments, seconds_per_call
from sklearn.decomposition import PCA, TruncatedSVD

from sklr._backend import as_operand, session
from sklr.decomposition import RandomizedLowRank
from sklr.linalg import plan_low_rank, truncated_svd
from sklr.sketch import SparseStack

SHAPES = ((10, 5), (1_000, 20))


def open_session():
    """Nothing but the limit of BLAS."""
    with session():
        pass


def calls(shape):
    """``{name: function}`` of one shape; the first of a name's words says whose it is."""
    X = np.random.default_rng(0).standard_normal(shape)
    k = 2
    own = {
        "RandomizedLowRank()": RandomizedLowRank(k, random_state=0),
        "RandomizedLowRank(center=True)": RandomizedLowRank(k, center=True, random_state=0),
        'RandomizedLowRank(solver="krylov")': RandomizedLowRank(k, solver="krylov", random_state=0),
        'RandomizedLowRank(solver="exact")': RandomizedLowRank(k, solver="exact", random_state=0),
    }
    peers = {
        "TruncatedSVD()": TruncatedSVD(k, random_state=0),
        'TruncatedSVD(algorithm="arpack")': TruncatedSVD(k, algorithm="arpack", random_state=0),
        "PCA()": PCA(k, random_state=0),
        'PCA(svd_solver="randomized")': PCA(k, svd_solver="randomized", random_state=0),
    }
    found = {}
    for name, estimator in (own | peers).items():
        found[f"{name}.fit"] = lambda e=estimator: e.fit(X)
    for name, estimator in (own | peers).items():
        if name in ("RandomizedLowRank()", "RandomizedLowRank(center=True)", "TruncatedSVD()", "PCA()"):
            fitted = estimator.fit(X)
            found[f"{name}.transform"] = lambda e=fitted: e.transform(X)
    operand, Z = as_operand(X), np.ones((shape[1], k))
    operator = SparseStack().operator(min(8, shape[0]), shape[0], rng=0)

    def verb_in_session():
        with session():
            operand.matmat(Z)

    return found | {
        "session()": open_session,
        "as_operand(X)": lambda: as_operand(X),
        "plan_low_rank": lambda: plan_low_rank(operand, k),
        "truncated_svd": lambda: truncated_svd(X, k),
        "operand.matmat": lambda: operand.matmat(Z),
        "operand.matmat on one thread": lambda: operand.matmat(Z, n_threads=1),
        "operand.matmat inside a session": verb_in_session,
        "operand.gram": operand.gram,
        "SparseStack().operator": lambda: SparseStack().operator(min(8, shape[0]), shape[0], rng=0),
        "SketchOperator.apply": lambda: operator.apply(X),
    }


def profile(name, function, n_lines):
    """Print the functions in which `function` spends its time."""
    function()
    n_calls = max(timeit.Timer(function).autorange()[0], 50)
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(n_calls):
        function()
    profiler.disable()
    print(f"\nProfile of {name}, {n_calls} calls")
    statistics = pstats.Stats(profiler)
    statistics.strip_dirs().sort_stats("tottime").print_stats(n_lines)
    statistics.sort_stats("cumulative").print_stats(n_lines)


def main(args):
    """The table, then the profiles."""
    with Report(__doc__, args) as report:
        for shape in SHAPES:
            for name, function in calls(shape).items():
                micro = 1e6 * seconds_per_call(function, args.repeats)
                report.add(X=f"{shape[0]} x {shape[1]}", call=name, microseconds=round(micro, 1))
    for shape in SHAPES if args.profile else ():
        found = calls(shape)
        for name in (
            "RandomizedLowRank().fit",
            "RandomizedLowRank().transform",
            'RandomizedLowRank(solver="krylov").fit',
        ):
            profile(f"{name} on {shape[0]} x {shape[1]}", found[name], args.profile)


if __name__ == "__main__":
    main(
        arguments(
            __doc__, lambda p: p.add_argument("--profile", type=int, default=12, help="lines; 0 for none")
        )
    )
