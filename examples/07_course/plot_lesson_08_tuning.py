"""
Lesson 8: choosing sizes, and changing a model a little
=======================================================

The three measurements of :doc:`/course/08_tuning`.

The claims: without a penalty the error of regression on sketched features has a peak where the sketch has as
many rows as there are samples, and the right alpha takes the peak away. One fit of each fold serves all ranks
of a search, and the smallest rank within one standard error of the best is a smaller model that is as good,
as far as five folds can tell. And a linear map that was fitted to many data is adapted to a few new ones best
by a change of low rank: changing nothing is too little, refitting it too much.

Sources: X. Chen, Y. Zeng, S. Yang and Q. Sun, "Sketched Ridgeless Linear Regression: The Role of
Downsampling", 2023, arXiv:2302.01088. P. Nakkiran, P. Venkat, S. Kakade and T. Ma, "Optimal Regularization
Can Mitigate Double Descent", 2020, arXiv:2003.01897. L. Breiman, J. H. Friedman, R. A. Olshen and C. J.
Stone, "Classification and Regression Trees", 1984, section 3.4.3. E. J. Hu et al., "LoRA: Low-Rank Adaptation
of Large Language Models", 2021, arXiv:2106.09685. J. Lu, "Low-Rank Approximation, Adaptation, and Other
Tales", 2024, arXiv:2408.05883.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklr.decomposition import RandomizedLowRank
from sklr.linear_model import SketchedRidge, SketchedRidgeCV
from sklr.model_selection import SketchSearchCV, pareto_front, simplest_within

# %%
# The peak
# --------
# 100 samples of 200 standard normal features, coefficients of length 1 and noise of variance 0.25. The risk
# is the squared distance of the coefficients.

m, n, n_draws = 100, 200, 11
sizes = [20, 40, 60, 75, 85, 92, 96, 100, 104, 108, 115, 125, 150, 200]
how = {"axis": "features", "sketch": "gaussian", "fit_intercept": False}
ridgeless, tuned = np.zeros((n_draws, len(sizes))), np.zeros((n_draws, len(sizes)))
for seed in range(n_draws):
    rng = np.random.default_rng(seed)
    beta = rng.standard_normal(n)
    beta /= np.linalg.norm(beta)
    X = rng.standard_normal((m, n))
    y = X @ beta + 0.5 * rng.standard_normal(m)
    # One call scores the whole grid: nine alphas for each size.
    search = SketchedRidgeCV(np.logspace(0, 4, 9), sketch_sizes=sizes, random_state=seed, **how).fit(X, y)
    scores = search.cv_results_["mean_test_score"].reshape(len(sizes), -1)
    alphas = search.cv_results_["param_alpha"].reshape(scores.shape)
    for i, size in enumerate(sizes):
        for risks, alpha in ((ridgeless, 0.0), (tuned, alphas[i, np.argmax(scores[i])])):
            model = SketchedRidge(alpha, sketch_size=size, random_state=seed, **how).fit(X, y)
            risks[seed, i] = np.sum((model.coef_ - beta) ** 2)
for name, risks in {"alpha = 0": ridgeless, "alpha by GCV": tuned}.items():
    shown = ", ".join(f"{d}: {risk:.2f}" for d, risk in zip(sizes, np.median(risks, axis=0), strict=True))
    print(f"median risk, {name}: {shown}")

# %%
# The rank of a pipeline
# ----------------------

X, y = load_digits(return_X_y=True)
pipeline = Pipeline(
    [
        ("scale", StandardScaler()),
        ("reduce", RandomizedLowRank(random_state=0)),
        ("classify", RidgeClassifier()),
    ]
)
ranks = [2, 4, 6, 8, 10, 12, 15, 18, 22, 26, 30, 35, 40, 50, 60]
search = SketchSearchCV(pipeline, {"reduce__n_components": ranks}, cv=5).fit(X, y)
means = search.cv_results_["mean_test_score"]
errors = search.cv_results_["std_test_score"] / np.sqrt(5)
best = int(np.argmax(means))
simple = simplest_within("one_se", cost="reduce__n_components")(search.cv_results_)
front = pareto_front(search.cv_results_, cost="reduce__n_components")
print(f"best rank {ranks[best]}: {means[best]:.3f}")
print(f"one-standard-error rank {ranks[simple]}: {means[simple]:.3f}")

# %%
# Adaptation
# ----------
# A map of 60 features to 40 targets, fitted to 5,000 samples. In the new place it has changed by a matrix of
# rank 3, and only 90 samples are there. The low-rank change comes from reduced-rank regression.

p, t, true_rank, noise = 60, 40, 3, 1.0
updates = np.arange(0, 13)
errors_of = {
    "change of rank r": [],
    "refitted without W": [],
    "refitted towards W (ridge)": [],
    "W as it was": [],
}
for seed in range(8):
    rng = np.random.default_rng(100 + seed)
    W = rng.standard_normal((p, t))
    change = rng.standard_normal((p, true_rank)) @ rng.standard_normal((true_rank, t)) / 2
    X_old = rng.standard_normal((5_000, p))
    W_old = np.linalg.lstsq(X_old, X_old @ W + noise * rng.standard_normal((5_000, t)))[0]
    X_new = rng.standard_normal((90, p))
    left = X_new @ (W + change) + noise * rng.standard_normal((90, t)) - X_new @ W_old
    full = np.linalg.lstsq(X_new, left)[0]
    fitted = RandomizedLowRank(int(updates[-1]), solver="exact").fit(X_new @ full)
    line = []
    for r in updates:
        V = fitted.components_[:r].T
        line.append(np.sum((W_old + full @ V @ V.T - W - change) ** 2) / t)
    errors_of["change of rank r"].append(line)
    errors_of["refitted without W"].append(np.sum((W_old + full - W - change) ** 2) / t)
    ridge = SketchedRidgeCV(np.logspace(-1, 4, 11), fit_intercept=False).fit(X_new, left)
    errors_of["refitted towards W (ridge)"].append(np.sum((W_old + ridge.coef_.T - W - change) ** 2) / t)
    errors_of["W as it was"].append(np.sum((W_old - W - change) ** 2) / t)
adapted = {name: np.mean(values, axis=0) for name, values in errors_of.items()}
for name, value in adapted.items():
    print(f"{name}: error {np.round(value, 2)}")

# %%
# The figure
# ----------

blue, orange, green, purple = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplot_mosaic("AB;CC", figsize=(11, 9), layout="constrained")
axes = list(axes.values())

for (name, risks), colour, mark in zip(
    {"alpha = 0": ridgeless, "alpha by GCV": tuned}.items(), (orange, blue), "so", strict=True
):
    low, median, high = np.percentile(risks, [10, 50, 90], axis=0)
    axes[0].fill_between(sizes, low, high, color=colour, alpha=0.18, linewidth=0)
    axes[0].plot(sizes, median, marker=mark, color=colour, lw=2, ms=5, label=name)
axes[0].axvline(m, color="0.5", lw=1)
axes[0].text(m + 3, 0.36, "d = number of samples", color="0.3")
axes[0].set(
    yscale="log",
    ylim=(0.3, 1_000),
    xlabel="rows of the sketch of the features, d",
    ylabel="risk (variance of the signal = 1)",
    title="double descent, and its cure",
)
axes[0].legend(loc="upper left")

axes[1].errorbar(
    ranks,
    means,
    errors,
    color=blue,
    marker="o",
    ms=5,
    capsize=3,
    lw=1.5,
    label="mean of 5 folds, standard error",
)
axes[1].axhline(means[best] - errors[best], color="0.4", lw=1, ls="--", label="best - one standard error")
axes[1].plot(
    np.array(ranks)[front], means[front], "o", ms=11, mfc="none", color=green, mew=1.5, label="Pareto front"
)
axes[1].plot(ranks[best], means[best], "*", ms=17, color="black", label=f"best: rank {ranks[best]}")
axes[1].plot(
    ranks[simple], means[simple], "D", ms=9, color=orange, label=f"one-standard-error: rank {ranks[simple]}"
)
axes[1].set(xlabel="rank", ylabel="accuracy", title="digits: the simplest rank that is good enough")
axes[1].legend(loc="lower right", fontsize=9.5)

axes[2].plot(updates, adapted["change of rank r"], "o-", color=blue, lw=2, label="change of rank r")
lines = [
    ("W as it was", "0.5", ":"),
    ("refitted without W", orange, "--"),
    ("refitted towards W (ridge)", purple, "-."),
]
for name, colour, style in lines:
    axes[2].axhline(adapted[name], color=colour, ls=style, lw=2, label=name)
axes[2].axvline(true_rank, color="0.7", lw=1, zorder=0)
axes[2].set(
    yscale="log",
    xlabel="rank of the change, r",
    ylabel="squared error of the map, per target",
    title="adaptation: 90 new samples, true rank 3",
)
axes[2].legend(fontsize=9.5, loc="center right", bbox_to_anchor=(1.0, 0.74))
plt.show()
