"""
Double the sketch until it no longer pays
=========================================

How large must a sketch be? Nobody knows before, but scores tell: with each doubling of the size they gain
less, by and large. The claim: where the score b of size s follows a power law, ``b = b_inf - c s^(-p)`` with
a limit b_inf and positive c and p, gains fall by the same factor each time, so that the next one can be told
from the last two, roughly; a search that stops when the predicted gain is below a tolerance looks at none of
the largest sizes, and gives away a few times the tolerance.
"""

# %%
# A search that grows
# -------------------
# Digits by their 64 pixels and all products of two of them: 2,144 columns. ``SketchedRidgeClassifier``
# sketches these columns; the search starts with 16 rows of the sketch and doubles, with three values of
# `alpha` at each size. The sketch is Gaussian: a larger one has the rows of the smaller one, and only the
# new ones are made.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklr.linear_model import SketchedRidgeClassifier
from sklr.model_selection import GrowingSearchCV, SketchSearchCV

X, y = load_digits(return_X_y=True)
prepare = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler())
X = prepare.fit_transform(X)
classifier = SketchedRidgeClassifier(axis="features", sketch="gaussian", random_state=0)
grid = {"alpha": [10.0, 100.0, 1000.0]}
search = GrowingSearchCV(classifier, grid, min_resources=16, tol=0.005, cv=3).fit(X, y)
print("sizes          ", search.n_resources_)
print("gains          ", search.gains_.round(4))
print("predicted next ", round(search.predicted_gain_, 4))
print("chosen         ", search.best_params_)

# %%
# What it did not look at
# -----------------------
# All sizes, to see what was given away: ``SketchSearchCV`` takes them from the largest one.

sizes = [16 * 2**k for k in range(8)]
rest = SketchSearchCV(classifier, {**grid, "sketch_size": sizes}, cv=3, refit=False).fit(X, y)
table = rest.cv_results_
best = np.array(
    [
        max(
            score
            for score, parameters in zip(table["mean_test_score"], table["params"], strict=True)
            if parameters["sketch_size"] == size
        )
        for size in sizes
    ]
)
gains = np.diff(best)
predicted = gains[1:] * np.clip(gains[1:] / gains[:-1], 0.5, 1)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
n_seen = len(search.n_resources_)
left.plot(sizes, best, "o--", color="#6E6E6E", markerfacecolor="white", label="not looked at")
left.plot(sizes[:n_seen], best[:n_seen], "o-", color="#0072B2", label="the search")
left.set(xlabel="sketch size (rows)", ylabel="mean accuracy in three folds", title="Score of each size")
left.set_xscale("log", base=2)
left.set_xticks(sizes, sizes, rotation=45)
left.legend(loc="lower right")
right.plot(sizes[1:], gains, "o-", color="#0072B2", label="gain of this size")
right.plot(sizes[3:], predicted[:-1], "s:", color="#D55E00", label="predicted from the two before")
right.axhline(0.005, color="#6E6E6E", linestyle="--", label="tolerance")
right.set(
    xlabel="sketch size (rows)", ylabel="gain over half the size", title="Gains, and what was predicted"
)
right.set_xscale("log", base=2)
right.set_xticks(sizes[1:], sizes[1:], rotation=45)
right.legend()
plt.show()

print(f"given away: {100 * (best.max() - best[n_seen - 1]):.2f} points of accuracy")

# %%
# The predictions have the right size, not the right digits: scores of three folds, and of one random sketch
# at each size, scatter by as much as a gain near the tolerance. What is given away is three times the
# tolerance, because that is about the next doubling only, and several would follow. It does not help where
# scores fall before they rise, as without a penalty: see
# :ref:`sphx_glr_auto_examples_06_search_plot_double_descent.py`.
