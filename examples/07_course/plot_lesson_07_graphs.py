"""
Lesson 7: what becomes of steps on a graph
==========================================

Three measurements from :doc:`/course/07_graphs`.

The claims: powers of a transition matrix make all columns of an embedding alike, at the rate of the second
eigenvalue. Standardising, and whitening at the end, keep apart what is left until rounding has taken it;
taking the constant vector out before the first step goes on. Which eigenvectors an embedding shows is said by
one function, the polynomial of its weights at the eigenvalues: on a graph whose edges join *different* groups
the interesting eigenvalues are negative, and weights that suit friends can be blind there. And random walks
estimate a kernel without bias if two independent draws are multiplied, not one draw by itself.

Sources: H. Chen, S. F. Sultan, Y. Tian, M. Chen and S. Skiena, "Fast and Accurate Network Embeddings via Very
Sparse Random Projection", 2019, arXiv:1908.11512. I. Reid, K. Choromanski, E. Berger and A. Weller, "General
Graph Random Features", 2023, arXiv:2310.04859.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklr.graph import FastRPEmbedding, from_edges
from sklr.linalg import graph_kernel, graph_modulation, graph_random_features, transition_matrix

# %%
# Three groups, friends or strangers
# ----------------------------------
# 900 nodes in three groups and 9,000 edges. The share of edges that stay in a group is `same`; a third
# would be chance.


def planted(same, n=900, n_edges=9_000, seed=0):
    """Return the adjacency matrix and the group of each node."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 3
    source = rng.integers(0, n, n_edges)
    shift = np.where(rng.random(n_edges) < same, 0, rng.integers(1, 3, n_edges))
    target = 3 * rng.integers(0, n // 3, n_edges) + (group[source] + shift) % 3
    edges = np.column_stack([source, target])[source != target]
    return from_edges(edges, nodes=np.arange(n), dtype=np.float32).adjacency, group


def accuracy(E, group, seed=0):
    """Return how many of the nodes a linear classifier gets right that knows a tenth of the labels."""
    known = np.random.default_rng(seed).choice(len(group), len(group) // 10, replace=False)
    hidden = np.setdiff1d(np.arange(len(group)), known)
    return LogisticRegression(max_iter=200).fit(E[known], group[known]).score(E[hidden], group[hidden])


# %%
# Steps
# -----
# float32, as large graphs are. "Whitened at the end" is the plain embedding, whitened; what the estimator
# does is to take the constant vector out of the matrix before the first step.


def whitened(E):
    U = np.linalg.svd(E - E.mean(axis=0), full_matrices=False)[0]
    return np.sqrt(len(E)) * U


A, group = planted(same=0.6)
values = np.sort(np.linalg.eigvalsh(transition_matrix(A, "symmetric").toarray().astype(float)))
steps = [1, 2, 4, 8, 16, 24, 32, 48]
apart, scores = (
    [],
    {"plain": [], "standardised": [], "whitened at the end": [], "whitened by the estimator": []},
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # that directions are lost is what is shown
    for q in steps:
        plain = FastRPEmbedding(16, weights=q, whiten=False, random_state=0).fit_transform(A)
        s = np.linalg.svd(plain.astype(float), compute_uv=False)
        apart.append(s[1] / s[0])
        embeddings = {
            "plain": plain,
            "standardised": StandardScaler().fit_transform(plain),
            "whitened at the end": whitened(plain),
            "whitened by the estimator": FastRPEmbedding(16, weights=q, random_state=0).fit_transform(A),
        }
        for name, E in embeddings.items():
            scores[name].append(accuracy(E, group))
print(f"the eigenvalues of largest magnitude: {values[-1]:.2f}, {values[-2]:.2f}, {values[-3]:.2f}")
for name, line in scores.items():
    print(f"{name}: {', '.join(f'{value:.2f}' for value in line)} after {steps} steps")

# %%
# Weights
# -------
# Graphs from strangers only to friends, and three sets of weights.

weightings = {
    "(0, 0, 0, 0, 0, 0, 1, 2), the default": None,
    "steps 7 and 8 alike": [0] * 6 + [1, 1],
    "step 8 alone": 8,
}
shares = [0.0, 0.08, 0.16, 0.24, 0.33, 0.42, 0.5, 0.6]
second, by_weights = [], {name: [] for name in weightings}
for same in shares:
    second.append((3 * same - 1) / 2)
    graphs = [planted(same, seed=seed) for seed in range(2)]
    for name, weights in weightings.items():
        runs = []
        for seed, (A, group) in enumerate(graphs):
            E = FastRPEmbedding(16, weights=weights, random_state=seed).fit_transform(A)
            runs.append(accuracy(E, group, seed))
        by_weights[name].append(np.mean(runs))
for name, line in by_weights.items():
    print(f"{name}: {', '.join(f'{value:.2f}' for value in line)} for {shares}")

# %%
# Kernels
# -------
# The diagonal of the estimated kernel over that of the kernel, on a smaller graph, means of ten and twenty.

A, _ = planted(same=0.6, n=300, n_edges=1_500)
K, f = graph_kernel(A, "diffusion", sigma=2.0), graph_modulation("diffusion", sigma=2.0)
counts = [1, 2, 4, 8, 16, 32, 64]
diagonals = {"two independent draws": [], "one draw by itself": []}
for n_walks in counts:
    draws = [graph_random_features(A, f, n_walks=n_walks, coupling="iid", rng=seed) for seed in range(20)]
    two = [draws[i].multiply(draws[i + 1]).sum() / np.trace(K) for i in range(0, 20, 2)]
    one = [draw.multiply(draw).sum() / np.trace(K) for draw in draws]
    diagonals["two independent draws"].append(np.mean(two))
    diagonals["one draw by itself"].append(np.mean(one))
for name, line in diagonals.items():
    print(f"{name}: diagonal {', '.join(f'{value:.2f}' for value in line)} for {counts} walks")

# %%
# The figure
# ----------

colours = ["0.55", "#D55E00", "#56B4E9", "#0072B2"]
marks = "xsDo"
plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
axes = axes.ravel()

rate = abs(values[-2])
axes[0].plot(steps, apart, "o-", color="#0072B2", lw=2, label="measured, in float32")
axes[0].plot(
    steps, apart[2] * rate ** (np.array(steps) - steps[2]), "--", color="black", label="second eigenvalue"
)
axes[0].axhline(np.finfo(np.float32).eps, color="0.5", lw=1, label="rounding of float32")
axes[0].set(
    yscale="log",
    xlabel="steps, q",
    ylabel="second / first singular value",
    title="plain powers become one vector",
)
axes[0].legend(fontsize=9.5)

for (name, line), colour, mark in zip(scores.items(), colours, marks, strict=True):
    axes[1].plot(steps, line, marker=mark, color=colour, lw=2, label=name)
axes[1].axhline(1 / 3, color="black", lw=1, ls=":")
axes[1].text(49, 0.325, "chance", ha="right", va="top")
axes[1].set(
    xlabel="steps, q",
    ylabel="accuracy, a tenth of labels known",
    title="what a classifier sees",
    ylim=(0.25, 1.35),
)
axes[1].legend(fontsize=9.5, loc="upper left")

for (name, line), colour, mark in zip(
    by_weights.items(), ["#D55E00", "#0072B2", "#009E73"], "sox", strict=True
):
    axes[2].plot(second, line, marker=mark, color=colour, lw=2, label=name)
axes[2].axhline(1 / 3, color="black", lw=1, ls=":")
axes[2].set(
    xlabel="eigenvalue of the groups by the formula: strangers < 0 < friends",
    ylabel="accuracy, a tenth of labels known",
    title="weights can be blind",
    ylim=(0.25, 1.25),
)
axes[2].legend(fontsize=9.5, loc="upper center")

for (name, line), colour, mark in zip(diagonals.items(), ["#0072B2", "#D55E00"], "os", strict=True):
    axes[3].plot(counts, line, marker=mark, color=colour, lw=2, label=name)
axes[3].axhline(1, color="black", lw=1)
axes[3].set(
    xscale="log",
    xlabel="walks from each node",
    ylabel="diagonal / diagonal of the kernel",
    title="diffusion kernel from walks",
)
axes[3].set_xticks(counts, [str(count) for count in counts])
axes[3].minorticks_off()
axes[3].legend(fontsize=9.5)
plt.show()
