"""
Find the corners of a noisy simplex
===================================

Rows that are mixtures of a few archetypes fill a simplex, and its corners are the archetypes. Successive
projection (SPA) takes extreme rows for them; with noise the most extreme rows are those with the largest
noise. :class:`~sklr.decomposition.SuccessiveProjection` by default projects the rows on the plane of the
simplex and takes means of neighbours before it looks for extremes (pp-SPA).

The claim: its vertices are several times nearer than those of SPA, and the distance that is gained grows with
the noise.

Source: J. Jin, Z. T. Ke, G. Moryoussef, J. Tang and J. Wang, "Improved Algorithm and Bounds for Successive
Projection", 2024, arXiv:2403.11013.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment

from sklr.decomposition import SuccessiveProjection

# %%
# Mixtures of three archetypes
# ----------------------------
# A triangle with sides of 10 in 50 features: ten pure rows at each corner, 970 mixtures, normal noise.

names = {"spa": "SPA", "p-spa": "SPA, projected", "pp-spa": "pp-SPA"}
vertices = np.zeros((3, 50))
vertices[:, :2] = [[20, 20], [20, 30], [30, 20]]


def draw(seed, sigma):
    """Return the noisy rows."""
    rng = np.random.default_rng(seed)
    weights = np.vstack([np.repeat(np.eye(3), 10, axis=0), rng.dirichlet(np.ones(3), 970)])
    return weights @ vertices + sigma * rng.standard_normal((1000, 50))


def find(X, method):
    """Return the vertices found, in the order of the true ones."""
    found = SuccessiveProjection(3, method=method, random_state=0).fit(X).components_
    distances = np.linalg.norm(vertices[:, None] - found, axis=2)
    return found[linear_sum_assignment(distances)[1]]


# %%
# Vertices and their errors
# -------------------------
# The error is the largest distance of a vertex from its estimate. Ten draws for each noise.

sigmas = np.array([0.1, 0.2, 0.5, 1.0, 2.0])
errors = {method: np.empty((len(sigmas), 10)) for method in names}
for i, sigma in enumerate(sigmas):
    for seed in range(10):
        X = draw(seed, sigma)
        for method in names:
            distances = np.linalg.norm(find(X, method) - vertices, axis=1)
            errors[method][i, seed] = distances.max()
for sigma, *means in zip(sigmas, *(errors[method].mean(axis=1) for method in names), strict=True):
    print(f"noise {sigma}: " + ", ".join(f"{name} {m:.2f}" for name, m in zip(names, means, strict=True)))

# %%
# On the left the first two features, in which the triangle lies, for noise .5. The vertices that SPA finds
# look better there than they are: most of their errors is in the other 48 features.

colours = {"spa": "#D55E00", "p-spa": "#E69F00", "pp-spa": "#0072B2"}
markers = {"spa": "s", "p-spa": "D", "pp-spa": "o"}
plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")

ax = axes[0]
X = draw(0, 0.5)
ax.plot(*X[:, :2].T, ".", color="0.75", ms=3, label="rows")
ax.fill(*vertices[:, :2].T, fill=False, ec="black", lw=1.5, label="truth")
for method, name in names.items():
    corners = find(X, method)[:, :2]
    ax.fill(*corners.T, fill=False, ec=colours[method], lw=1, ls="--")
    ax.plot(*corners.T, markers[method], color=colours[method], ms=8, label=name)
ax.set(xlabel="first feature", ylabel="second feature", title="Noise .5", aspect="equal")
ax.legend()

ax = axes[1]
for method, name in names.items():
    ax.plot(sigmas, errors[method].mean(axis=1), color=colours[method], lw=1)
    for j in range(10):
        ax.plot(
            sigmas,
            errors[method][:, j],
            markers[method],
            color=colours[method],
            ms=4,
            alpha=0.6,
            label=name if j == 0 else None,
        )
ax.set(
    xscale="log",
    yscale="log",
    xlabel="standard deviation of the noise",
    ylabel="largest error of a vertex",
    title="Ten draws, and their means",
)
ax.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
ax.minorticks_off()
ax.legend()
plt.show()

# %%
# At noise .5 the worst vertex is off by 4.0 with SPA, by 1.3 after the projection and by .7 with neighbours
# averaged as well; at noise 2, a fifth of the side of the triangle in each of 50 features, by 19, 6.7 and
# 3.9. The gain is a factor of five to eight.
#
# It takes rows near each vertex, ten of them here: an average over neighbours of a corner that is nearly
# empty moves inward. Without noise plain SPA is exact, and averages only do harm.
