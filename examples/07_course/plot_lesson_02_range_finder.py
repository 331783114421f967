"""
Lesson 2: the range of a matrix from a few random vectors
=========================================================

The figures of the second lesson of the course, :doc:`/course/02_range_finder`.

The claims: a product with a random vector leans towards the leading left singular vectors; k + p of them span
a subspace whose best approximation of rank k is nearly the best of all; and the error is below the bound of
Halko, Martinsson and Tropp on every spectrum, mostly far below.

Source: N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness: probabilistic
algorithms for constructing approximate matrix decompositions", 2011, arXiv:0909.4061.
"""

import matplotlib.pyplot as plt
import numpy as np

plt.rcParams.update({"font.size": 12})


def range_finder(A, width, rng):
    """Return orthonormal columns that span the product of A with random vectors."""
    return np.linalg.qr(A @ rng.standard_normal((A.shape[1], width)))[0]


# %%
# Random vectors, and the span of twenty
# --------------------------------------
# Gaussian vectors look the same in every basis. So a diagonal matrix shows all there is to see: its singular
# vectors are the unit vectors.

n = 200
index = np.arange(1, n + 1)
A = np.diag(1 / index)
rng = np.random.default_rng(0)
fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
shown = index <= 60
axes[0].plot(index[shown], 1 / index[shown], color="black", lw=2, label="singular value $\\sigma_i$")
for j in range(5):
    sizes = abs(A @ rng.standard_normal(n))[shown]
    label = None if j else "$|u_i^T A \\omega|$, five vectors"
    axes[0].plot(index[shown], sizes, "o", ms=4, color="#0072B2", alpha=0.7, label=label)
axes[0].set(
    yscale="log", ylim=(1e-3, 2), xlabel="i", ylabel="size", title="Random vectors lean towards $u_1$"
)
axes[0].legend()
shares = np.mean([np.sum(range_finder(A, 20, rng) ** 2, axis=1) for _ in range(20)], axis=0)
axes[1].bar(index[shown], shares[shown], color="#56B4E9", width=0.9, label="measured, mean of 20 draws")
axes[1].axvline(20.5, color="#D55E00", lw=2, ls="--", label="l = 20 columns")
axes[1].set(xlabel="i", ylabel="share of $u_i$ in the span", title="What the span of 20 vectors holds")
axes[1].legend(loc="center right")
plt.show()

# %%
# Errors
# ------
# Errors of rank k of a diagonal matrix need no SVD of the whole: with B the projected matrix, the squared
# error is the squared norm of A minus the k largest squared singular values of B.


def errors(sigma, ranks, oversampling, rng):
    """Return relative errors of the approximations of these ranks."""
    total, found = np.sum(sigma**2), []
    for k in ranks:
        Q = range_finder(np.diag(sigma), k + oversampling, rng)
        s = np.linalg.svd(Q.T * sigma, compute_uv=False)
        found.append(np.sqrt(1 - np.sum(s[:k] ** 2) / total))
    return np.array(found)


def best(sigma, ranks):
    """Return the relative errors of Eckart and Young."""
    return np.array([np.sqrt(np.sum(sigma[k:] ** 2) / np.sum(sigma**2)) for k in ranks])


sigma, ranks = 1 / index, np.arange(2, 61, 4)
fig, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
mean = {p: np.mean([errors(sigma, ranks, p, rng) for _ in range(3)], axis=0) for p in (0, 10)}
axes[0].plot(ranks, mean[0], ":s", color="#D55E00", lw=2, ms=5, label="range finder, p = 0")
bound = best(sigma, ranks) * np.sqrt(1 + ranks / 9)
axes[0].plot(ranks, bound, "--", color="gray", lw=2, label="bound, p = 10")
axes[0].plot(ranks, mean[10], "-o", color="#0072B2", lw=2, ms=5, label="range finder, p = 10")
axes[0].plot(ranks, best(sigma, ranks), color="black", lw=2, label="best (SVD)")
axes[0].set(yscale="log", xlabel="rank k", ylabel="relative error", title="$\\sigma_i = 1/i$")
axes[0].set_yticks([0.1, 0.2, 0.5], ["0.1", "0.2", "0.5"])
axes[0].minorticks_off()
axes[0].legend()

k, widths = 10, np.array([0, 2, 3, 5, 8, 12, 20, 30, 45])
spectra = {
    "slow: $1/\\sqrt{i}$": (index**-0.5, "#0072B2", "-o"),
    "$1/i$": (1 / index, "#009E73", "-s"),
    "fast: $0.7^i$": (0.7**index, "#E69F00", "-^"),
}
for name, (sigma, colour, style) in spectra.items():
    excess = [
        np.mean([errors(sigma, [k], p, rng) for _ in range(10)]) / best(sigma, [k])[0] - 1 for p in widths
    ]
    print(name, " ".join(f"p = {p}: {100 * e:.2g} %" for p, e in zip(widths, excess, strict=True)))
    axes[1].plot(widths, 100 * np.array(excess), style, color=colour, lw=2, ms=6, label=name)
grid = np.arange(2, 46)
axes[1].plot(grid, 100 * (np.sqrt(1 + k / (grid - 1)) - 1), "--", color="gray", lw=2, label="bound")
axes[1].set(
    yscale="log",
    ylim=(0.05, 500),
    xlabel="oversampling p",
    ylabel="excess error, per cent",
    title="Rank 10, means of 10 draws",
)
axes[1].legend()
plt.show()
