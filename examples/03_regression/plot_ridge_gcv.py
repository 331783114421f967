"""
Choose alpha and the sketch size without a fold
===============================================

An average of a few ridge regressions on sketched features has two parameters to choose: `alpha`, and how
many features a sketch keeps. :class:`~sklr.linear_model.SketchedRidgeCV` scores the whole grid by
generalized cross-validation, from fits on all rows.

The claim: its curve is that of the error on rows that were held out, for CountSketch, which costs next to
nothing to apply, as for SRTT; the pair with the smallest value has nearly the smallest error. And from
two sketches it tells the error of plain ridge regression, which was never fitted.

It runs on generated data. Where the environment variable ``SKLR_DATA`` names a folder with
``lowrank_mice_snp/mice.npz`` (genotypes ``X`` of 1,814 mice, traits ``pheno``) it runs on those.

Source: P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation,
and tuning", 2023, arXiv:2310.04357.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklr.linear_model import SketchedRidge, SketchedRidgeCV

# %%
# Data, and a grid
# ----------------
# More features than rows, with variances that fall slowly, and as much noise as signal. There are 20
# targets, as good as 20 data sets: scores are means over them. The noise of one target on 1,000 rows alone
# would move all of its scores by 4 %, together.


def generate(n=1000, n_held_out=4000, p=1500):
    """Return X and y to fit, and X and y held out."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + n_held_out, p)) * np.arange(1, p + 1) ** -0.25
    signal = X @ rng.standard_normal((p, 20))
    y = signal / signal.std(axis=0) + rng.standard_normal(signal.shape)
    return X[:n], y[:n], X[n:], y[n:]


def read_mice(file):
    """Return the same of 1,400 mice, and of those that are left."""
    with np.load(file) as arrays:
        X, y = arrays["X"].astype(np.float64), arrays["pheno"][:, 0].astype(np.float64)
    known = np.isfinite(y)
    X, y = X[known], y[known]
    order = np.random.default_rng(0).permutation(len(y))
    fit, rest = order[:1400], order[1400:]
    return X[fit], (y[fit] - y.mean()) / y.std(), X[rest], (y[rest] - y.mean()) / y.std()


mice = Path(os.environ.get("SKLR_DATA", "")) / "lowrank_mice_snp" / "mice.npz"
if mice.is_file():
    name = "mice, first trait"
    X, y, X_new, y_new = read_mice(mice)
    alphas, sizes = np.array([1e2, 1e3, 1e4, 1e5]), [50, 100, 200, 400, 800]
else:
    name = "generated data"
    X, y, X_new, y_new = generate()
    alphas, sizes = np.array([1.0, 10.0, 100.0, 1000.0]), [60, 120, 240, 480, 960]
print(f"{name}: {X.shape[0]:,} rows of {X.shape[1]:,} features, {len(y_new):,} rows held out")

# %%
# The search
# ----------
# One `fit` scores all pairs. The errors on the rows held out are there to judge it only, and take a fit for
# each pair, of which `fit_path` lets those share a factorisation that differ in `alpha` alone.

results = {}
for sketch in ("count_sketch", "srtt"):
    options = {"axis": "features", "sketch": sketch, "n_sketches": 4, "random_state": 0}
    search = SketchedRidgeCV(alphas, sketch_sizes=sizes, **options).fit(X, y)
    path = SketchedRidge(**options).fit_path(X, y, search.cv_results_["params"])
    held_out = [np.mean((y_new - model.predict(X_new)) ** 2) for model in path]
    results[sketch] = search, np.reshape(held_out, (len(sizes), len(alphas)))
    print(
        f"{sketch}: chosen alpha {search.alpha_:g} and {search.sketch_size_} features; error held out "
        f"{held_out[search.cv_results_['mean_test_score'].argmax()]:.3f}, of the best {min(held_out):.3f}"
    )

# %%
# What two sketches say of none
# -----------------------------
# The error of an average of K sketches is nearly ``R + (R_1 - R) / K``, and its limit R is the error of
# plain ridge regression with another, larger alpha. Both are in ``cv_results_``. They are compared with
# generalized cross-validation of plain ridge regression.

pair = SketchedRidgeCV(
    alphas, axis="features", sketch="srtt", sketch_sizes=sizes, n_sketches=2, random_state=0
).fit(X, y)
limit_alpha, limit = pair.cv_results_["unsketched_alpha"], -pair.cv_results_["unsketched_score"]
plain_alphas = np.logspace(np.log10(limit_alpha.min()), np.log10(limit_alpha.max()), 40)
plain = -SketchedRidgeCV(plain_alphas, cv="gcv").fit(X, y).cv_results_["mean_test_score"]

# %%
# Lines are the estimates, symbols what came out on the rows held out.

colours, markers = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"], "osD^"
plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplots(1, 3, figsize=(14, 4.8), layout="constrained")
axes[1].sharey(axes[0])
for ax, (sketch, title) in zip(axes, {"count_sketch": "CountSketch", "srtt": "SRTT"}.items(), strict=False):
    search, held_out = results[sketch]
    scores = -search.cv_results_["mean_test_score"].reshape(held_out.shape)
    for j, alpha in enumerate(alphas):
        ax.plot(sizes, scores[:, j], color=colours[j])
        ax.plot(sizes, held_out[:, j], markers[j], color=colours[j], ms=6, label=f"{alpha:,g}")
    ax.plot(
        search.sketch_size_, -search.best_score_, "*", ms=17, mfc="none", mec="black", mew=1.5, label="chosen"
    )
    ax.set(xscale="log", xlabel="features kept by a sketch", title=f"{title}, average of 4")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
axes[0].set_ylabel("mean squared error")
axes[0].legend(title="alpha (line: GCV)")

ax = axes[2]
ax.plot(plain_alphas, plain, color="black", label="plain ridge, GCV")
for i, size in enumerate(sizes):
    at = slice(i * len(alphas), (i + 1) * len(alphas))
    shade = plt.get_cmap("cividis")(i / len(sizes))
    ax.plot(limit_alpha[at], limit[at], "o", color=shade, mec="black", ms=8, label=f"{size}")
ax.set(
    xscale="log",
    xlabel="alpha of plain ridge regression",
    ylabel="mean squared error",
    title="Told from 2 sketches (SRTT)",
)
ax.legend(title="features kept")
plt.show()

# %%
# The chosen pair is, for both sketches, the best one of the grid on the rows held out: 100 and 960 features,
# with an error of 1.716 for CountSketch and 1.683 for SRTT. The lines go through the symbols over the whole
# grid, at small alpha too, where the error is largest. What two sketches tell of plain ridge regression lies
# on its curve, over nearly three powers of ten of its alpha.
#
# It holds for rows that are exchangeable. For rows in groups or in time take folds. And the estimate from two
# sketches fails where a sketch has about as many features as there are rows and alpha is small: the error of
# one is at its peak there.
