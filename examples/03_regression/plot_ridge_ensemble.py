"""
The sketch size in place of alpha
=================================

Ridge regression on sketched features is regularised twice: by `alpha`, and by what the sketch leaves out. An
average over many sketches keeps the second effect and loses the noise of a single one.

The claim: the error of an average of K sketches falls as 1 / K towards a limit; the limit, tuned over the
size of the sketch alone with next to no alpha, is as good as ridge regression with a tuned alpha; and a few
sketches tell the limit, nearly, by generalized cross-validation.

Source: P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation, and
tuning", 2023, arXiv:2310.04357.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.linear_model import SketchedRidge, SketchedRidgeCV

# %%
# Data
# ----
# Fewer rows than features, as much noise as signal. Ten targets stand for ten data sets; errors are means.

n, n_new, p = 400, 4000, 600
rng = np.random.default_rng(0)
X = rng.standard_normal((n + n_new, p)) * np.arange(1, p + 1) ** -0.25
signal = X @ rng.standard_normal((p, 10))
signal /= signal.std(axis=0)
y = signal + rng.standard_normal(signal.shape)
X, y, X_new, y_new = X[:n], y[:n], X[n:], y[n:]


def error(model):
    """Return the mean squared error on new rows."""
    return np.mean((y_new - model.predict(X_new)) ** 2)


# %%
# Sketch sizes with next to no alpha
# ----------------------------------
# `alpha` is 1e-3 of what is best without a sketch. A sketch with as many rows as there are samples
# interpolates them, and a single one is at its worst there.

plain = SketchedRidgeCV(np.logspace(0, 4, 41)).fit(X, y)
tuned = error(plain)
options = {"alpha": 1e-3 * plain.alpha_, "axis": "features", "sketch": "srtt", "random_state": 0}
sizes = np.array([25, 50, 75, 100, 150, 200, 300, 400, 500])
counts = np.array([1, 2, 5, 20])
errors = np.array(
    [
        [
            error(SketchedRidge(sketch_size=int(size), n_sketches=int(K), **options).fit(X, y))
            for size in sizes
        ]
        for K in counts
    ]
)
told = SketchedRidgeCV(
    [options["alpha"]], sketch_sizes=sizes, n_sketches=8, axis="features", sketch="srtt", random_state=0
).fit(X, y)
limit = -told.cv_results_["unsketched_score"]
print("limit, told from 8 sketches: " + ", ".join(f"{value:.3f}" for value in limit))
print(
    f"ridge regression with alpha = {plain.alpha_:.0f}: error {tuned:.3f}, "
    f"by leave-one-out {-plain.best_score_:.3f}"
)
for K, row in zip(counts, errors, strict=True):
    print(f"average of {K}: error {row.min():.3f} with {sizes[np.argmin(row)]} rows")

# %%
# More and more sketches
# ----------------------
# Of the best size for 20. With R the limit and R_1 the error of one sketch, R + (R_1 - R) / K should be the
# error of K. Averages over disjoint draws make R_1 steadier.

size = int(sizes[np.argmin(errors[-1])])
many = np.array([1, 2, 4, 8, 16, 32])
by_count = [
    np.mean(
        [
            error(
                SketchedRidge(sketch_size=size, n_sketches=int(K), **(options | {"random_state": seed})).fit(
                    X, y
                )
            )
            for seed in range(4)
        ]
    )
    for K in many
]
slope, intercept = np.polyfit(1 / many, by_count, 1)
print(f"{size} rows: error {intercept:.3f} + {slope:.3f} / K")

# %%
# Errors
# ------

colours = ["#999999", "#E69F00", "#009E73", "#0072B2"]
plt.rcParams.update({"font.size": 11})
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), layout="constrained")
for K, row, colour, marker in zip(counts, errors, colours, "^sDo", strict=True):
    left.plot(sizes, row, marker=marker, color=colour, lw=1.5, ms=6, label=f"average of {K}")
left.plot(sizes, limit, "x", color="black", ms=8, mew=2, label="limit, told from 8")
left.axhline(tuned, color="#D55E00", ls="--", lw=2, label="ridge, alpha tuned")
left.axvline(n, color="0.6", lw=1, label="as many rows as samples")
left.set(
    xlabel="rows of a sketch of the features",
    ylabel="mean squared error on new rows",
    title="Next to no alpha",
    ylim=(0.9 * tuned, 4),
)
fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
right.plot(1 / many, by_count, "o", color="#0072B2", ms=8, label=f"sketches of {size} rows")
right.plot([0, 1], [intercept, intercept + slope], color="#0072B2", lw=1, label="R + (R_1 - R) / K")
right.axhline(tuned, color="#D55E00", ls="--", lw=2, label="ridge, alpha tuned")
right.set(xlabel="1 / number of sketches K", title="The error of an average", xlim=(0, 1.05))
right.set_ylabel("mean squared error on new rows")
right.legend(loc="upper left")
plt.show()

# %%
# The errors of averages lie on a line in 1 / K, whose end at K infinite is 1.652 for 150 rows, where ridge
# regression with a tuned alpha has 1.649: the size of the sketch has taken the place of alpha. But the line
# is long: one sketch of 150 rows has 2.72, worse than doing nothing (2.0), and an average of 20 still 1.69.
#
# The limit that is told from 8 sketches is right in shape and a few percent too high near its minimum (the
# errors by cross-validation are higher by 4 % than those on the new rows as it is). It fails where a sketch
# has about as many rows as there are samples, or more: it says 3.3 at 400 and 3.1 at 500.
