"""
Families of sketches
====================

Six families of sketches S of d rows, as pictures, and what each does to lengths: the smallest and the largest
singular value of S Q for an orthonormal Q of k columns. Both are 1 if no vector of the subspace changes its
length; a smallest value of 0 is a vector that is lost.

The claim: where the rows of Q are all alike, families do not differ. Where a few rows carry everything, those
with one entry in a column, or fewer, lose vectors; a dense sketch and a stack of eight blocks do not notice;
and a fast transform is in between, if these rows are adjacent. It is the figure of :doc:`/guide/sketching`.

Source of the weakness: J. Nelson and H. L. Nguyen, "OSNAP: Faster numerical linear algebra algorithms via
sparser subspace embeddings", 2013, arXiv:1211.1002.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.sketch import SRTT, CountSketch, Gaussian, RowSampling, SparseStack, VerySparse

families = {
    "Gaussian": Gaussian(),
    "SRTT": SRTT(),
    "SparseStack(8)": SparseStack(n_blocks=8),
    "VerySparse": VerySparse(),
    "CountSketch": CountSketch(),
    "RowSampling": RowSampling(),
}

# %%
# Two subspaces
# -------------
# One is spread over all rows, the other lies in its first k coordinates: only k rows of the data are not
# zero.

n, k, d, n_draws = 2000, 20, 160, 50
spread = np.linalg.qr(np.random.default_rng(0).standard_normal((n, k)))[0]
coherent = np.eye(n, k)

# %%
# Singular values
# ---------------

extremes = {}
for name, family in families.items():
    for kind, Q in (("spread", spread), ("coherent", coherent)):
        draws = [
            np.linalg.svd(family.operator(d, n, rng=seed) @ Q, compute_uv=False)[[-1, 0]]
            for seed in range(n_draws)
        ]
        extremes[name, kind] = np.array(draws)

print(f"k = {k}, d = {d}, {n_draws} draws        smallest: worst   median    largest: worst")
for (name, kind), values in extremes.items():
    low, high = values.T
    print(f"{name:<16}{kind:<22}{low.min():8.2f}{np.median(low):9.2f}{high.max():17.2f}")

# %%
# Pictures
# --------
# Above, sketches of 24 rows and 96 columns: violet is positive, brown negative, white zero. Below, a bar from
# the smallest to the largest singular value over all draws, and the interval that a Gaussian matrix keeps to
# in the limit, ``1 - sqrt(k / d)`` to ``1 + sqrt(k / d)``.

plt.rcParams.update({"font.size": 11})
figure, panels = plt.subplot_mosaic(
    [list("abc"), list("def"), list("ggg")], figsize=(12, 8), height_ratios=[1, 1, 2.2], layout="constrained"
)
for letter, (name, family) in zip("abcdef", families.items(), strict=True):
    S = family.operator(24, 96, rng=1).toarray()
    ax = panels[letter]
    ax.imshow(S / np.abs(S).max(), cmap="PuOr", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    ax.set(title=name, xticks=[0, 48, 95], yticks=[0, 23])
    if letter in "def":
        ax.set_xlabel("column")
    if letter in "ad":
        ax.set_ylabel("row")

ax = panels["g"]
ax.axhspan(1 - np.sqrt(k / d), 1 + np.sqrt(k / d), color="0.9", label="1 ± sqrt(k / d)")
ax.axhline(1, color="0.5", lw=1)
for i, name in enumerate(families):
    for shift, kind, colour, marker in (
        (-0.14, "spread", "#0072B2", "o"),
        (0.14, "coherent", "#D55E00", "s"),
    ):
        low, high = extremes[name, kind].T
        ax.vlines(i + shift, low.min(), high.max(), color=colour, lw=5, alpha=0.45)
        label = f"{kind} rows" if i == 0 else None
        ax.plot([i + shift] * 2, [np.median(low), np.median(high)], marker, color=colour, ms=7, label=label)
ax.set_xticks(range(len(families)), list(families))
ax.set(
    ylabel="singular values of S Q",
    title=f"Extreme singular values, {n_draws} draws: bars from the least to the largest, marks are medians",
    ylim=(-0.1, None),
)
ax.legend(loc="upper left")
plt.show()

# %%
# On coherent rows SparseStack is as good as on others: a column has eight entries, and two columns would have
# to meet in all of them. Uniform sampling takes each of the k rows with probability ``d / n`` or less, so it
# loses most. The transform needs more rows for adjacent coordinates, of which its rows see few patterns; with
# a few times k log k of them it is safe. The claim does not hold for sampling with probabilities that know
# the leverages, which is safe too.
