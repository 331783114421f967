"""
Old rows fade
=============

Where data drift, components of all rows so far are those of a past that is over.
:meth:`~sklr.decomposition.RandomizedLowRank.forget` multiplies the weight of all rows so far by a factor.
Called before every chunk it makes them fade: with a factor f the last ``1 / (1 - f)`` chunks count, about.

The claim: when the directions of the data turn slowly and jump once, the components with a memory of some
chunks stay near the best ones for the next chunk, and recover from the jump in as many chunks; those of all
rows do not. A memory of one chunk is too short: it follows the noise.

Source: nothing but weighted least squares. The rows of chunk i have the weight ``f**(c - 1 - i)`` after c
chunks.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.decomposition import RandomizedLowRank

# %%
# Directions that turn
# --------------------
# 120 chunks of 25 rows with 60 features: three strong directions and noise. Each direction turns by one
# degree from a chunk to the next, in a plane of its own, and after 60 chunks jumps to other planes.

n_chunks, n_rows, p, k, jump = 120, 25, 60, 3, 60
n_draws = 10


def directions(planes, angle):
    """Return three orthonormal directions, each turned in its plane."""
    first, second = planes
    return np.cos(angle) * first + np.sin(angle) * second


def chunks_of(seed):
    """Yield a chunk of rows, and the directions at that time."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((p, p)))[0].T
    before, after = (axes[0:3], axes[3:6]), (axes[6:9], axes[9:12])
    for i in range(n_chunks):
        truth = directions(before if i < jump else after, np.deg2rad(i))
        yield rng.standard_normal((n_rows, k)) * [4, 3, 2] @ truth + rng.standard_normal((n_rows, p)), truth


# %%
# How much of the next chunk is caught
# ------------------------------------
# The components after a chunk are judged by the directions of the next one: the part of their length that
# lies in the span of the components, as a mean square. 1 is perfect; any three directions have 3/60.

factors = {"all rows count": 1.0, "f = 0.9": 0.9, "f = 0.5": 0.5, "f = 0.01": 0.01}
caught = {name: np.zeros((n_draws, n_chunks - 1)) for name in factors}
for seed in range(n_draws):
    models = {name: RandomizedLowRank(n_components=k) for name in factors}
    for i, (rows, truth) in enumerate(chunks_of(seed)):
        for name, model in models.items():
            if i:
                caught[name][seed, i - 1] = np.sum((model.components_ @ truth.T) ** 2) / k
                model.forget(factors[name])
            model.partial_fit(rows)
means = {name: values.mean(axis=0) for name, values in caught.items()}
print(f"part of the directions of the next chunk, means of {n_draws} draws")
for name, values in means.items():
    print(
        f"  {name:<15} chunks 31 to 60: {values[30 : jump - 1].mean():.2f}, "
        f"ten after the jump: {values[jump + 9]:.2f}, last 30: {values[-30:].mean():.2f}"
    )

# %%
# Over time
# ---------

colours = ["#999999", "#0072B2", "#009E73", "#D55E00"]
lines = ["--", "-", "-.", ":"]
plt.rcParams.update({"font.size": 11})
fig, ax = plt.subplots(figsize=(9, 5), layout="constrained")
for (name, values), colour, line in zip(means.items(), colours, lines, strict=True):
    ax.plot(np.arange(1, n_chunks), values, line, color=colour, lw=2, label=name)
ax.axvline(jump, color="black", lw=1)
ax.annotate("jump", (jump, 0.5), xytext=(-5, 0), textcoords="offset points", ha="right")
ax.set(
    ylim=(0, 1),
    xlabel="chunk that is judged",
    ylabel="part of its directions that is known",
    title="Three directions that turn by a degree a chunk, and jump",
)
ax.legend(loc="lower left")
plt.show()

# %%
# With a factor of .9 the components hold .95 of the directions of the next chunk. They lose them at the jump,
# and have found them again 17 chunks later. With .5 they hold .88 only, and recover in four chunks. All rows
# together are as good as any for 20 chunks, then worse from chunk to chunk, and after the jump they do not
# recover in sixty: what was true for long is hard to outvote. One chunk alone holds .70.
#
# No factor is right for both, slow drift and jumps, and the data do not tell it: compare a few by what they
# leave of the next chunk. Where nothing drifts, to forget only adds noise.
