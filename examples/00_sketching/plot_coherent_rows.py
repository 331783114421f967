"""
The trap: rows that carry everything
====================================

Test data are often Gaussian, and on these all sketches are alike. Real data may have a few rows that alone
determine a direction: a rare word, a broken sensor, a hub. Then families differ, and some fail.

The claim: with ten such rows a CountSketch loses a direction altogether whenever two of them fall into the
same row of the sketch, which happens to ``1 - (1 - 1/d) ... (1 - 9/d)`` of the sketches; uniform sampling
nearly always loses one; a Gaussian sketch and eight stacked CountSketches never do, nor does SRTT with three
times as many rows as dimensions. Sampling by leverage, which has to know the rows, needs more of them but
works.

Sources: K. L. Clarkson and D. P. Woodruff, "Low rank approximation and regression in input sparsity time",
2013, arXiv:1207.6365, for CountSketch; C. Camaño, E. N. Epperly, R. A. Meyer and J. A. Tropp, "Faster linear
algebra algorithms with structured random matrices", 2025, arXiv:2508.21189, for SparseStack.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.sketch import SRTT, CountSketch, Gaussian, RowSampling, SparseStack

# %%
# A coherent subspace
# -------------------
# Ten of the 20 orthonormal columns of Q have a single entry, in rows of their own; the others are spread over
# the rest. The leverages of the rows, their squared lengths in Q, are 1 for ten rows and about .005 for
# others.

n, k, n_heavy, n_draws = 2048, 20, 10, 100
sizes = np.array([30, 60, 120, 240, 480])
rng = np.random.default_rng(0)
Q = np.zeros((n, k))
Q[:n_heavy, :n_heavy] = np.eye(n_heavy)
Q[n_heavy:, n_heavy:] = np.linalg.qr(rng.standard_normal((n - n_heavy, k - n_heavy)))[0]
leverage = np.sum(Q**2, axis=1)

families = {
    "Gaussian": Gaussian(),
    "SparseStack, 8 blocks": SparseStack(n_blocks=8),
    "SRTT": SRTT(),
    "RowSampling by leverage": RowSampling(leverage / leverage.sum()),
    "CountSketch": CountSketch(),
    "RowSampling, uniform": RowSampling(),
}

# %%
# Directions that are lost
# ------------------------
# Some x of the subspace with ``||x|| = 1`` has ``||S x||`` equal to the smallest singular value of SQ. Where
# that is below 0.1, what the data say in this direction is gone.

smallest = {
    name: np.array(
        [
            [
                np.linalg.svd(family.operator(int(d), n, rng=seed) @ Q, compute_uv=False)[-1]
                for seed in range(n_draws)
            ]
            for d in sizes
        ]
    )
    for name, family in families.items()
}
lost = {name: 100 * np.mean(values < 0.1, axis=1) for name, values in smallest.items()}
collide = 100 * (1 - np.prod(1 - np.arange(n_heavy)[:, None] / sizes, axis=0))
print(f"% of {n_draws} sketches that lose a direction")
print("rows of the sketch      " + "".join(f"{d:7d}" for d in sizes))
for name, shares in lost.items():
    print(f"{name:<24}" + "".join(f"{share:7.0f}" for share in shares))
print("two of ten rows collide " + "".join(f"{share:7.0f}" for share in collide))

# %%
# Medians, and failures
# ---------------------
# On the left the median of the smallest singular value, where 1 would be perfect. A median hides what is seen
# on the right: how often a direction is lost.

colours = ["#0072B2", "#009E73", "#E69F00", "#56B4E9", "#D55E00", "#CC79A7"]
plt.rcParams.update({"font.size": 11})
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
for (name, values), colour, marker in zip(smallest.items(), colours, "osDP^v", strict=True):
    style = {"color": colour, "marker": marker, "ms": 7, "lw": 1.5}
    left.plot(sizes, np.median(values, axis=1), label=name, **style)
    right.plot(sizes, lost[name], **style)
right.plot(sizes, collide, "--", color="black", lw=1.5, label="CountSketch, expected")
left.set(ylabel="smallest singular value of SQ, median", title="What is left of the weakest direction")
left.set_ylim(-0.03, 1.03)
right.set(
    ylabel="sketches that lose a direction (%)", title=f"Failures in {n_draws} sketches", ylim=(-3, 103)
)
right.legend(loc="center right")
for ax in (left, right):
    ax.set(xscale="log", xlabel="rows of the sketch, d")
    ax.set_xticks(sizes, [str(d) for d in sizes])
    ax.minorticks_off()
fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# CountSketch loses a direction in 31 of 100 sketches of 120 rows, six for each dimension, and in 9 of 100
# with 480: as often as two of ten rows collide. When none do it is as good as the others, as the median
# shows: a test that looks at a single seed sees nothing. Uniform sampling would have to draw all ten rows.
# SparseStack, the default for sparse and for large data, has the curve of the Gaussian sketch.
#
# It does not follow that CountSketch is useless: with d above k squared collisions are rare, and on
# incoherent data it is as good (:ref:`sphx_glr_auto_examples_00_sketching_plot_distortion.py`). SRTT with 30
# rows for 20 dimensions failed in 7 of 100: half as many rows again as dimensions are too few for it.
