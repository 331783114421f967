"""
What a pass over the data buys
==============================

Power iteration multiplies a random block by the data, again and again, and keeps the last block. Block Krylov
iteration keeps all of them. Both take the same products; the second one has more to choose from.

The claim: after as many passes the excess error ``||A - A_hat|| / ||A - A_k|| - 1`` of block Krylov iteration
is lower by orders of magnitude, and so are the errors of its singular values. Shifted subspace iteration,
which keeps one block only, is in between: it is for little memory.

Sources: C. Musco and C. Musco, "Randomized Block Krylov Methods for Stronger and Faster Approximate Singular
Value Decomposition", 2015, arXiv:1504.05477; X. Feng, W. Yu, Y. Xie and J. Tang, "Algorithm 1043: Faster
Randomized SVD with Dynamic Shifts", 2024, arXiv:2404.09276.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.utils.extmath import randomized_svd

from sklr.linalg import krylov_svd, subspace_svd

# %%
# A spectrum that falls slowly
# ----------------------------
# Singular values 1 / sqrt(i), of which 20 are looked for, in blocks of 30 columns for all methods.

m, n, k, n_oversamples = 1200, 400, 20, 10
rng = np.random.default_rng(0)
U, V = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in (m, n))
s = np.arange(1, n + 1) ** -0.5
A = (U * s) @ V.T
least = np.sqrt(np.sum(s[k:] ** 2))


def quality(values, vectors):
    """Return the excess error, and the largest relative error of a singular value."""
    left = np.linalg.norm(A - (A @ vectors.T) @ vectors)
    return left / least - 1, np.max(np.abs(values / s[:k] - 1))


# %%
# The same number of passes
# -------------------------
# A pass is a product with A and one with its transpose, which the solvers of sklr take in one sweep. What is
# asked for, an accuracy of 1e-12, is not reached in fewer passes than are shown: ``max_iter`` ends them.
# scikit-learn's `randomized_svd` makes a first and a last product beside two in each iteration: one pass more
# than iterations.

passes = np.arange(2, 9)
options = {"n_oversamples": n_oversamples, "accuracy": 1e-12, "rng": 0}
results = {"power iteration (randomized_svd)": [], "shifted subspace": [], "block Krylov": []}
for p in passes:
    _, values, vectors = randomized_svd(
        A,
        k,
        n_oversamples=n_oversamples,
        n_iter=int(p) - 1,
        power_iteration_normalizer="QR",
        random_state=0,
    )
    results["power iteration (randomized_svd)"].append(quality(values, vectors))
    for name, solver in (("shifted subspace", subspace_svd), ("block Krylov", krylov_svd)):
        found = solver(A, k, max_iter=int(p), **options)
        results[name].append(quality(found.singular_values, found.right_vectors))

print("excess error after passes " + "".join(f"{p:9d}" for p in passes[::2]))
for name, pairs in results.items():
    print(f"{name:<33}"[:33] + "".join(f"{excess:9.0e}" for excess, _ in pairs[::2]))

# %%
# Error and singular values
# -------------------------

colours = ["#D55E00", "#E69F00", "#0072B2"]
plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained", sharex=True)
for (name, pairs), colour, marker in zip(results.items(), colours, "^so", strict=True):
    for ax, values in zip(axes, np.transpose(pairs), strict=True):
        ax.plot(passes, values, marker=marker, color=colour, lw=1.5, ms=6, label=name)
axes[0].set(ylabel="excess error", title=f"The approximation of rank {k}")
axes[1].set(ylabel="largest relative error", title=f"The {k} leading singular values")
for ax in axes:
    ax.set(yscale="log", xlabel="passes over the data")
    ax.set_xticks(passes[::2])
axes[0].legend(loc="lower left")
plt.show()

# %%
# After six passes the excess error is 2e-9 for block Krylov iteration, 1e-5 for the shifted subspace and 5e-5
# for power iteration; after eight it is at rounding, where the others have 2e-7 and 6e-6. Singular values
# gain less, by the same order: their errors are larger than the excess error in all methods.
#
# With two passes the last block is all that there is, and power iteration is the better one here, since
# `randomized_svd` projects on it in its last product. Nor are passes all that counts: the Krylov basis is
# kept and orthonormalised, so that in memory, with few columns, smaller blocks and more passes are cheaper,
# which is what :class:`~sklr.decomposition.RandomizedLowRank` plans.
