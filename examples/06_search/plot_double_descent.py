"""
The peak of double descent, and how to avoid it
===============================================

More features, a better model: up to a point. Where there are about as many as samples, least squares passes
through every sample by force, and its error has a peak. Beyond, the solution of least norm is better again.
Sketches of the features have all sizes, and show it on one data set.

The claim: with ``alpha=0`` the error of :class:`~sklr.linear_model.SketchedRidge` on sketched features has
its peak where the sketch has as many rows as there are samples. An average over sketches makes it lower and
narrower, and some `alpha` removes it. So a sketch size near the number of samples goes with an `alpha` that
is tuned, or not at all.

Source: M. Belkin, D. Hsu, S. Ma and S. Mandal, "Reconciling modern machine-learning practice and the
classical bias-variance trade-off", 2019, doi:10.1073/pnas.1903070116, arXiv:1812.11118.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.linear_model import SketchedRidge, SketchedRidgeCV

# %%
# Data with many weak features
# ----------------------------
# 150 samples of 600 features, of which each tells a little. Twenty targets stand for twenty data sets.

n, n_new, p = 150, 3000, 600
rng = np.random.default_rng(0)
X = rng.standard_normal((n + n_new, p)) * np.arange(1, p + 1) ** -0.3
signal = X @ rng.standard_normal((p, 20))
signal /= signal.std(axis=0)
y = signal + 0.5 * rng.standard_normal(signal.shape)
X, y, X_new, y_new = X[:n], y[:n], X[n:], y[n:]

# %%
# All sizes of the sketch
# -----------------------
# No intercept, so that the number of samples is what counts. ``fit_path`` takes a list of parameters.

sizes = np.array([10, 25, 50, 75, 100, 120, 135, 145, 150, 155, 165, 180, 200, 250, 300, 400, 500, 600])
variants = {
    "alpha = 0, one sketch": {"alpha": 0.0},
    "alpha = 0, average of 10": {"alpha": 0.0, "n_sketches": 10},
    "alpha = 10, one sketch": {"alpha": 10.0},
}
errors = {}
for name, options in variants.items():
    by_draw = []
    for seed in range(1 if "average" in name else 5):
        model = SketchedRidge(
            axis="features", sketch="srtt", fit_intercept=False, random_state=seed, **options
        )
        path = model.fit_path(X, y, [{"sketch_size": int(size)} for size in sizes])
        by_draw.append([np.mean((y_new - fitted.predict(X_new)) ** 2) for fitted in path])
    errors[name] = np.median(by_draw, axis=0)
search = SketchedRidgeCV(np.logspace(-1, 4, 51), fit_intercept=False).fit(X, y)
tuned = np.mean((y_new - search.predict(X_new)) ** 2)
variance = np.mean(y_new**2)
for name, values in errors.items():
    peak = sizes[int(np.argmax(values))]
    print(
        f"{name}: worst {values.max():.2f} with {peak} rows, "
        f"best {values.min():.2f} with {sizes[np.argmin(values)]}"
    )
print(f"ridge regression with all features and alpha by leave-one-out: {tuned:.2f}; variance {variance:.2f}")

# %%
# Errors against the size
# -----------------------

styles = {
    "alpha = 0, one sketch": ("#D55E00", "s-"),
    "alpha = 0, average of 10": ("#E69F00", "^--"),
    "alpha = 10, one sketch": ("#0072B2", "o-."),
}
plt.rcParams.update({"font.size": 11})
fig, ax = plt.subplots(figsize=(8.5, 5), layout="constrained")
for name, (colour, style) in styles.items():
    ax.plot(sizes, errors[name], style, color=colour, lw=1.5, ms=5, label=name)
ax.axhline(tuned, color="black", lw=1.5, ls=":", label="all features, alpha by leave-one-out")
ax.axhline(variance, color="0.6", lw=1, label="variance of the targets")
ax.axvline(n, color="0.6", lw=1)
ax.annotate(
    "as many rows as samples",
    (n, 0.97),
    xycoords=("data", "axes fraction"),
    xytext=(6, 0),
    textcoords="offset points",
    va="top",
)
ax.set(
    yscale="log",
    xlabel="rows of the sketch of the features",
    ylabel="mean squared error on new rows",
    title=f"{n} samples of {p} features",
)
ax.set_yticks([1, 3, 10, 30, 100, 300, 1000], ["1", "3", "10", "30", "100", "300", "1000"])
ax.yaxis.set_minor_formatter(plt.NullFormatter())
ax.legend(loc="center right")
plt.show()

# %%
# With 150 rows of the sketch, as many as samples, the error of one sketch is 730, six hundred times the
# variance of the targets; with 400 it is below the variance again, and with all 600 features .99. The average
# of ten has a tenth of the peak, and from 250 rows on it is nearly as good as all features. With alpha = 10
# there is no peak: the worst error is 1.5.
#
# Of two descents one sketch shows the second only: its error rises from 10 rows on, since ten random
# combinations of features tell next to nothing here. The average of ten does come down first, to 1.1 at 75
# rows. And the end of the second descent is no better than ridge regression with a tuned alpha, .96: on these
# data there is nothing to be gained by interpolation.
