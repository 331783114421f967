"""
Lesson 1: why a random projection keeps distances
=================================================

The figures of the first lesson of the course, :doc:`/course/01_projections`.

The claims: distances survive a product with a Gaussian matrix of few rows; the squared length of a
projected vector follows a scaled chi-square law exactly, and the bound that is mostly used is above it; and
families of sketches that look alike on incoherent data differ on coherent data, where CountSketch and
uniform row sampling lose a direction.

Sources: S. Dasgupta and A. Gupta, "An elementary proof of a theorem of Johnson and Lindenstrauss", 2003,
doi:10.1002/rsa.10073. J. Nelson and H. L. Nguyen, "OSNAP: Faster numerical linear algebra algorithms via
sparser subspace embeddings", 2013, arXiv:1211.1002.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import chi2

from sklr.sketch import SRTT, CountSketch, Gaussian, RowSampling, SparseStack

rng = np.random.default_rng(0)
plt.rcParams.update({"font.size": 12})

# %%
# Distances, and the law of a length
# ----------------------------------
# The law does not depend on the vector or on the dimension, so that a unit vector of any space will do: its
# projection is a row of d normal numbers.

points = rng.standard_normal((60, 5000)) * rng.uniform(0.3, 1.7, (60, 1))
before = pdist(points)
fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
for d, colour, marker in ((20, "#E69F00", "^"), (500, "#0072B2", "o")):
    after = pdist(Gaussian().operator(d, 5000, rng=1).apply_right(points))
    axes[0].plot(before, after, marker, ms=3, alpha=0.6, color=colour, label=f"d = {d} rows")
    print(f"{d} rows: distances off by {np.max(abs(after / before - 1)):.0%} at most")
ends = [before.min(), before.max()]
axes[0].plot(ends, ends, color="black", lw=1.5, label="unchanged")
axes[0].set(
    xlabel="distance before", ylabel="distance after", title="1,770 distances, from 5,000 dimensions to d"
)
axes[0].legend()

grid = np.linspace(0.01, 2.4, 400)
for d, colour in ((10, "#E69F00"), (50, "#009E73"), (250, "#0072B2")):
    squared = np.mean(rng.standard_normal((20_000, d)) ** 2, axis=1)
    axes[1].hist(squared, bins=60, density=True, color=colour, alpha=0.35, label=f"measured, d = {d}")
    axes[1].plot(grid, d * chi2.pdf(d * grid, d), color=colour, lw=2)
axes[1].plot([], [], color="black", lw=2, label="chi-square law")
axes[1].set(
    xlim=(0, 2.4),
    xlabel="squared length after / before",
    ylabel="density",
    title="The law of one squared length",
)
axes[1].legend()
plt.show()

# %%
# The bound, the law and the measured frequency
# ---------------------------------------------

eps, rows = 0.3, np.arange(5, 401, 5)
bound = np.minimum(2 * np.exp(-rows * (eps**2 / 4 - eps**3 / 6)), 1)
law = chi2.cdf((1 - eps) * rows, rows) + chi2.sf((1 + eps) * rows, rows)
checked = np.array([10, 25, 50, 100, 150, 200, 250])
frequency = []
for d in checked:
    squared = np.mean(rng.standard_normal((50_000, d), dtype=np.float32) ** 2, axis=1)
    frequency.append(np.mean(abs(squared - 1) > eps))
fig, ax = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
ax.plot(rows, bound, "--", color="#D55E00", lw=2, label="bound: $2\\exp(-c\\,d)$")
ax.plot(rows, law, color="#0072B2", lw=2, label="law: chi-square")
ax.plot(checked, frequency, "ko", ms=6, label="measured, 50,000 draws")
ax.set(
    yscale="log",
    ylim=(1e-5, 1.5),
    xlabel="rows of the sketch, d",
    ylabel="probability",
    title="A squared length is off by more than 30 %",
)
ax.legend()
plt.show()

# %%
# Families on incoherent and on coherent data
# -------------------------------------------
# A subspace of 20 dimensions in a space of 1,000: once spread over all rows, once in 20 rows alone. Both are
# sketched with the same operators.

n, k, n_draws = 1000, 20, 20
spread = np.linalg.qr(rng.standard_normal((n, k)))[0]
coherent = np.zeros((n, k))
coherent[rng.choice(n, k, replace=False)] = np.eye(k)
both = np.hstack([spread, coherent])
families = {
    "Gaussian": (Gaussian(), "#000000", "-o"),
    "SRTT": (SRTT(), "#0072B2", "-s"),
    "SparseStack": (SparseStack(), "#009E73", "-D"),
    "CountSketch": (CountSketch(), "#D55E00", "--^"),
    "RowSampling, uniform": (RowSampling(), "#CC79A7", ":v"),
}
sizes = [40, 80, 160, 320]
smallest = {}
for name, (distribution, _, _) in families.items():
    for d in sizes:
        values = []
        for seed in range(n_draws):
            sketched = distribution.operator(d, n, rng=seed).apply(both)
            parts = sketched[:, :k], sketched[:, k:]
            values.append([np.linalg.svd(part, compute_uv=False)[-1] for part in parts])
        smallest[name, d] = np.min(values, axis=0)
    print(f"{name}, {sizes[-1]} rows: {smallest[name, sizes[-1]].round(2)}")
fig, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained", sharey=True)
for name, (_, colour, style) in families.items():
    for j, ax in enumerate(axes):
        values = [smallest[name, d][j] for d in sizes]
        ax.plot(sizes, values, style, color=colour, lw=2, ms=7, label=name)
for ax, title in zip(axes, ("incoherent: all rows matter", "coherent: 20 rows matter"), strict=True):
    ax.set(xscale="log", ylim=(-0.05, 1), xlabel="rows of the sketch, d", title=title)
    ax.set_xticks(sizes, [str(d) for d in sizes])
    ax.minorticks_off()
axes[0].set_ylabel("smallest singular value, worst of 20 draws")
axes[0].legend(loc="lower right")
plt.show()
