"""
Lesson 6: which columns stand for the others
============================================

Three ways to choose, from :doc:`/course/06_columns`.

The claims: columns that are taken one after the other, each by what the others have left, stay within a
small factor of the best approximation of their number, where scores that look at one column at a time take
copies; but where noise is longer than signal, to take the longest is wrong, and the column that lowers the
error most, or a random one, is better. Points that are chosen for a basis interpolate in it, where points at
equal distances do not. And the vertices of a cloud are found by the same greedy step, which noise pushes out
and a mean over neighbours brings back.

Sources: Y. Dong and P.-G. Martinsson, "Simpler is better: a comparative study of randomized pivoting
algorithms for CUR and interpolative decompositions", 2021, arXiv:2104.05877. Y. Chen, E. N. Epperly, J. A.
Tropp and R. J. Webber, "Randomly pivoted Cholesky: practical approximation of a kernel matrix with few entry
evaluations", 2022, arXiv:2207.06503. S. Chaturantabut and D. C. Sorensen, "Nonlinear model reduction via
discrete empirical interpolation", 2010, doi:10.1137/090766498. J. Jin, Z. T. Ke, G. Moryoussef, J. Tang and
J. Wang, "Improved Algorithm and Bounds for Successive Projection", 2024, arXiv:2403.11013.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.linalg import discrete_empirical_interpolation, select_columns, successive_projection

rng = np.random.default_rng(0)

# %%
# Columns
# -------
# Forty groups of columns that are alike, of 2 to 12 columns, and as many columns of pure noise that are a
# little longer. In the first matrix the noise is left out.

m, n_groups = 400, 40
sizes = np.arange(n_groups) % 11 + 2
factors = np.linalg.qr(rng.standard_normal((m, n_groups)))[0]
alike = np.repeat(factors, sizes, axis=1)
alike = alike + 0.2 / np.sqrt(m) * rng.standard_normal(alike.shape)
noise = 1.1 / np.sqrt(m) * rng.standard_normal(alike.shape)
matrices = {"copies": alike, "copies beside noise that is longer": np.hstack([alike, noise])}
methods = {
    "pivoted QR": {"method": "qrcp"},
    "lowest error": {"method": "greedy"},
    "random pivots": {"method": "rbrp"},
    "largest leverage": {"method": "leverage"},
    "uniform": {"method": "uniform"},
}
counts = [5, 10, 20, 30, 40, 60]
ratios = {}
for name, A in matrices.items():
    s = np.linalg.svd(A, compute_uv=False)
    best = {k: np.sqrt(np.sum(s[k:] ** 2) / np.sum(s**2)) for k in counts}
    for method, how in methods.items():
        ratios[name, method] = [select_columns(A, k, rng=0, **how).errors[-1] / best[k] for k in counts]
        print(f"{name}, {method}, error over the best:", np.round(ratios[name, method], 2))

# %%
# Points
# ------
# The interpolant of a function by k polynomials from its values at k points: the constant says by what factor
# it may be farther off than the best approximation by these polynomials.

grid = np.linspace(-1, 1, 400)
degrees = np.arange(2, 31, 2)
constants = {"chosen for the basis (DEIM)": [], "at equal distances": [], "drawn at random": []}
for k in degrees:
    V = np.linalg.qr(np.polynomial.legendre.legvander(grid, k - 1))[0]
    even = np.linspace(0, len(grid) - 1, k).round().astype(int)
    drawn = [np.linalg.norm(np.linalg.inv(V[rng.choice(len(grid), k, replace=False)]), 2) for _ in range(30)]
    constants["chosen for the basis (DEIM)"].append(discrete_empirical_interpolation(V).constant)
    constants["at equal distances"].append(np.linalg.norm(np.linalg.inv(V[even]), 2))
    constants["drawn at random"].append(np.median(drawn))
for name, values in constants.items():
    print(f"{name}: constant {values[-1]:.1e} for {degrees[-1]} polynomials")

# %%
# Vertices
# --------

corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.3, 0.9]])
cloud = rng.dirichlet([0.4, 0.4, 0.4], size=1_500) @ corners + 0.07 * rng.standard_normal((1_500, 2))
found = {name: successive_projection(cloud, 3, method=name, rng=0).vertices for name in ("spa", "pp-spa")}
for name, vertices in found.items():
    off = np.max(np.min(np.linalg.norm(vertices[:, None] - corners, axis=2), axis=0))
    print(f"{name}: the farthest vertex is off by {off:.2f}")

# %%
# The figure
# ----------

colours = dict(zip(methods, ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "0.6"], strict=True))
marks = dict(zip(methods, "osD^x", strict=True))
plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
axes = axes.ravel()

for ax, name in zip(axes[:2], matrices, strict=True):
    for method, colour in colours.items():
        ax.plot(counts, ratios[name, method], marker=marks[method], color=colour, lw=2, label=method)
    ax.axhline(1, color="black", lw=1)
    ax.set(xlabel="columns taken", title=name)
axes[0].set(ylabel="error / error of the truncated SVD", yscale="log")
axes[0].set_yticks([1, 2, 3, 4], ["1", "2", "3", "4"])
axes[0].minorticks_off()
axes[0].legend()

styles = zip(constants.items(), ["#0072B2", "#D55E00", "0.5"], ["-", "--", ":"], strict=True)
for (name, values), colour, style in styles:
    axes[2].plot(degrees, values, style, color=colour, lw=2.2, label=name)
axes[2].set(
    yscale="log",
    xlabel="polynomials, and points",
    ylabel="interpolation constant",
    title="points for polynomials",
)
axes[2].legend()

axes[3].plot(*cloud.T, ".", color="0.75", ms=3, zorder=0)
axes[3].plot(*np.vstack([corners, corners[:1]]).T, color="black", lw=1.2, label="true simplex")
shown = {"spa": ("#D55E00", "x", "successive projection"), "pp-spa": ("#0072B2", "o", "with pseudo-points")}
for name, (colour, mark, label) in shown.items():
    axes[3].plot(*found[name].T, mark, color=colour, ms=10, mew=2.5, mfc="none", label=label)
axes[3].set(
    xlabel="first coordinate", ylabel="second coordinate", title="vertices of a cloud", ylim=(-0.3, 1.55)
)
axes[3].legend(loc="upper right")
plt.show()
