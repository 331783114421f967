"""Embeddings of graphs: against FastRP as published, scikit-network and pycleora; kernels of graphs.

blogcatalog
    BlogCatalog with the settings of FastRP's authors, 512 columns: sklr in float32 against the published
    algorithm written plainly with SciPy. Published: micro-F1 .292, macro-F1 .185.
search
    BlogCatalog in 128 columns: the modes of FastRPEmbedding and RandomFeaturePropagation.
partition, cora, ppi, blogcatalog_peers
    Modes of sklr against scikit-network and pycleora: a degree-corrected planted partition of 20,000 nodes,
    about 200,000 edges and 10 blocks, and Cora, in 64 columns; PPI and BlogCatalog in 128.
random_graphs
    10^5 and 10^6 nodes with 10 edges each, 128 columns in float32. "per edge" is the growth of the time for
    one edge from the smaller to the larger graph.
grf
    GraphRandomFeatures against the exact kernel on graphs of 1,000 nodes.

Classification is linear, from 10% of the nodes. Where nodes have several labels it is one-vs-rest and the
number of labels of a node is known. "micro" and "macro" are means of F1 over splits (for nodes with one label
micro-F1 is the accuracy), of embeddings whose columns are standardised; "raw micro" is of the embedding as it
is. Split s uses the embedding of seed s, of every method, so that standard errors and paired differences hold
the randomness of both. "speed-up" is the seconds of the method over those of the first of the table.

pycleora reads edges from strings: that is timed apart, its row holds the embedding of the graph it has read.
A peer that is not installed is left out. Data sets are read from the folder that the environment variable
SKLR_DATA names.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _harness import Report, alternate, arguments, data_file, difference, mib, progress, verdict
from scipy import io, sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import SparseRandomProjection

from sklr.graph import FastRPEmbedding, GraphRandomFeatures, RandomFeaturePropagation
from sklr.linalg import graph_kernel

try:
    from sknetwork.embedding import GSVD, RandomProjection, Spectral
except ImportError:
    Spectral = None
try:
    import pycleora
except ImportError:
    pycleora = None

TRANSITIONS = ("random_walk", "symmetric")
AUTHORS = {"weights": (1, 1, 7.81, 45.28), "normalization_strength": -0.628, "transition": "random_walk"}
# An F1 lower by so much counts as the same.
_CLOSE = 0.005


class Method(NamedTuple):
    """What embeds a graph."""

    embed: Callable  # of a seed
    is_random: bool = True
    is_ours: bool = True


# Graphs


def _from_pairs(pairs, n):
    """Adjacency matrix of undirected pairs, every edge of weight 1."""
    pairs = pairs[:, pairs[0] != pairs[1]]
    A = sparse.coo_array((np.ones(pairs.shape[1], np.float32), pairs), shape=(n, n)).tocsr()
    A = (A + A.T).tocsr()
    A.data[:] = 1
    return A


def random_graph(n):
    """n nodes with 10 edges each on average."""
    return _from_pairs(np.random.default_rng(0).integers(0, n, (2, 5 * n), dtype=np.int32), n)


def planted_partition(n, n_pairs, n_blocks=10, mixing=0.5):
    """Degree-corrected: heavy-tailed degrees; a part `mixing` of the edges does not look at the blocks."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_blocks, n)
    likely = rng.pareto(2.5, n) + 1
    start = rng.choice(n, n_pairs, p=likely / likely.sum())
    end = rng.choice(n, n_pairs, p=likely / likely.sum())
    inside = rng.random(n_pairs) >= mixing
    for block in range(n_blocks):
        edges = inside & (y[start] == block)
        nodes = np.flatnonzero(y == block)
        end[edges] = rng.choice(nodes, edges.sum(), p=likely[nodes] / likely[nodes].sum())
    return _from_pairs(np.stack([start, end]), n), y


def torus(height, width):
    """A grid without ends."""
    node = np.arange(height * width).reshape(height, width)
    ends = [np.roll(node, 1, axis=axis).ravel() for axis in (0, 1)]
    return _from_pairs(np.stack([np.tile(node.ravel(), 2), np.concatenate(ends)]), node.size)


def _first_nodes(A, y, size):
    return sparse.csr_array(A)[:size, :size], y[:size]


def _blogcatalog(quick):
    mat = io.loadmat(data_file("graph_blogcatalog", "blogcatalog.mat"))
    A, Y = mat["network"].astype(np.float32), mat["group"].toarray().astype(int)
    return _first_nodes(A, Y, 1000 if quick else None)


def _ppi(quick):
    with np.load(data_file("graph_ppi", "ppi.npz")) as z:
        U, Y = (_csr(z, name) for name in ("upper", "y"))
    return _first_nodes(U + U.T, Y.toarray().astype(int), 1000 if quick else None)


def _cora(quick):
    with np.load(data_file("graph_cora", "cora.npz")) as z:
        U, y = _csr(z, "upper"), z["y"].astype(int)
    return _first_nodes(U + U.T, y, 1000 if quick else None)


def _csr(z, name):
    parts = (z[f"{name}_data"].astype(np.float32), z[f"{name}_indices"], z[f"{name}_indptr"])
    return sparse.csr_array(parts, shape=tuple(z[f"{name}_shape"]))


# Methods


def ours(A, estimator):
    """A method of sklr."""
    return Method(lambda seed=0: clone(estimator).set_params(random_state=seed).fit_transform(A))


def published(A, d, dtype=np.float64):
    """FastRP as in the paper and its authors' code, with the products of SciPy."""
    A = A.astype(dtype)

    def embed(seed=0):
        degrees = np.asarray(A.sum(axis=1)).ravel()
        linked = degrees > 0
        reciprocals, scale = np.zeros((2, len(degrees)), dtype)
        reciprocals[linked] = 1 / degrees[linked]
        scale[linked] = degrees[linked] ** AUTHORS["normalization_strength"]
        T = sparse.diags_array(reciprocals) @ A
        projection = SparseRandomProjection(d, random_state=seed).fit(A).components_.astype(dtype)
        U = (T @ (sparse.diags_array(scale) @ projection.T)).toarray()
        weights = AUTHORS["weights"]
        E = dtype(weights[0]) * U
        for weight in weights[1:]:
            U = T @ U
            E += dtype(weight) * U
        return E

    return Method(embed, is_ours=False)


def our_modes(A, d):
    """The modes that peers are compared with."""
    methods = {"FastRPEmbedding": FastRPEmbedding(d)}
    for steps in (10, 16, 32):
        methods[f"FastRPEmbedding, {steps} steps"] = FastRPEmbedding(d, weights=late(steps))
    for transition in TRANSITIONS:
        for steps in (10, 16):
            methods[f"FastRPEmbedding each {steps}, {transition}"] = FastRPEmbedding(
                d, orthogonalize="each", weights=steps, transition=transition
            )
        for steps in (d // 16, d // 8):
            methods[f"RandomFeaturePropagation {d // steps} x {steps}, {transition}"] = (
                RandomFeaturePropagation(d // steps, n_steps=steps, transition=transition)
            )
    return {name: ours(A, estimator) for name, estimator in methods.items()}


def late(steps):
    """Weights of which the last two count alike."""
    return [0.0] * (steps - 2) + [1.0, 1.0]


def by_scikit_network(A, d):
    """Its embeddings, with defaults and a few other settings."""
    A = sparse.csr_matrix(A)
    methods = {
        "Spectral": Spectral(d),
        "Spectral, not normalized": Spectral(d, normalized=False),
        "GSVD": GSVD(d),
        "GSVD, not normalized": GSVD(d, normalized=False),
        "RandomProjection": RandomProjection(d),
        "RandomProjection, 6 steps": RandomProjection(d, n_iter=6),
        "RandomProjection, random walk": RandomProjection(d, n_iter=5, random_walk=True, alpha=4),
    }

    def method(model):
        if isinstance(model, RandomProjection):
            return Method(lambda seed=0: _seeded(model, seed).fit_transform(A), is_ours=False)
        return Method(lambda seed=0: model.fit_transform(A), is_random=False, is_ours=False)

    return {name: method(model) for name, model in methods.items()}


def _seeded(model, seed):
    model.random_state = seed
    return model


def by_pycleora(report, A, d):
    """Whitened after each step, as is its default; 40 steps are."""
    upper = sparse.triu(A).tocoo()
    start = time.perf_counter()
    edges = (f"{i} {j}" for i, j in zip(upper.row, upper.col, strict=True))
    graph = pycleora.SparseMatrix.from_iterator(edges, "complex::reflexive::node")
    report.note(f"pycleora read the edges in {time.perf_counter() - start:.2g} s, which its rows leave out")
    nodes = np.array(graph.entity_ids, dtype=int)

    def method(steps, propagation):
        def embed(seed=0):
            found = pycleora.embed(graph, d, steps, propagation=propagation, seed=seed, whiten=True)
            E = np.zeros((A.shape[0], d), dtype=np.float32)
            E[nodes] = found  # in the order of the edges; nodes without edges are not there
            return E

        return Method(embed, is_ours=False)

    return {
        f"pycleora {steps}, {propagation}": method(steps, propagation)
        for propagation in ("left", "symmetric")
        for steps in (4, 8, 16, 40)
    }


# Scores


def split_f1(E, Y, split):
    """Micro-F1 and macro-F1 of a linear classifier that has seen 10% of the nodes."""
    # Apart from the seeds of embeddings, some of which are drawn from the same generator.
    order = np.random.RandomState(1000 + split).permutation(len(Y))
    train, test = np.split(order, [len(Y) // 10])
    with warnings.catch_warnings():
        # Of labels that no node or all nodes of the training set have, and of iterations that raw
        # embeddings take.
        warnings.simplefilter("ignore")
        if Y.ndim == 1:
            found = LogisticRegression(max_iter=300).fit(E[train], Y[train]).predict(E[test])
        else:
            model = OneVsRestClassifier(LogisticRegression(solver="liblinear")).fit(E[train], Y[train])
            rank = np.argsort(np.argsort(-model.predict_proba(E[test]), axis=1), axis=1)
            found = (rank < Y[test].sum(axis=1, keepdims=True)).astype(int)
    return [f1_score(Y[test], found, average=average, zero_division=0) for average in ("micro", "macro")]


def mean_and_error(values):
    """Mean and its standard error."""
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def compare(report, args, name, methods, Y, n_splits, raw=False):
    """Rows of a table; returns the timings and the scores of all splits, of shape (n_splits, 2 or 3)."""
    timings = alternate({key: method.embed for key, method in methods.items()}, args.repeats)
    first = timings[next(iter(methods))]
    scores = {}
    for key, method in methods.items():
        progress(f"  splits of {key}")
        found = []
        for split in range(2 if args.quick else n_splits):
            # The seed of the warm-up is 0.
            E = timings[key].result if split == 0 or not method.is_random else method.embed(split)
            E = E.astype(np.float64)
            f1 = split_f1(StandardScaler().fit_transform(E), Y, split)
            found.append(f1 + (split_f1(E, Y, split)[:1] if raw else []))
        scores[key] = np.array(found)
        (micro, micro_error), (macro, macro_error) = (mean_and_error(column) for column in scores[key].T[:2])
        row = {"data": name, "method": key, "s": timings[key].median}
        row |= {"speed_up": first.faster_than(timings[key])}
        row |= {"micro": micro, "micro_se": micro_error, "macro": macro, "macro_se": macro_error}
        row |= {"raw_micro": np.mean(scores[key][:, 2])} if raw else {}
        report.add(**row, peak_mib=mib(timings[key].peak))
    return timings, scores


def blogcatalog(report, args, small):
    """The settings of FastRP's authors."""
    A, Y = _blogcatalog(args.quick)
    d = 512 // small
    methods = {
        "FastRPEmbedding": ours(A, FastRPEmbedding(d, whiten=False, **AUTHORS)),
        "published, SciPy float64": published(A, d),
        "published, SciPy float32": published(A, d, np.float32),
    }
    _, scores = compare(report, args, f"blogcatalog, {d}", methods, Y, n_splits=10)
    reported = (".292", ".185")
    for column, average in enumerate(("micro", "macro")):
        mine, theirs = (scores[key][:, column] for key in list(methods)[:2])
        mean, error = mean_and_error(mine - theirs)
        met = verdict(abs(mean) <= 2 * error, "within 2 standard errors")
        report.note(
            f"{average}-F1 of FastRPEmbedding less that of SciPy float64, paired: {mean:+.4f}, standard "
            f"error {error:.4f}; {met}. Published: {reported[column]}"
        )


def search(report, args, small):
    """Modes in 128 columns."""
    A, Y = _blogcatalog(args.quick)
    d = 128 if small == 1 else 32
    models = {
        "settings of the authors": FastRPEmbedding(d, whiten=False, **AUTHORS),
        "defaults": FastRPEmbedding(d),
        "defaults, not whitened": FastRPEmbedding(d, whiten=False),
    }
    for orthogonalize, steps in (("last", None), ("each", 4), ("each", 8), ("each", 10), ("each", 16)):
        for transition in TRANSITIONS:
            for strength in (-0.5, 0.0):
                for whiten in (False, True):
                    name = f"{orthogonalize} {steps or 'default'}, {transition}, {strength}"
                    models[name + (", whitened" if whiten else "")] = FastRPEmbedding(
                        d,
                        weights=steps,
                        normalization_strength=strength,
                        transition=transition,
                        orthogonalize=orthogonalize,
                        whiten=whiten,
                    )
    for steps in (10, 16, 32):
        models[f"{steps} steps"] = FastRPEmbedding(d, weights=late(steps))
    for steps in (8, 16):
        for transition in TRANSITIONS:
            models[f"RandomFeaturePropagation {d // steps} x {steps}, {transition}"] = (
                RandomFeaturePropagation(d // steps, n_steps=steps, transition=transition)
            )
    methods = {name: ours(A, model) for name, model in models.items()}
    _, scores = compare(report, args, f"blogcatalog, {d}", methods, Y, n_splits=5)
    for column, average in enumerate(("micro", "macro")):
        best = max(scores, key=lambda key: scores[key][:, column].mean())
        gain = mean_and_error(scores[best][:, column] - scores["settings of the authors"][:, column])
        report.note(
            f"best {average}-F1: {best}; above the settings of the authors by {gain[0]:+.3f}, standard error "
            f"{gain[1]:.3f}"
        )


def _against_peers(report, args, name, A, Y, d):
    methods = our_modes(A, d)
    if Spectral is None:
        report.note("left out: scikit-network is not installed")
    else:
        methods |= by_scikit_network(A, d)
    if pycleora is None:
        report.note("left out: pycleora is not installed")
    else:
        methods |= by_pycleora(report, A, d)
    timings, scores = compare(report, args, f"{name}, {d}", methods, Y, n_splits=5, raw=True)

    # Every peer in its best setting, and the fastest of sklr's modes that is about as accurate.
    micro = {key: found[:, 0].mean() for key, found in scores.items()}
    mine = [key for key, method in methods.items() if method.is_ours]
    families = {}
    for key in methods:
        if key not in mine:
            families.setdefault(key.split()[0].rstrip(","), []).append(key)
    for settings in families.values():
        peer = max(settings, key=micro.get)
        close = [key for key in mine if micro[key] >= micro[peer] - _CLOSE]
        if close:
            key, found = min(close, key=lambda key: timings[key].median), "the fastest that comes close is"
        else:
            key, found = max(mine, key=micro.get), "NONE comes close; the most accurate is"
        mean, error = mean_and_error(scores[key][:, 0] - scores[peer][:, 0])
        macro = {name: scores[name][:, 1].mean() for name in (key, peer)}
        report.note(
            f"{peer}: micro {micro[peer]:.3f}, macro {macro[peer]:.3f}; {found} {key}: {micro[key]:.3f} "
            f"({mean:+.3f}, standard error {error:.3f}), {macro[key]:.3f}, "
            f"{timings[key].faster_than(timings[peer]):.3g} times as fast"
        )


def partition(report, args, small):
    """A degree-corrected planted partition."""
    n = 20_000 // small
    _against_peers(report, args, "partition", *planted_partition(n, 10 * n), 64 if small == 1 else 32)


def cora(report, args, small):
    """Citations, nodes of one label."""
    _against_peers(report, args, "cora", *_cora(args.quick), 64 if small == 1 else 32)


def ppi(report, args, small):
    """Proteins, nodes of several labels."""
    _against_peers(report, args, "ppi", *_ppi(args.quick), 128 if small == 1 else 32)


def blogcatalog_peers(report, args, small):
    """BlogCatalog against other packages."""
    _against_peers(report, args, "blogcatalog", *_blogcatalog(args.quick), 128 if small == 1 else 32)


def random_graphs(report, args, small):
    """Time for each edge, and memory."""
    d = 128
    graphs = {n: random_graph(n) for n in (100_000 // small, 1_000_000 // small)}
    models = {
        "whiten=False": FastRPEmbedding(d, whiten=False, random_state=0),
        "defaults": FastRPEmbedding(d, random_state=0),
        "settings of the authors": FastRPEmbedding(d, whiten=False, random_state=0, **AUTHORS),
    }

    def discarded(function):
        # An embedding of a million nodes that was kept would be in the way of the others.
        def run():
            function()

        return run

    functions = {}
    for n, A in graphs.items():
        for name, model in models.items():
            functions[n, name] = discarded(lambda model=model, A=A: clone(model).fit(A))
        functions[n, "published, SciPy float32"] = discarded(published(A, d, np.float32).embed)
    timings = alternate(functions, args.repeats)
    smallest = min(graphs)
    for (n, name), timing in timings.items():
        A = graphs[n]
        row = {"nodes": n, "edges": A.nnz // 2, "method": name, "s": timing.median}
        row["speed_up"] = timings[n, "whiten=False"].faster_than(timing)
        row["transform"] = _difference_of_transform(models[name], A) if name in models else None
        growth, met = None, None
        graph_bytes = A.data.nbytes + A.indices.nbytes + A.indptr.nbytes
        if n > smallest:
            growth = timings[smallest, name].faster_than(timing) * graphs[smallest].nnz / A.nnz
            if name in models:
                met = [verdict(growth <= 2.5, "2.5 times per edge"), verdict(timing.median <= 30, "30 s")]
                if timing.peak is not None:
                    met.append(verdict(timing.peak + graph_bytes <= 3e9, "3 GB with the graph"))
                met = "; ".join(met)
        report.add(**row, per_edge=growth, peak_mib=mib(timing.peak), graph_mib=mib(graph_bytes), verdict=met)
    report.note("transform: relative difference of the embedding from that of its rows as new nodes.")


def _difference_of_transform(model, A):
    model = clone(model).fit(A)
    return difference(model.transform(A[:1000]), model.embedding_[:1000])


def grf(report, args, small):
    """Errors of estimated kernels."""
    n = 1000 if small == 1 else 200
    graphs = {
        "random graph": random_graph(n),
        "torus": torus(n // 25, 25),
        "planted partition": planted_partition(n, 5 * n)[0],
    }
    walks = (5, 20) if args.quick else (5, 20, 80)
    for name, A in graphs.items():
        models = {
            (coupling, n_walks): GraphRandomFeatures(n_walks=n_walks, coupling=coupling, random_state=0)
            for coupling in ("iid", "antithetic", "repelling")
            for n_walks in walks
        }
        functions = {key: lambda model=model, A=A: clone(model).fit(A) for key, model in models.items()}
        timings = alternate({"exact kernel": lambda A=A: graph_kernel(A)} | functions, args.repeats)
        exact = timings.pop("exact kernel")
        report.add(graph=f"{name}, {n}", coupling="exact kernel", s=exact.median, peak_mib=mib(exact.peak))
        errors = {}
        for (coupling, n_walks), timing in timings.items():
            progress(f"  seeds of {coupling}, {n_walks} walks")
            model = models[coupling, n_walks]
            found = [
                _kernel_error(clone(model).set_params(random_state=seed).fit(A), exact.result)
                for seed in range(2 if args.quick else 10)
            ]
            errors[coupling, n_walks] = np.median(found)
            fewer = errors.get((coupling, n_walks // 4))
            ratio = fewer / errors[coupling, n_walks] if fewer else None
            report.add(
                graph=f"{name}, {n}",
                coupling=coupling,
                walks=n_walks,
                s=timing.median,
                exact_takes=timing.faster_than(exact),
                error=errors[coupling, n_walks],
                falls_by=ratio,
                peak_mib=mib(timing.peak),
                verdict=verdict(ratio >= 1.8, "by at least 1.8") if ratio else None,
            )
    report.note(
        "error: relative, Frobenius, of features_ second_features_^T, the median of seeds; falls by: the "
        "error of a quarter of the walks over it, 2 for independent ones; exact takes: so many times as long."
    )


def _kernel_error(model, K):
    return difference(model.features_ @ model.second_features_.T, K)


CASES = {
    case.__name__: case
    for case in (blogcatalog, search, partition, cora, ppi, blogcatalog_peers, random_graphs, grf)
}


def main():
    """All cases, or those that are asked for."""
    args = arguments(__doc__, lambda p: p.add_argument("--data", choices=CASES, action="append"))
    for name in args.data or CASES:
        # With several cases, a file for each.
        json = args.json and str(Path(args.json).with_stem(f"{Path(args.json).stem}_{name}"))
        with Report(f"Graphs: {name}.", argparse.Namespace(**{**vars(args), "json": json})) as report:
            try:
                CASES[name](report, args, 20 if args.quick else 1)
            except FileNotFoundError as error:
                report.note(f"left out: {error}")


if __name__ == "__main__":
    main()
