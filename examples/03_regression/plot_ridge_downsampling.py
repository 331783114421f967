"""
Least squares on fewer rows can be better
=========================================

With hardly more rows than columns, least squares fits the noise: its risk is ``p sigma^2 / (n - p - 1)``,
which has no bound as n comes down to p. A sketch of the rows moves the problem away from there. With d <
p sketched rows :class:`~sklr.linear_model.SketchedRidge` with ``alpha=0`` gives the solution of least
norm, which shrinks.

The claim: the risk has its peak where the sketch has as many rows as there are columns, d = p, not where
the sketch is smallest, and the best sketch is better than all rows. A search over sketch sizes by
cross-validation finds it. A well chosen `alpha` on all rows does so too, and is better still: sketch
where there is another reason for it, or where alpha = 0 is part of the question.

Source: X. Chen, Y. Zeng, S. Yang and Q. Sun, "Sketched Ridgeless Linear Regression: The Role of
Downsampling", 2023, arXiv:2302.01088.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.linear_model import SketchedRidge, SketchedRidgeCV

# %%
# Risks of many draws
# -------------------
# Rows are standard normal, the coefficients have length 1 and the noise a standard deviation of 0.3. The
# risk is the mean squared error of the prediction for a new row, less the noise that nothing can predict:
# the squared distance of the coefficients. Doing nothing, all coefficients 0, has risk 1.

n, p, noise, n_draws = 110, 100, 0.3, 40
sizes = [10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 94, 97, 100, 103, 106, 110]
searched = list(range(10, 81, 10))
no_intercept = {"fit_intercept": False}


def draw(rng):
    """Return X, y and the true coefficients."""
    beta = rng.standard_normal(p)
    beta /= np.linalg.norm(beta)
    X = rng.standard_normal((n, p))
    return X, X @ beta + noise * rng.standard_normal(n), beta


def risk(model, beta):
    """Return the error on new rows beyond the noise."""
    return np.sum((model.coef_ - beta) ** 2)


rng = np.random.default_rng(0)
sketched, full, tuned, found, chosen = [], [], [], [], []
for seed in range(n_draws):
    X, y, beta = draw(rng)
    model = SketchedRidge(0.0, sketch="srtt", random_state=seed, **no_intercept)
    path = model.fit_path(X, y, [{"sketch_size": size} for size in sizes])
    sketched.append([risk(fitted, beta) for fitted in path])
    full.append(risk(SketchedRidge(0.0, **no_intercept).fit(X, y), beta))
    tuned.append(risk(SketchedRidgeCV(np.logspace(-1, 3, 17), **no_intercept).fit(X, y), beta))
    search = SketchedRidgeCV(
        [0.0], sketch="srtt", sketch_sizes=searched, cv=5, random_state=seed, **no_intercept
    ).fit(X, y)
    found.append(risk(search, beta))
    chosen.append(search.sketch_size_)

# %%
# The sizes that the search tries are numbers of rows, not fractions: a fold has 88 rows here, fewer than
# there are columns, and the peak stays where it is, at d = p.

print("median risk of")
for name, risks in {
    "least squares on all rows": full,
    "the sketch size found by 5 folds": found,
    "ridge regression with alpha by leave-one-out": tuned,
}.items():
    print(f"  {name}: {np.median(risks):.2f}")
print(
    "sketch sizes found, lower and upper quartile: "
    f"{np.percentile(chosen, 25):.0f}, {np.percentile(chosen, 75):.0f}"
)

# %%
# Against the sketch size
# -----------------------
# The line is the median over the draws and the band holds 8 draws in 10: at the peak the mean does not
# exist. With d = n the transform is orthogonal and nothing is left out, so that the curve ends where least
# squares is.

blue, orange, green = "#0072B2", "#D55E00", "#009E73"
plt.rcParams.update({"font.size": 11})
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
low, median, high = np.percentile(sketched, [10, 50, 90], axis=0)
ax.fill_between(sizes, low, high, color=blue, alpha=0.2, linewidth=0)
ax.plot(sizes, median, "o-", color=blue, ms=4, label="sketch of d rows")
ax.axhline(np.median(full), color=orange, linestyle="--", label=f"all {n} rows")
ax.axhline(np.median(tuned), color=green, linestyle=":", lw=2, label="all rows, alpha by leave-one-out")
ax.axvline(p, color="0.5", lw=1)
ax.annotate(
    "d = p",
    (p, 0.96),
    xycoords=("data", "axes fraction"),
    xytext=(-6, 0),
    textcoords="offset points",
    ha="right",
    va="top",
    color="0.3",
)
best = int(np.argmin(median))
ax.plot(
    sizes[best],
    median[best],
    "*",
    ms=16,
    color="black",
    label=f"best: d = {sizes[best]}, risk {median[best]:.2f}",
)
ax.set(
    yscale="log",
    xlabel="rows of the sketch, d",
    ylabel="risk (variance of the signal = 1)",
    title=f"Risk of least squares on sketched rows: n = {n}, p = {p}",
)
ax.legend(loc="upper left")
plt.show()

# %%
# Least squares on all 110 rows has a risk of .82 in the median, on sketches of 70 rows .50, and on sketches
# of 100, as many as there are columns, 18. The size that five folds choose has .52. Ridge regression with
# alpha by leave-one-out has .24: half of that.
#
# So the claim is about ``alpha=0``. With many more rows than columns there is no peak to be avoided, and
# every sketch loses.
