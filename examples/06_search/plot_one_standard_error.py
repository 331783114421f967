"""
The best rank is often a matter of luck
=======================================

A cross-validated score is a mean over folds, and the rank with the best one is best by a hair. Other folds,
and another rank wins. The rule of one standard error takes the smallest rank whose score is within one
standard error of the best: :func:`~sklr.model_selection.simplest_within`.

The claim: over many halves of the digits, the rule takes two thirds of the components that the best score
takes, and what is given up of the accuracy on the other half is about half a point. With
:class:`~sklr.model_selection.SketchSearchCV` each search costs little more than one fit in a fold.

Source: L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone, "Classification and Regression Trees", 1984,
doi:10.1201/9781315139470, section 3.4.3.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from sklr.decomposition import RandomizedLowRank
from sklr.model_selection import SketchSearchCV, simplest_within

# %%
# Sixteen halves
# --------------
# Each time a random half of the digits is searched, over every third rank up to 51, and the other half
# judges.

X, y = load_digits(return_X_y=True)
ranks = list(range(3, 52, 3))
model = Pipeline(
    [
        ("reduce", RandomizedLowRank(center=True, solver="gram")),
        ("classify", LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05)),
    ]
)
n_halves = 16
rule = simplest_within("one_se", cost="reduce__n_components")
chosen, accuracy, curves, tables = [], [], [], []
for seed in range(n_halves):
    order = np.random.default_rng(seed).permutation(len(X))
    search_on, judge_on = np.array_split(order, 2)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    search = SketchSearchCV(model, {"reduce__n_components": ranks}, cv=folds, refit=False)
    results = search.fit(X[search_on], y[search_on]).cv_results_
    best, simple = int(np.argmax(results["mean_test_score"])), rule(results)
    largest = RandomizedLowRank(max(ranks), center=True, solver="gram").fit(X[search_on])
    judged = []
    for k in ranks:
        reduced = largest.truncate(k)
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05)
        classifier.fit(reduced.transform(X[search_on]), y[search_on])
        judged.append(classifier.score(reduced.transform(X[judge_on]), y[judge_on]))
    chosen.append([ranks[best], ranks[simple]])
    accuracy.append([judged[best], judged[simple]])
    curves.append(judged)
    tables.append(results)
chosen, accuracy = np.array(chosen), 100 * np.array(accuracy)
for i, name in enumerate(("best score", "one standard error")):
    low, middle, high = np.percentile(chosen[:, i], [10, 50, 90])
    print(
        f"{name}: median rank {middle:.0f}, 8 in 10 from {low:.0f} to {high:.0f}; "
        f"accuracy on the other half {accuracy[:, i].mean():.2f} %"
    )
lost = accuracy[:, 0] - accuracy[:, 1]
print(f"given up: {lost.mean():.2f} points, standard error {lost.std(ddof=1) / np.sqrt(n_halves):.2f}")

# %%
# One search, and all of them
# ---------------------------
# On the left the first search with its standard errors. On the right the ranks that were chosen, one symbol
# for each half, above the mean accuracy on the other halves.

plt.rcParams.update({"font.size": 11})
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained", sharey=True)
mean = 100 * tables[0]["mean_test_score"]
error = 100 * tables[0]["std_test_score"] / np.sqrt(5)
left.errorbar(ranks, mean, error, fmt="o-", color="#6E6E6E", ms=3, lw=1, capsize=2, label="five folds")
best = int(np.argmax(mean))
left.axhline(
    mean[best] - error[best], color="#0072B2", ls="--", lw=1.5, label="best, less its standard error"
)
marked = ((chosen[0, 0], "s", "#D55E00", "best score"), (chosen[0, 1], "o", "#0072B2", "one standard error"))
for rank, marker, colour, name in marked:
    left.plot(rank, mean[ranks.index(rank)], marker, color=colour, ms=10, label=name, zorder=3)
left.set(xlabel="components", ylabel="accuracy (%)", title="One search", ylim=(80, 100))
left.legend(loc="lower right")
right.plot(ranks, 100 * np.mean(curves, axis=0), color="black", lw=1.5, label="mean accuracy on other halves")
rng = np.random.default_rng(0)
for i, (_, marker, colour, name) in enumerate(marked):
    height = 82 + 3 * i + rng.uniform(-0.8, 0.8, n_halves)
    right.plot(chosen[:, i], height, marker, color=colour, ms=5, alpha=0.6, label=name)
right.set(xlabel="components", title=f"{n_halves} halves of the digits")
right.legend(loc="center right")
plt.show()

# %%
# The best score takes 44 components in the median, and anything from 30 to 46 in eight of ten halves; the
# rule takes 28, from 24 to 34. Its accuracy on the other half is 94.26 % in place of 94.70 %: .45 points
# less, with a standard error of .14.
#
# So the rule is not free: on the other halves the accuracy still rises beyond 28 components, slowly, and five
# folds of 900 digits cannot see it. It is for those who pay for components, in storage or in time; who does
# not may take the best.
