"""
A tolerance in place of the rank
================================

Nobody knows how many components data have; how large an error is acceptable is known more often. With ``tol``
:class:`~sklr.decomposition.RandomizedLowRank` finds the rank, and the fit says what the error is.

The claim: the rank that it finds is the smallest possible one, and ``error_estimate_`` follows
the true error over twelve powers of ten. The usual formula, norms and a difference, cannot: below 1e-7 it is
rounding error, or zero.

Source of the estimate: E. N. Epperly and J. A. Tropp, "Efficient error and variance estimation for randomized
matrix computations", 2022, arXiv:2207.06342.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.decomposition import RandomizedLowRank

# %%
# A matrix with known singular values
# -----------------------------------
# They fall by a factor of ten every ten values, so that errors of any size can be had.

m, n = 600, 200
rng = np.random.default_rng(0)
U, V = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in (m, n))
s = 10 ** (-np.arange(n) / 10)
A = (U * s) @ V.T
best = np.sqrt(np.cumsum(s[::-1] ** 2)[::-1] / np.sum(s**2))  # of rank 0, 1, 2, ...

# %%
# One fit for each tolerance
# --------------------------
# Three errors of each fit: what it says, what it is (the norm of the matrix that is left, of which each entry
# is a difference), and the difference of the two norms.

tolerances = 2 * 10.0 ** -np.arange(1, 13)
ranks, estimates, true, differences = [], [], [], []
for tol in tolerances:
    model = RandomizedLowRank(n_components=None, tol=tol, random_state=0).fit(A)
    coordinates = model.transform(A)
    ranks.append(model.n_components_)
    estimates.append(model.error_estimate_)
    true.append(np.linalg.norm(A - coordinates @ model.components_) / np.linalg.norm(A))
    squared = 1 - np.sum(coordinates**2) / np.sum(A**2)
    differences.append(np.sqrt(max(squared, 0)))
needed = [int(np.argmax(best <= tol)) for tol in tolerances]

print("tolerance  rank  least   estimate       true  difference of norms")
for row in zip(tolerances, ranks, needed, estimates, true, differences, strict=True):
    print("{:9.0e} {:5d} {:6d} {:10.2e} {:10.2e} {:20.2e}".format(*row))

# %%
# Ranks and errors
# ----------------
# A difference of norms that came out as zero is drawn at the lower edge.

plt.rcParams.update({"font.size": 11})
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
left.plot(tolerances, needed, "-", color="black", lw=1, label="the least that is possible")
left.plot(tolerances, ranks, "o", color="#0072B2", ms=7, label="found")
left.set(xscale="log", xlabel="tolerance", ylabel="components", title="The rank that a tolerance takes")
left.invert_xaxis()
left.legend(loc="upper left")

floor = 3e-13
right.plot([1e-13, 1], [1e-13, 1], color="0.6", lw=1, label="estimate = error")
right.plot(true, estimates, "o", color="#0072B2", ms=7, label="error_estimate_")
right.plot(
    true, np.maximum(differences, floor), "x", color="#D55E00", ms=8, mew=2, label="difference of norms"
)
right.set(
    xscale="log",
    yscale="log",
    xlim=(floor, 1),
    ylim=(floor / 1.5, 1),
    xlabel="true relative error",
    ylabel="relative error, as estimated",
    title="What a fit says of its error",
)
right.invert_xaxis()
right.legend(loc="upper right")
plt.show()

# %%
# All twelve ranks are the smallest possible. The estimate is exact to its digits down to 1e-6, where it comes
# from the norms, and below that, where it comes from ten Gaussian vectors, within a fifth of the true error
# here; it is within a factor 3 with probability above .999. The difference of norms has no digit left below
# 1e-7.
#
# What does not hold in general is that the rank is the smallest: on spectra that fall slowly an iteration may
# need a component more, since what it has found is short of the best by the excess error. And a small error
# of the approximation does not mean accurate singular vectors: see ``accuracy`` and `residual_norms_`.
