"""
Principal components of counts, without filling them in
=======================================================

Counts of words are sparse. To subtract the means makes them dense, so PCA of text is often replaced by a
truncated SVD without centring. Its first component is then spent on the mean.
:class:`~sklr.decomposition.RandomizedLowRank` centres with the rank-one form ``(X - 1 mu^T) v = X v - 1 (mu^T
v)`` and forms nothing.

The claim: the components are those of the dense PCA, and memory beside the data grows as a few panels of
n_components columns do, not as samples times features.

It runs on generated counts, with frequencies that follow Zipf's law. Where the environment variable
``SKLR_DATA`` names a folder with ``text_20newsgroups/20newsgroups_counts.npz`` it runs on those.

Source: N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness", 2011,
arXiv:0909.4061, for the methods that need products only.
"""

import os
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from sklr.decomposition import RandomizedLowRank

# %%
# Texts
# -----
# Word j is drawn with a probability in proportion to 1 / (j + 10), and three times as often in texts of the
# topic that it belongs to. Rows are scaled to length 1, so that long texts do not count more.


def generate(n_texts, n_words=20_000, n_topics=4):
    """Return counts of words and the topic of each text."""
    rng = np.random.default_rng(0)
    topic, of_word = rng.integers(0, n_topics, n_texts), rng.integers(0, n_topics, n_words)
    rows, words = [], []
    for t in range(n_topics):
        p = np.where(of_word == t, 3.0, 1.0) / (np.arange(n_words) + 10)
        texts = np.flatnonzero(topic == t)
        lengths = rng.poisson(100, len(texts))
        rows.append(np.repeat(texts, lengths))
        words.append(rng.choice(n_words, lengths.sum(), p=p / p.sum()))
    rows, words = np.concatenate(rows), np.concatenate(words)
    counts = sparse.csr_array((np.ones(len(rows)), (rows, words)), shape=(n_texts, n_words))
    counts.sum_duplicates()
    return counts, topic


news = Path(os.environ.get("SKLR_DATA", "")) / "text_20newsgroups" / "20newsgroups_counts.npz"
if news.is_file():
    with np.load(news) as z:
        counts = sparse.csr_array((z["data"].astype(float), z["indices"], z["indptr"]), shape=z["shape"])
        topic = z["y"]
    name = "20 newsgroups"
    chosen = np.flatnonzero(np.isin(topic, [1, 10, 14, 17]))
    counts, topic = counts[chosen], np.unique(topic[chosen], return_inverse=True)[1]
    counts = sparse.csr_array(
        TfidfTransformer().fit_transform(counts)
    )  # or words like "the" are all there is
else:
    name = "generated texts"
    counts, topic = generate(4000)
X = normalize(counts)
print(f"{name}: {X.shape[0]:,} x {X.shape[1]:,}, {X.nnz / np.prod(X.shape):.2%} of the entries are not zero")

# %%
# The same components
# -------------------
# A dense PCA of all words takes a while; 1,500 of them are enough to compare.

part = X[:, :1500]
options = {"n_components": 10, "center": True, "accuracy": 1e-6, "random_state": 0}
ours = RandomizedLowRank(**options).fit(part)
theirs = PCA(10, svd_solver="covariance_eigh").fit(part.toarray())
difference = np.max(np.abs(ours.explained_variance_ / theirs.explained_variance_ - 1))
print(f"largest relative difference of ten variances to those of a dense PCA: {difference:.0e}")

# %%
# Memory
# ------
# The peak of what is allocated during a fit, beside the data.

n_texts = np.array([500, 1000, 2000, X.shape[0]])
megabytes = []
for size in n_texts:
    rows = X[:size]
    tracemalloc.start()
    RandomizedLowRank(n_components=10, center=True, solver="krylov", random_state=0).fit(rows)
    megabytes.append(tracemalloc.get_traced_memory()[1] / 2**20)
    tracemalloc.stop()
filled = n_texts * X.shape[1] * 8 / 2**20
for size, peak, dense in zip(n_texts, megabytes, filled, strict=True):
    print(f"{size:,} texts: {peak:.0f} MiB beside the data; filled in they would have {dense:,.0f} MiB")

# %%
# What centring is for
# --------------------
# Without it, the first component is nearly the mean.

plain = RandomizedLowRank(n_components=4, random_state=0).fit(X)
centred = RandomizedLowRank(n_components=4, center=True, random_state=0).fit(X)
mean = np.asarray(X.mean(axis=0)).ravel()
cosine = abs(plain.components_[0] @ mean) / np.linalg.norm(mean)
print(f"cosine between the first component of the truncated SVD and the mean: {cosine:.3f}")

# %%
# The texts in two components, and the memory
# -------------------------------------------

colours, markers = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"], "osD^"
plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained")
for ax, model, title in ((axes[0], plain, "Not centred"), (axes[1], centred, "Centred")):
    Z = model.transform(X)
    for t in range(4):
        shown = np.flatnonzero(topic == t)[:250]
        ax.plot(*Z[shown, :2].T, markers[t], color=colours[t], ms=3, alpha=0.6, label=f"{t + 1}")
    ax.set(xlabel="first component", ylabel="second component", title=f"{title}, {name}")
axes[1].legend(title="topic", markerscale=2)
axes[2].plot(n_texts, filled, "s--", color="#D55E00", lw=2, label="the data, filled in")
axes[2].plot(n_texts, megabytes, "o-", color="#0072B2", lw=2, label="peak of the fit, beside the data")
axes[2].set(xscale="log", yscale="log", xlabel="texts", ylabel="MiB", title="Memory")
axes[2].set_xticks(n_texts, [f"{size:,}" for size in n_texts])
axes[2].minorticks_off()
axes[2].legend()
plt.show()

# %%
# The variances agree with those of the dense PCA to 1e-7, where ``accuracy`` asked for 1e-6. For 4,000 texts
# the fit takes 13 MiB beside the data, a fiftieth of what they would take filled in. Without centring the
# first component is the mean (cosine 1.000), along which topics hardly differ; what is called the second one
# there is the first one of the principal components.
#
# Two of the four topics lie on top of each other in two components, centred or not: centring saves one
# component, no more. And rows of length 1 matter: of raw counts the first component would be the length of
# the texts.
