"""
What an error estimate says, and what it does not
=================================================

Below a relative error of 1e-6 the error of an approximation is estimated from ten Gaussian vectors. How far
off is that? And what does even an exact error say about the use of an approximation?

The claims: the estimate is within a factor 3 of the error with probability above .999 in the worst case, a
residual of rank one, and within some percent where many singular values share the residual. And the error of
the data is another thing than the score of a model: a classifier of digits is as good with 30 components,
which leave .11 of the norm, as with 60, which leave nothing. It is the figure of :doc:`/guide/errors`.

Source of the estimate: E. N. Epperly and J. A. Tropp, "Efficient error and variance estimation for randomized
matrix computations", 2022, arXiv:2207.06342.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import relative_error
from sklr.linear_model import SketchedRidgeClassifier

# %%
# Ten vectors
# -----------
# One large singular value, which the approximation has, and r equal ones of 1e-8, which it leaves.


def ratios(r, n_draws=1500):
    """Return estimates over the true error, for a residual of rank r."""
    A = np.diag([1.0, *[1e-8] * r])
    kept = np.eye(1, r + 1)
    true = np.sqrt(r) * 1e-8 / np.linalg.norm(A)
    return np.array([relative_error(A, kept, rng=seed, n_threads=1) for seed in range(n_draws)]) / true


found = {1: ratios(1), 100: ratios(100)}
for r, values in found.items():
    print(f"residual of rank {r}: estimate / error from {values.min():.2f} to {values.max():.2f}")
outside = stats.chi2(10).cdf(10 / 9) + stats.chi2(10).sf(90)
print(f"probability to be off by more than a factor 3, rank one: {outside:.1e}")

# %%
# Error and score
# ---------------
# One fit holds all ranks; the classifier is scored in five folds.

X, y = load_digits(return_X_y=True)
ranks = [2, 5, 10, 15, 20, 30, 40, 50, 60]
fits = RandomizedLowRank(random_state=0).fit_path(X, None, [{"n_components": k} for k in ranks])
errors = [fit.error_estimate_ for fit in fits]
scores = [
    cross_val_score(
        make_pipeline(RandomizedLowRank(k, random_state=0), SketchedRidgeClassifier()), X, y, cv=5
    ).mean()
    for k in ranks
]
print("components" + "".join(f"{k:7d}" for k in ranks))
print("error     " + "".join(f"{e:7.3f}" for e in errors))
print("accuracy  " + "".join(f"{s:7.3f}" for s in scores))

# %%
# Pictures
# --------
# On the left the line is the density that theory has for rank one.

plt.rcParams.update({"font.size": 11})
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
bins = np.linspace(0.2, 3.1, 88)
for (r, values), colour in zip(found.items(), ("#E69F00", "#0072B2"), strict=True):
    left.hist(values, bins, density=True, color=colour, alpha=0.6, label=f"residual of rank {r}")
at = np.linspace(0.2, 3.1, 300)
left.plot(at, 20 * at * stats.chi2(10).pdf(10 * at**2), color="black", lw=1.5, label="theory, rank 1")
for limit in (1 / 3, 3):
    left.axvline(limit, color="0.4", ls="--", lw=1, label="a factor 3" if limit == 3 else None)
left.set(
    xscale="log",
    xlabel="estimate / true error",
    ylabel="density",
    title="Errors of 1e-8, estimated from ten vectors",
)
left.set_xticks([1 / 3, 0.5, 1, 2, 3], ["1/3", "1/2", "1", "2", "3"])
left.minorticks_off()
left.legend(loc="upper left", framealpha=1)
left.set_xlim(0.15, 4)

right.plot(ranks, errors, "o-", color="#0072B2", ms=7, label="relative error of the data")
right.plot(ranks, scores, "s--", color="#D55E00", ms=7, label="accuracy of a classifier, five folds")
right.set(xlabel="components", ylabel="error, accuracy (parts of 1)", title="Digits: an error is not a score")
right.set_ylim(0, 1.02)
right.legend(loc="center right")
plt.show()

# %%
# An error says what is left of the data. Whether that is noise or what matters is for the score to say. Where
# classes differ in a direction of little variance, it is the other way round: a small error, and a useless
# model.
