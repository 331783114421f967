"""
Lesson 4: how good is it, without knowing the answer
====================================================

The figures of the fourth lesson of the course, :doc:`/course/04_error_estimates`.

The claims: the norm identity follows the error down to the square root of the machine precision and stops
there; ten Gaussian vectors and leave-one-out follow it to the end, the first within a factor of 3; and a
tolerance leads to the smallest rank that keeps it.

Sources: E. N. Epperly and J. A. Tropp, "Efficient error and variance estimation for randomized matrix
computations", 2022, arXiv:2207.06342. W. Yu, Y. Gu and Y. Li, "Efficient Randomized Algorithms for the
Fixed-Precision Low-Rank Matrix Approximation", 2018, arXiv:1606.09402.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.decomposition import RandomizedLowRank

plt.rcParams.update({"font.size": 12})
rng = np.random.default_rng(0)

# %%
# A matrix with known singular values
# -----------------------------------

sigma = 0.6 ** np.arange(100)
U = np.linalg.qr(rng.standard_normal((150, 100)))[0]
V = np.linalg.qr(rng.standard_normal((100, 100)))[0]
A = (U * sigma) @ V.T
norm = np.linalg.norm(A)

# %%
# Three estimates
# ---------------
# Each basis has its own random vectors.

widths = np.arange(5, 66, 5)
names = ["true", "identity", "ten", "loo"]
results = {name: [] for name in names}
for width in widths:
    Q, R = np.linalg.qr(A @ rng.standard_normal((100, width)))
    AG = A @ rng.standard_normal((100, 10))
    lengths = np.linalg.norm(np.linalg.inv(R), axis=1)
    results["true"].append(np.linalg.norm(A - Q @ (Q.T @ A)) / norm)
    results["identity"].append(np.sqrt(abs(1 - np.sum((Q.T @ A) ** 2) / norm**2)))
    results["ten"].append(np.linalg.norm(AG - Q @ (Q.T @ AG)) / np.sqrt(10) / norm)
    results["loo"].append(np.sqrt(np.mean(lengths**-2.0)) / norm)

# %%
# The law of the estimate from ten vectors
# ----------------------------------------
# It depends on the singular values of what is left over: one of them is the worst case.

n_draws = 20_000
one = np.sqrt(np.mean(rng.standard_normal((n_draws, 10)) ** 2, axis=1))
many = np.sqrt(rng.chisquare(10, (n_draws, 50)).mean(axis=1) / 10)
for name, ratio in (("rank one", one), ("50 equal directions", many)):
    print(f"{name}: ratios from {ratio.min():.2f} to {ratio.max():.2f}")

fig, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
axes[0].plot(widths, results["true"], color="black", lw=2, label="true error")
axes[0].plot(widths, results["identity"], "--^", color="#D55E00", ms=6, label="norm identity")
axes[0].plot(widths, results["ten"], "o", mfc="none", ms=9, color="#0072B2", label="ten Gaussian vectors")
axes[0].plot(widths, results["loo"], "x", ms=7, color="#009E73", label="leave one out")
axes[0].axhline(np.sqrt(np.finfo(float).eps), color="gray", ls=":", lw=2, label="root of machine precision")
axes[0].set(
    yscale="log", xlabel="columns of the basis", ylabel="relative error", title="Estimates and the truth"
)
axes[0].legend(loc="lower left", fontsize=10.5)
bins = np.geomspace(0.25, 4, 90)
for ratio, colour, name, place in (
    (many, "#0072B2", "residual of 50\nequal directions", (1.15, 9)),
    (one, "#E69F00", "residual of\nrank one", (1.45, 1.5)),
):
    axes[1].hist(ratio, bins, density=True, color=colour, alpha=0.7)
    axes[1].text(*place, name, fontsize=12)
for edge in (1 / 3, 3):
    axes[1].axvline(edge, color="black", ls="--", lw=1.5)
axes[1].set(
    xscale="log",
    xlabel="estimate / true error",
    ylabel="density",
    title="Ten vectors: within a factor of 3",
)
axes[1].set_xticks([1 / 3, 1, 3], ["1/3", "1", "3"])
axes[1].minorticks_off()
plt.show()

# %%
# A tolerance decides the rank
# ----------------------------

tolerances = 10.0 ** -np.arange(1, 13)
ranks, errors, estimates = [], [], []
for tol in tolerances:
    model = RandomizedLowRank(n_components=None, tol=tol, random_state=0).fit(A)
    V = model.components_.T
    ranks.append(model.n_components_)
    errors.append(np.linalg.norm(A - (A @ V) @ V.T) / norm)
    estimates.append(model.error_estimate_)
beyond = np.sqrt(np.cumsum(sigma[::-1] ** 2)[::-1]) / norm
fewest = [int(np.argmax(beyond <= tol)) for tol in tolerances]

fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
axes[0].plot(tolerances, fewest, color="black", lw=2, label="smallest possible")
axes[0].plot(tolerances, ranks, "o", mfc="none", ms=9, color="#0072B2", label="RandomizedLowRank")
axes[0].set(xscale="log", xlabel="tolerance (relative error)", ylabel="rank", title="The rank")
axes[0].invert_xaxis()
axes[0].legend(loc="upper left")
axes[1].plot(tolerances, tolerances, color="gray", lw=1.5, label="tolerance")
axes[1].plot(tolerances, errors, "x", ms=9, color="black", label="true error")
axes[1].plot(tolerances, estimates, "o", mfc="none", ms=9, color="#0072B2", label="error_estimate_")
axes[1].set(
    xscale="log",
    yscale="log",
    xlabel="tolerance (relative error)",
    ylabel="relative error",
    title="The error",
)
axes[1].invert_xaxis()
axes[1].legend(loc="upper right")
plt.show()
