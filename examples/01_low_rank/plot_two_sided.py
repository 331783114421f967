"""
One form for many decompositions
================================

With X and Y matrices of l and p columns, ``A_hat = A X (Y^T A X)^+ Y^T A`` approximates A by what X and Y see
of it. Singular vectors for X and Y give the truncated SVD, random matrices generalized Nyström, columns of
the identity a CUR decomposition. :func:`sklr.linalg.two_sided_approximation` takes any of them.

The claim: with coordinates for X and Y it is the CUR decomposition of
:class:`~sklr.decomposition.CURDecomposition` with ``linking="intersection"``, to rounding, and both sides
have oblique projectors that are idempotent. Chosen coordinates have about twice the error of the SVD; random
matrices, which look at the data once and choose nothing, two to three and a half times; coordinates that
nobody chose up to six times.

Sources: M. P. Karpowicz, "A theory of meta-factorization", 2021, arXiv:2111.14385; Y. Nakatsukasa, "Fast and
stable randomized low-rank matrix approximation", 2020, arXiv:2009.11392.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklr.decomposition import CURDecomposition
from sklr.linalg import two_sided_approximation
from sklr.sketch import Gaussian

# %%
# Four kinds of X and Y
# ---------------------
# An array of integers stands for columns of the identity. Y has half as many columns again as X: with equally
# many, chosen independently, the core ``Y^T A X`` may be nearly singular.

A = load_digits().data
m, n = A.shape
U, s, Vt = np.linalg.svd(A, full_matrices=False)
norm = np.linalg.norm(A)


def error(X, Y):
    """Return the relative error of the approximation."""
    found = two_sided_approximation(A, X, Y)
    return np.linalg.norm(A - found.left @ found.right) / norm


sizes = np.arange(5, 41, 5)
n_draws = 10
errors = {"singular vectors: the SVD": [], "Gaussian: Nyström": [], "chosen: CUR": [], "any coordinates": []}
for size in sizes:
    p = int(1.5 * size)
    errors["singular vectors: the SVD"].append([error(Vt[:size].T, U[:, :size])])
    gaussian, chosen, any_of_them = [], [], []
    for seed in range(n_draws):
        S, T = Gaussian().operator(size, n, rng=seed), Gaussian().operator(p, m, rng=100 + seed)
        gaussian.append(error(S.T, T.T))
        cur = CURDecomposition(size, n_columns=size, n_rows=min(p, n), random_state=seed).fit(A)
        chosen.append(error(cur.column_indices_, cur.row_indices_))
        rng = np.random.default_rng(seed)
        any_of_them.append(error(rng.permutation(n)[:size], rng.permutation(m)[:p]))
    for name, values in zip(list(errors)[1:], (gaussian, chosen, any_of_them), strict=True):
        errors[name].append(values)
for name, values in errors.items():
    print(f"{name:<26}" + "".join(f"{np.median(of_size):7.3f}" for of_size in values))

# %%
# The same as CUR
# ---------------

cur = CURDecomposition(20, n_columns=20, n_rows=20, linking="intersection", random_state=0).fit(A)
two_sided = two_sided_approximation(A, cur.column_indices_, cur.row_indices_)
same = np.linalg.norm(two_sided.left @ two_sided.right - cur.inverse_transform(cur.transform(A))) / norm
print(f"difference to the CUR decomposition: {same:.0e} of the norm of A")

S, T = Gaussian().operator(20, n, rng=0), Gaussian().operator(30, m, rng=1)
found = two_sided_approximation(A, S.T, T.T)
for side, projector in (("columns", found.column_projector), ("rows", found.row_projector)):
    v = np.random.default_rng(0).standard_normal((projector.shape[1], 5))
    once = projector @ v
    off = np.linalg.norm(projector @ once - once) / np.linalg.norm(once)
    print(f"projector of the {side}: twice differs from once by {off:.0e}")

# %%
# Errors against the number of columns of X
# -----------------------------------------
# Lines are medians; the band holds all ten draws.

colours = ["black", "#0072B2", "#009E73", "#D55E00"]
plt.rcParams.update({"font.size": 11})
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for (name, values), colour, marker in zip(errors.items(), colours, " osD", strict=True):
    ax.plot(sizes, [np.median(v) for v in values], color=colour, marker=marker.strip(), lw=1.5, label=name)
    ax.fill_between(sizes, [min(v) for v in values], [max(v) for v in values], color=colour, alpha=0.2, lw=0)
ax.set(
    yscale="log",
    xlabel="columns of X (Y has half as many again)",
    ylabel="relative error",
    title="Digits, 1,797 x 64, from both sides",
)
ax.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
ax.minorticks_off()
ax.legend(loc="lower left")
plt.show()

# %%
# The difference to the CUR decomposition is 1e-15 of the norm, and the projectors are idempotent to 4e-15.
# With 20 columns of X the error is .18 for singular vectors, .32 for chosen coordinates, .54 for Gaussian
# matrices and .55 for any coordinates; with 40 columns .06, .13, .21 and .35.
#
# None of these is the best approximation from its columns and rows: the inverse of the core stands in place
# of a projection, which would need the data a second time. With linking="projection" CURDecomposition does
# that, and is nearer: :ref:`sphx_glr_auto_examples_04_columns_plot_cur_pictures.py`. Small cores are a risk,
# as the band of the Gaussian matrices at 5 columns shows.
