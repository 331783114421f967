"""
Alpha and the sketch size: a valley, if sketches are many
=========================================================

Ridge regression on sketched features has two parameters that do alike: a larger `alpha` and a smaller sketch
both shrink. :class:`~sklr.linear_model.SketchedRidgeCV` scores the whole grid of both from fits on all rows,
because a sketched matrix serves all alphas, and a larger sketch extends a smaller one.

The claim: for an average of many sketches the good pairs form a valley, along which the error hardly changes:
a sketch of a fifth of the size with next to no alpha is as good as a large one with the best, to a percent.
The size may then be chosen by what memory allows, and alpha after it. With a single sketch there is no
valley: larger sketches are better, and small ones cannot be mended by any alpha.

Source: P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation, and
tuning", 2023, arXiv:2310.04357.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.linear_model import SketchedRidgeCV

# %%
# A grid of 9 sizes and 11 alphas, twice
# --------------------------------------
# More features than rows, as much noise as signal, and 20 targets. The score is generalized cross-validation.

n, p = 300, 500
rng = np.random.default_rng(0)
X = rng.standard_normal((n, p)) * np.arange(1, p + 1) ** -0.25
signal = X @ rng.standard_normal((p, 20))
signal /= signal.std(axis=0)
y = signal + rng.standard_normal(signal.shape)
variance = np.mean((y - y.mean(axis=0)) ** 2)

alphas, sizes = np.logspace(-1, 4, 11), np.geomspace(20, 480, 9).astype(int)
plain = SketchedRidgeCV(np.logspace(0, 3, 31), cv="gcv").fit(X, y)
least = -plain.best_score_ / variance
print(f"plain ridge regression: alpha {plain.alpha_:.0f}, error {least:.3f} of the variance")
errors, limits = {}, {}
for n_sketches in (1, 50):
    search = SketchedRidgeCV(
        alphas, axis="features", sketch="srtt", sketch_sizes=sizes, n_sketches=n_sketches, random_state=0
    ).fit(X, y)
    errors[n_sketches] = -search.cv_results_["mean_test_score"].reshape(len(sizes), len(alphas)) / variance
    if n_sketches > 1:
        limits = search.cv_results_["unsketched_alpha"].reshape(len(sizes), len(alphas))
    print(f"average of {n_sketches}")
    for i in range(0, len(sizes), 2):
        j = int(np.argmin(errors[n_sketches][i]))
        line = f"  {sizes[i]} rows: best alpha {alphas[j]:.3g}, error {errors[n_sketches][i, j]:.3f}"
        print(line + (f", plain alpha {limits[i, j]:.0f}" if n_sketches > 1 else ""))

# %%
# The valley
# ----------
# Errors as parts of the variance; all from 1.1 on have one colour. Circles are the best alpha of each size.
# The white line joins pairs whose limit, for more and more sketches, is plain ridge regression with its own
# best alpha. ``cv_results_["unsketched_alpha"]`` tells that.

plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained", width_ratios=[1, 1.25, 1])
levels = np.linspace(0.82, 1.1, 15)
for ax, (n_sketches, error) in zip(axes, errors.items(), strict=False):
    shown = ax.contourf(alphas, sizes, np.clip(error, 0.821, 1.099), levels=levels, cmap="cividis_r")
    ax.plot(alphas[np.argmin(error, axis=1)], sizes, "o", color="#D55E00", mec="white", ms=8, clip_on=False)
    ax.set(xscale="log", yscale="log", xlabel="alpha", title=f"Average of {n_sketches}")
    ax.set_yticks(sizes[::2], [str(size) for size in sizes[::2]])
    ax.yaxis.set_minor_formatter(plt.NullFormatter())
axes[0].set(ylabel="rows of the sketch", title="One sketch")
fig.colorbar(shown, ax=axes[1], label="error, part of the variance", format="%.2f")
distance = np.where(np.isfinite(limits), np.log10(np.maximum(limits, 1e-9) / plain.alpha_), 9.0)
axes[1].contour(alphas, sizes, distance, levels=[0], colors="white", linewidths=2.5)
styles = {1: ("#D55E00", "s--", "one sketch"), 50: ("#0072B2", "o-", "average of 50")}
for n_sketches, (colour, style, name) in styles.items():
    axes[2].plot(sizes, errors[n_sketches].min(axis=1), style, color=colour, lw=1.5, label=name)
axes[2].axhline(least, color="black", ls=":", lw=1.5, label="plain ridge, best alpha")
axes[2].set(xscale="log", xlabel="rows of the sketch", title="With the best alpha of each size")
axes[2].set(ylabel="error, part of the variance", ylim=(0.84, 1.04))
axes[2].set_xticks(sizes[::2], [str(size) for size in sizes[::2]])
axes[2].minorticks_off()
axes[2].legend(loc="upper right")
plt.show()

# %%
# For the average of 50 sketches all sizes from 97 rows on have an error of .848 to .857 with their best
# alpha, where plain ridge regression has .846; with 97 rows the best alpha is the smallest of the grid. The
# limits of the best pairs are plain ridge regressions with an alpha of 32 to 66, where 40 is best. With one
# sketch the error falls from .99 to .86 as the sketch grows, and there is nothing to trade.
#
# Below 97 rows no alpha makes up for what the sketches leave out: both parameters shrink, but neither can
# undo the other. And an average of 50 sketches of 97 rows costs more than one ridge regression on data of
# this size. It is of use where the data are too wide to be held.
