"""
Why the order of the work changes the last digits
=================================================

A Gram matrix is a sum over tiles of rows. Threads bring their parts in whatever order they are done, and
floating-point addition is not associative: added up on arrival, the result has other last digits in each run.
And a sketch that is drawn from one generator, piece by piece, depends on how the matrix is cut.

The claim: both effects are there in programs that take no care, the first of the size of rounding errors, the
second of the size of the result; in sklr both are exactly zero, since results are added up in the order of
the tiles and random numbers belong to a place of the sketch. It is the figure of
:doc:`/guide/reproducibility`.

Source of the generators: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as
easy as 1, 2, 3", 2011, doi:10.1145/2063384.2063405.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import as_operand
from sklr.sketch import Gaussian

rng = np.random.default_rng(0)
A = rng.standard_normal((6400, 30)) + 1.0

# %%
# Sums in the order of arrival
# ----------------------------
# 64 parts, added up in 500 random orders.

parts = [tile.T @ tile for tile in np.split(A, 64)]


def added_up(order):
    """Return the sum of the parts in an order."""
    total = np.zeros_like(parts[0])
    for i in order:
        total += parts[i]
    return total


first = added_up(range(64))
changes = np.array([np.abs(added_up(rng.permutation(64)) / first - 1).max() for _ in range(500)])
grams = [as_operand(A).gram(n_threads=n_threads) for n_threads in (1, 2, 4)]
ours = max(np.abs(G - grams[0]).max() for G in grams)
print(
    f"on arrival: {np.mean(changes > 0):.0%} of the orders differ, by {np.median(changes):.1e} at the median"
)
print(f"sklr, 1, 2 and 4 threads: largest difference {ours}")

# %%
# A sketch in pieces
# ------------------
# S A as a sum over p pieces of the rows of A. The naive program draws each piece of S from one generator, in
# the order of the work; here the last piece is done first. The operator of sklr is asked for those columns.

d, seed = 50, 0
pieces = [1, 2, 4, 8, 16, 32, 64]
S = Gaussian().operator(d, len(A), rng=seed)
naive, streams = [], []
for p in pieces:
    generator = np.random.default_rng(seed)
    from_one, from_blocks = np.zeros((d, 30)), np.zeros((d, 30))
    for rows in np.array_split(np.arange(len(A)), p)[::-1]:
        from_one += generator.standard_normal((d, len(rows))) @ A[rows] / np.sqrt(d)
        from_blocks += S.columns(rows[0], rows[-1] + 1) @ A[rows]
    naive.append(from_one)
    streams.append(from_blocks)


def relative(found):
    """Return the differences to the sketch in one piece."""
    return [np.linalg.norm(X - found[0]) / np.linalg.norm(found[0]) for X in found]


print("pieces       " + "".join(f"{p:9d}" for p in pieces))
print("one generator" + "".join(f"{x:9.1e}" for x in relative(naive)))
print("streams      " + "".join(f"{x:9.1e}" for x in relative(streams)))

# %%
# A fit
# -----

models = [RandomizedLowRank(5, solver="krylov", random_state=0, n_threads=t).fit(A) for t in (1, 2, 4)]
same = all(np.array_equal(m.components_, models[0].components_) for m in models)
print(f"components of a Krylov fit on 1, 2 and 4 threads have the same bits: {same}")
assert same and ours == 0

# %%
# Pictures
# --------
# What is left of the streams on the right is the order of additions in this example, which cuts the sum by
# hand; ``S.apply(A)`` cuts by its own tiles. A difference of zero is drawn at 1e-17.

plt.rcParams.update({"font.size": 11})
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
left.hist(changes / 1e-16, bins=25, color="#D55E00", alpha=0.7, label="added up on arrival")
left.axvline(0, color="#0072B2", lw=4, label="sklr, any number of threads: 0")
left.set(
    xlabel="largest relative change of an entry (units of 1e-16)",
    ylabel="orders of arrival, of 500",
    title="A Gram matrix of 64 parts",
)
left.legend(loc="upper right")
left.set(xlim=(-0.5, None), ylim=(0, 470))

floor = 1e-17
right.plot(pieces, np.maximum(relative(naive), floor), "s-", color="#D55E00", ms=7, label="one generator")
right.plot(
    pieces, np.maximum(relative(streams), floor), "o-", color="#0072B2", ms=7, label="streams of blocks"
)
right.axhline(np.finfo(float).eps, color="0.5", lw=1, ls="--", label="rounding, 2e-16")
right.set(
    xscale="log",
    yscale="log",
    ylim=(floor / 2, 100),
    xlabel="pieces that the sketch is drawn in",
    ylabel="relative difference to one piece",
    title="A sketch S A of 50 rows",
)
right.set_xticks(pieces, [str(p) for p in pieces])
right.minorticks_off()
right.legend(loc="center right")
plt.show()

# %%
# The first effect is small until something is decided by it: which of two columns is longer, or whether to
# stop. The second one makes another sketch, as good as the first, but not the same. What neither fixes is
# another type of machine, whose products have other last digits.
