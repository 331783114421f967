"""
Search over rank and sketch in a pipeline
=========================================

Handwritten digits are scaled, reduced to a few coordinates by
:class:`~sklr.decomposition.RandomizedLowRank` and classified. A grid search chooses how many
coordinates, and which random sketch starts the Krylov iteration that finds them.

The claim: the rank decides the score; the sketch does not, so the cheapest will do; and the fit itself says
how much of the data the chosen rank leaves out.

It runs on scikit-learn's digits. Where the environment variable ``SKLR_DATA`` names a folder with
``images_mnist/mnist_train_20k.npz`` (arrays ``X`` of 20,000 x 784 pixels and ``y``) it runs on those.
"""

import os
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklr.decomposition import RandomizedLowRank

SKETCHES = ["gaussian", "sparse_stack", "count_sketch", "srtt"]
# Colours that differ for colour-blind readers too.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
FIGURE = Path("quickstart.png")


def load():
    """Return the name of the data, X and y, and the ranks worth trying."""
    folder = os.environ.get("SKLR_DATA")
    if folder:
        mnist = Path(folder) / "images_mnist" / "mnist_train_20k.npz"
        if mnist.is_file():
            with np.load(mnist) as arrays:
                return "MNIST", arrays["X"].astype(np.float32), arrays["y"], [10, 20, 40, 80]
        print(f"SKLR_DATA is set, but there is no file {mnist}: taking scikit-learn's digits")
    X, y = load_digits(return_X_y=True)
    return "scikit-learn's digits", X.astype(np.float32), y, [5, 10, 20, 30, 40]


class ProgressScore:
    """Accuracy, counting the fits on one line of the terminal."""

    def __init__(self, n_fits):
        self.n_fits, self.n_done, self.start = n_fits, 0, time.perf_counter()

    def __call__(self, model, X, y):
        self.n_done += 1
        seconds = time.perf_counter() - self.start
        left = seconds / self.n_done * (self.n_fits - self.n_done)
        line = f"{self.n_done}/{self.n_fits} fits, {seconds:.0f} s, about {left:.0f} s left"
        if sys.stdout.isatty():
            end = "\n" if self.n_done == self.n_fits else ""
            print(f"\r{line:<50}", end=end, flush=True)
        elif self.n_done % (self.n_fits // 4) == 0:  # a file or a pipe: four lines are enough
            print(line, flush=True)
        return model.score(X, y)


def search(X, y, ranks):
    """Fit every rank with every sketch on three folds; return the fitted search."""
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("reduce", RandomizedLowRank(solver="krylov", random_state=0)),
            ("classify", LogisticRegression(max_iter=300, tol=1e-3)),
        ]
    )
    grid = {"reduce__n_components": ranks, "reduce__sketch": SKETCHES}
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    score = ProgressScore(len(ranks) * len(SKETCHES) * folds.get_n_splits())
    return GridSearchCV(pipeline, grid, scoring=score, cv=folds).fit(X, y)


def tabulate(results, key, ranks):
    """Arrange one column of ``cv_results_`` as an array of ranks by sketches."""
    table = np.empty((len(ranks), len(SKETCHES)))
    for params, value in zip(results["params"], results[key], strict=True):
        i = ranks.index(params["reduce__n_components"])
        table[i, SKETCHES.index(params["reduce__sketch"])] = value
    return table


def print_table(mean, std, ranks):
    """Print accuracy, mean and standard deviation over the folds."""
    print("\nAccuracy (mean +- standard deviation over 3 folds)")
    print("rank  " + "".join(f"{name:>18}" for name in SKETCHES))
    for i, rank in enumerate(ranks):
        cells = (f"{m:.4f} +- {s:.4f}" for m, s in zip(mean[i], std[i], strict=True))
        print(f"{rank:>4}  " + "".join(f"{cell:>18}" for cell in cells))


def error_by_rank(low_rank):
    """Estimate the relative error of every rank up to the fitted one.

    Rank k leaves ||A||^2 - (s_1^2 + ... + s_k^2), and ||A||^2 follows from the error of the whole fit.
    """
    captured = np.cumsum(low_rank.singular_values_.astype(float) ** 2)
    total = captured[-1] / (1 - low_rank.error_estimate_**2)
    return np.sqrt(1 - captured / total)


def draw(name, ranks, mean, std, low_rank, chosen):
    """Draw score and estimated error against rank and write the figure to disk."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    # Side by side: the points of the sketches lie on top of each other.
    shift = np.linspace(-0.08, 0.08, len(SKETCHES))
    for j, (sketch, marker) in enumerate(zip(SKETCHES, "osD^", strict=True)):
        at = np.array(ranks) * (1 + shift[j])
        style = {"marker": marker, "color": COLOURS[j], "linestyle": "none", "ms": 5, "capsize": 3}
        left.errorbar(at, mean[:, j], std[:, j], label=sketch, **style)
    left.set(xscale="log", xlabel="rank (n_components)", ylabel="accuracy", title=f"Score on {name}")
    left.set_xticks(ranks, [str(rank) for rank in ranks])
    left.minorticks_off()
    left.legend(title="sketch", loc="lower right")

    error = error_by_rank(low_rank)
    right.plot(np.arange(1, len(error) + 1), error, color=COLOURS[0])
    right.plot(chosen, error[chosen - 1], "o", color=COLOURS[1])
    right.annotate(
        f"chosen rank {chosen}: {error[chosen - 1]:.2f}",
        (chosen, error[chosen - 1]),
        xytext=(-4, -20),
        textcoords="offset points",
        ha="right",
    )
    right.set(
        ylim=(0, 1.05),
        xlabel="rank",
        ylabel="estimated relative error",
        title="What each rank leaves of the scaled data",
    )
    fig.savefig(FIGURE, dpi=120)


def main():
    """Run the search and show what came out."""
    name, X, y, ranks = load()
    print(f"{name}: {X.shape[0]:,} images of {X.shape[1]} pixels, {X.dtype}")
    found = search(X, y, ranks)
    mean = tabulate(found.cv_results_, "mean_test_score", ranks)
    print_table(mean, std := tabulate(found.cv_results_, "std_test_score", ranks), ranks)

    best = found.best_estimator_["reduce"]
    print(
        f"\nBest: rank {best.n_components} with sketch={best.sketch!r}, accuracy {found.best_score_:.4f}. "
        f"Its fit took {best.n_passes_} passes over the data and leaves an estimated relative error of "
        f"{best.error_estimate_:.4f}."
    )
    largest = RandomizedLowRank(max(ranks), solver="krylov", random_state=0)
    largest.fit(found.best_estimator_["scale"].transform(X))
    draw(name, ranks, mean, std, largest, best.n_components)
    print(f"Figure written to {FIGURE.resolve()}")


if __name__ == "__main__":
    main()
