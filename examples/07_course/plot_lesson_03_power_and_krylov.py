"""
Lesson 3: powers, all of them
=============================

The figures of the third lesson of the course, :doc:`/course/03_power_and_krylov`.

The claims: with equally many products with the matrix, block Krylov iteration is orders of magnitude
nearer to the best approximation than subspace iteration, because it has all polynomials to choose from; and
powers that are not made orthonormal on the way lose all singular values below
``eps**(1 / (2 q + 1))`` of the largest.

Sources: C. Musco and C. Musco, "Randomized Block Krylov Methods for Stronger and Faster Approximate Singular
Value Decomposition", 2015, arXiv:1504.05477. J. A. Tropp and R. J. Webber, "Randomized algorithms for
low-rank matrix approximation: Design, analysis, and applications", 2023, arXiv:2306.12418.
"""

import matplotlib.pyplot as plt
import numpy as np

plt.rcParams.update({"font.size": 12})
rng = np.random.default_rng(0)

# %%
# Two iterations
# --------------
# Each yields an orthonormal basis after 0, 1, 2, ... powers.


def subspace(A, b, n_powers, rng):
    """Yield bases of subspace iteration."""
    Q = np.linalg.qr(A @ rng.standard_normal((A.shape[1], b)))[0]
    yield Q
    for _ in range(n_powers):
        Q = np.linalg.qr(A @ np.linalg.qr(A.T @ Q)[0])[0]
        yield Q


def krylov(A, b, n_powers, rng):
    """Yield bases of block Krylov iteration."""
    block = Q = np.linalg.qr(A @ rng.standard_normal((A.shape[1], b)))[0]
    yield Q
    for _ in range(n_powers):
        block = A @ (A.T @ block)
        for _ in range(2):
            block = block - Q @ (Q.T @ block)
        block = np.linalg.qr(block)[0]
        Q = np.hstack([Q, block])
        yield Q


def matrix_with(s, m):
    """Return a matrix of m rows with the singular values s and random singular vectors."""
    U = np.linalg.qr(rng.standard_normal((m, len(s))))[0]
    V = np.linalg.qr(rng.standard_normal((len(s), len(s))))[0]
    return (U * s) @ V.T


# %%
# What a polynomial does, and what it is good for
# -----------------------------------------------

k, b, n_powers = 10, 20, 5
sigma = np.arange(1.0, 501) ** -0.5
A = matrix_with(sigma, 600)
beyond = np.sum(sigma[k:] ** 2)
excess = {}
for method in (subspace, krylov):
    runs = []
    for _ in range(3):
        values = [np.linalg.svd(Q.T @ A, compute_uv=False)[:k] for Q in method(A, b, n_powers, rng)]
        runs.append([np.sqrt((np.sum(sigma**2) - np.sum(s**2)) / beyond) - 1 for s in values])
    excess[method] = np.maximum(np.mean(runs, axis=0), 1e-13)

fig, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
x = np.linspace(0, 1.2, 600)
inside, outside = np.minimum(x, 1), np.maximum(x, 1)
chebyshev = x * np.where(x <= 1, np.cos(8 * np.arccos(inside)), np.cosh(8 * np.arccosh(outside)))
axes[0].axvspan(0, 1, color="#DDDDDD")
axes[0].plot(x, x**9, "--", color="#D55E00", lw=2, label="subspace iteration: $x^9$")
axes[0].plot(x, chebyshev, color="#0072B2", lw=2, label="Krylov: $x\\,T_8(x)$")
axes[0].text(0.35, 5, "unwanted", fontsize=12)
axes[0].text(1.04, -1.5, "wanted", fontsize=12)
axes[0].set(
    ylim=(-2, 20),
    xlabel="singular value / largest unwanted one",
    ylabel="what the polynomial makes of it",
    title="Two polynomials of degree 9",
)
axes[0].legend(loc="upper left")
products = 2 * np.arange(n_powers + 1) + 2
axes[1].plot(products, excess[subspace], "--s", color="#D55E00", lw=2, label="subspace iteration")
axes[1].plot(products, excess[krylov], "-o", color="#0072B2", lw=2, label="block Krylov")
axes[1].set(
    yscale="log",
    xlabel="products with A or its transpose",
    ylabel="excess error",
    title="Rank 10, blocks of 20, $\\sigma_i = 1/\\sqrt{i}$",
)
axes[1].set_xticks(products)
axes[1].legend(loc="lower left")
plt.show()

# %%
# Powers without a basis
# ----------------------
# Singular values that fall by a decade for every five of them, and three powers. The careless loop multiplies
# only, and makes the columns orthonormal once, at the end. The share of a singular vector that lies in the
# span tells whether it was found.

steep = 10.0 ** (-np.arange(60) / 5)
U = np.linalg.qr(rng.standard_normal((400, 60)))[0]
B = (U * steep) @ np.linalg.qr(rng.standard_normal((60, 60)))[0].T
Omega = rng.standard_normal((60, 30))
shares = {}
for dtype in (np.float64, np.float32):
    C = B.astype(dtype)
    Y = C @ Omega.astype(dtype)
    for _ in range(3):
        Y = C @ (C.T @ Y)
    Q = np.linalg.qr(Y)[0].astype(np.float64)
    shares[dtype] = np.sum((Q.T @ U) ** 2, axis=0)
    print(f"{dtype.__name__}: half of a vector is lost below {steep[np.argmax(shares[dtype] < 0.5)]:.1e}")
*_, Q = subspace(B, 30, 3, rng)
careful = np.sum((Q.T @ U) ** 2, axis=0)

fig, ax = plt.subplots(figsize=(8.5, 4.8), layout="constrained")
shown = slice(0, 40)
ax.plot(steep[shown], careful[shown], "-o", color="#0072B2", lw=2, label="orthonormal, float64")
ax.plot(steep[shown], shares[np.float64][shown], "--s", color="#E69F00", lw=2, label="careless, float64")
ax.plot(steep[shown], shares[np.float32][shown], ":^", color="#D55E00", lw=2, label="careless, float32")
for dtype, colour in ((np.float64, "#E69F00"), (np.float32, "#D55E00")):
    ax.axvline(float(np.finfo(dtype).eps) ** (1 / 7), color=colour, lw=1.5, alpha=0.7)
ax.set(
    xscale="log",
    xlabel="singular value / the largest",
    ylabel="share of its vector in the span",
    title="Three powers, 30 columns, with and without orthonormal columns",
)
ax.invert_xaxis()
ax.legend(loc="center right")
plt.show()
