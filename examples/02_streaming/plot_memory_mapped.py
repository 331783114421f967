"""
More rows, no more memory
=========================

A file of rows is a matrix: ``np.load(path, mmap_mode="r")``. :class:`~sklr.decomposition.RandomizedLowRank`
reads it tile by tile, as often as its solver needs, and says how often that was (``n_passes_``).

The claim: what a fit takes beside the mapped pages is bounded, however many rows there are, whichever solver
it takes, and so is the number of passes. PCA makes a copy of the file in memory, or more than one.

Source: N. Halko, P.-G. Martinsson, Y. Shkolnisky and M. Tygert, "An algorithm for the principal component
analysis of large data sets", 2011, arXiv:1007.5510, whose case of data on disk this is.
"""

import tempfile
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.format import open_memmap
from sklearn.decomposition import PCA

from sklr.decomposition import RandomizedLowRank

# %%
# Files
# -----
# Up to 320,000 rows of 200 columns in float32, 244 MiB, written in pieces. The file might have a hundred
# times as many rows: nothing below would change but the time.

p, k = 200, 10
n_rows = np.array([20_000, 40_000, 80_000, 160_000, 320_000])
rng = np.random.default_rng(0)
scales = np.arange(1, p + 1, dtype=np.float32) ** -0.7


def write(path, n):
    """Write n rows to a file."""
    rows = open_memmap(path, mode="w+", dtype=np.float32, shape=(n, p))
    for lo in range(0, n, 20_000):
        rows[lo : lo + 20_000] = rng.standard_normal((20_000, p), dtype=np.float32) * scales + 1
    rows.flush()


def peak(fit, X):
    """Return the fitted model, and the most memory that was allocated meanwhile, in MiB."""
    tracemalloc.start()
    try:
        return fit(X), tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


# %%
# Four ways to fit
# ----------------
# The Gram matrix needs one pass, and one for the means; "krylov" as many as it takes for k components. PCA is
# fitted to the smaller files only. Mapped pages are not counted: the system takes them back when it needs
# them.

models = {
    "sklr, gram": lambda: RandomizedLowRank(k, center=True, solver="gram"),
    "sklr, krylov": lambda: RandomizedLowRank(k, center=True, solver="krylov", random_state=0),
    "PCA, covariance_eigh": lambda: PCA(k, svd_solver="covariance_eigh"),
    "PCA, randomized": lambda: PCA(k, svd_solver="randomized", random_state=0),
}
memory, passes = {name: [] for name in models}, {name: set() for name in models}
variances = {}
with tempfile.TemporaryDirectory() as folder:
    for n in n_rows:
        path = Path(folder) / "rows.npy"
        write(path, int(n))
        X = np.load(path, mmap_mode="r")
        for name, make in models.items():
            if name.startswith("PCA") and n > 40_000:
                continue
            fitted, megabytes = peak(lambda X, make=make: make().fit(X), X)
            memory[name].append(megabytes)
            passes[name].add(getattr(fitted, "n_passes_", None))
            variances[name, int(n)] = fitted.explained_variance_
        del X
for name, sizes in memory.items():
    print(f"{name}: {', '.join(f'{size:.0f}' for size in sizes)} MiB beside the file; passes {passes[name]}")
exact = variances["sklr, gram", 40_000]
for name in models:
    print(f"{name}: variances differ by {np.abs(variances[name, 40_000] / exact - 1).max():.0e}")

# %%
# Memory against rows
# -------------------

styles = {
    "PCA, randomized": ("#D55E00", "s--"),
    "PCA, covariance_eigh": ("#E69F00", "^--"),
    "sklr, gram": ("#0072B2", "o-"),
    "sklr, krylov": ("#009E73", "D-."),
}
plt.rcParams.update({"font.size": 11})
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.plot(n_rows, n_rows * p * 4 / 2**20, ":", color="black", lw=1.5, label="size of the file")
for name, (colour, style) in styles.items():
    ax.plot(n_rows[: len(memory[name])], memory[name], style, color=colour, lw=2, ms=7, label=name)
ax.set(
    xscale="log",
    yscale="log",
    xlabel="rows of the file",
    ylabel="peak memory beside the file (MiB)",
    title=f"Ten components of {p} columns in float32, from a file",
)
ax.set_xticks(n_rows, [f"{n:,}" for n in n_rows])
ax.set_yticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
ax.minorticks_off()
ax.legend(loc="lower right")
plt.show()

# %%
# Both solvers of sklr take 17 to 18 MiB beside a file of 244 MiB, hardly more than beside one of 122 MiB:
# some tiles, which grow with the file until they have their full size. PCA makes one copy of the file or
# more. The passes are two and five, for any number of rows.
#
# What has to be written somewhere is the result of `transform`, a row for each row of the file: give it a
# mapped file as `out`. Passes over a file that does not fit into memory cost what the disk costs, and then
# few passes are worth more than few operations: ``plan`` says how many there will be.
