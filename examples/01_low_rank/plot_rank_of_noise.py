"""
How many components are more than noise
=======================================

Data of low rank plus white noise have as many singular values as columns, and a fraction of the variance
cannot tell which of them to keep: noise has variance too. ``n_components="auto"`` keeps those above the
optimal hard threshold, which it finds from shape and residual alone.

The claim: whatever the level of the noise, the approximation by "auto" is about as near to the data without
noise as that of the best rank, which nobody knows; with a fraction of the variance it is about twice to fifty
times as far.

Source: M. Gavish and D. L. Donoho, "The Optimal Hard Threshold for Singular Values is 4/sqrt(3)", 2014,
arXiv:1305.5870.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.decomposition import RandomizedLowRank

# %%
# Ten components and noise
# ------------------------
# The signal has ten singular values from 1 to 10, in units of the largest one of pure noise with standard
# deviation 1, about sqrt(m) + sqrt(n).

m, n, rank, n_draws = 300, 120, 10, 8
levels = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
unit = np.sqrt(m) + np.sqrt(n)


def draw(seed):
    """Return the signal, and white noise of standard deviation 1."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for size in (m, n))
    return (U * np.geomspace(10, 1, rank) * unit) @ V.T, rng.standard_normal((m, n))


def fit(data, n_components):
    """Return the rank, and the approximation."""
    model = RandomizedLowRank(n_components, random_state=0).fit(data)
    return model.n_components_, model.inverse_transform(model.transform(data))


# %%
# Errors beside the best rank
# ---------------------------
# The error is the distance to the signal. The best rank is found by trying all of them on the signal itself.

rules = {"optimal threshold": "auto", "95 % of the variance": 0.95, "80 % of the variance": 0.8}
kept = {name: np.empty((len(levels), n_draws)) for name in [*rules, "best"]}
errors = {name: np.empty((len(levels), n_draws)) for name in [*rules, "best"]}
for i, level in enumerate(levels):
    for seed in range(n_draws):
        signal, noise = draw(seed)
        data = signal + level * noise
        for name, n_components in rules.items():
            kept[name][i, seed], found = fit(data, n_components)
            errors[name][i, seed] = np.linalg.norm(found - signal) / np.linalg.norm(signal)
        U, s, Vt = np.linalg.svd(data, full_matrices=False)
        tried = [np.linalg.norm((U[:, :r] * s[:r]) @ Vt[:r] - signal) for r in range(1, 2 * rank)]
        kept["best"][i, seed] = 1 + np.argmin(tried)
        errors["best"][i, seed] = min(tried) / np.linalg.norm(signal)

print("noise                " + "".join(f"{level:14.2f}" for level in levels))
for name in kept:
    cells = zip(kept[name].mean(axis=1), errors[name].mean(axis=1), strict=True)
    print(f"{name:<21}" + "".join(f"{k:6.1f}, {e:6.4f}" for k, e in cells))

# %%
# Where it does not hold
# ----------------------
# The noise has to be white. Here its standard deviation differs from column to column, by a factor of up to
# ten, as that of counts does: the loud columns look like signal, and "auto" keeps them. Divide the columns by
# the standard deviation of their noise where it is known, or choose by cross-validation.

scales = np.geomspace(0.3, 3, n)
scales /= np.sqrt(np.mean(scales**2))
uneven = []
for seed in range(n_draws):
    signal, noise = draw(seed)
    uneven.append(
        [fit(signal + 0.8 * noise * scales, "auto")[0], fit(signal / scales + 0.8 * noise, "auto")[0]]
    )
as_it_is, divided = np.mean(uneven, axis=0)
print(f"noise that differs between columns: {as_it_is:.1f} components kept, {divided:.1f} of scaled columns")

# %%
# Ranks and errors
# ----------------
# The weaker components drown as the noise grows, and are then better left out: the best rank falls, and the
# threshold with it.

styles = {
    "optimal threshold": ("#0072B2", "o", "-"),
    "95 % of the variance": ("#D55E00", "^", "--"),
    "80 % of the variance": ("#E69F00", "s", "-."),
    "best": ("black", "", ":"),
}
plt.rcParams.update({"font.size": 11})
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
for name, (colour, marker, line) in styles.items():
    style = {"color": colour, "marker": marker, "ls": line, "lw": 2, "ms": 7}
    left.plot(levels, kept[name].mean(axis=1), label=name, **style)
    right.plot(levels, errors[name].mean(axis=1), label=name, **style)
left.set(yscale="log", ylabel="components kept", title=f"{rank} components and noise, {n_draws} draws")
left.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
right.set(yscale="log", ylabel="relative distance to the signal", title="What the approximation is worth")
for ax in (left, right):
    ax.set(xscale="log", xlabel="standard deviation of the noise")
    ax.set_xticks(levels, [f"{level:g}" for level in levels])
    ax.xaxis.set_minor_formatter(plt.NullFormatter())
    ax.yaxis.set_minor_formatter(plt.NullFormatter())
right.legend(loc="lower right")
plt.show()

# %%
# "auto" keeps all ten components, and 8 at the highest level, where the two weakest are below the noise: in
# both cases the rank that is best, so that the lines coincide. With 95 % of the variance 6 components are
# kept while the noise is low, too few, and 37 or 74 when it is high, too many; the distance to the signal is
# 28 times that of the best rank at noise .05, and twice at .8.
#
# The claim holds for white noise. With noise that differs from column to column 31 components were kept, 21
# of them noise; of columns that were divided by the standard deviation of their noise, 10.
