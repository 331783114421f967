"""What graph random features claim over seeds. Bounds hold for every seed from 0 to 99; each test states the
quantity's mean and standard deviation over them, and how many of the latter the bound is away: at least 4.9,
a failure probability of 1e-6 where it is close to normal, as sums over thousands of walks are.
"""

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import graph_kernel, graph_modulation, graph_random_features

COUPLINGS = ("iid", "antithetic", "repelling")


def two_draws(A, f, seed, **parameters):
    """The estimate of the kernel, dense."""
    first, second = (graph_random_features(A, f, rng=10_000 * draw + seed, **parameters) for draw in (0, 1))
    return (first @ second.T).toarray()


@pytest.fixture(scope="module")
def small_graph():
    """50 nodes with weights within a factor 20, loops, and an isolated node."""
    rng = np.random.default_rng(0)
    A = np.triu((rng.random((50, 50)) < 0.12) * np.exp(rng.uniform(0, np.log(20), (50, 50))))
    A[:, -1] = 0
    return sparse.csr_array(A + np.triu(A, 1).T)


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize(
    ("kernel", "parameters"), [("regularized_laplacian", {}), ("diffusion", {"sigma": 1.5}), ("p_step", {})]
)
def test_without_bias(kernel, parameters, coupling, small_graph, seed):
    """Weights of lengths, of edges or of degrees that are off; draws that are not independent (the trace);
    walks that repel, but that are longer in one direction than in another (the error).

    With 2,000 walks, halting with probability .3, the relative errors of the sum of the kernel and of its
    trace have means below .0004 and deviations of at most .0019 and .0008: bounds 5.5 of these or more. The
    relative Frobenius error is at most .0222 with deviation .0011, "repelling" .0080 with .0005 or .0074 with
    .0007: 5.9 of these or more.
    """
    K = graph_kernel(small_graph, kernel, **parameters)
    f = graph_modulation(kernel, **parameters)
    difference = two_draws(small_graph, f, seed, n_walks=2000, halt_probability=0.3, coupling=coupling) - K
    assert abs(difference.sum()) < 0.011 * K.sum()
    assert abs(np.trace(difference)) < 0.0045 * np.trace(K)
    assert np.linalg.norm(difference) < (0.012 if coupling == "repelling" else 0.03) * np.linalg.norm(K)


@pytest.fixture(scope="module")
def random_graph():
    """``(A, K)``: 1,000 nodes, 10 edges each on average, and the default kernel."""
    rng = np.random.default_rng(0)
    A = np.triu(rng.random((1000, 1000)) < 0.01, 1)
    A = sparse.csr_array((A + A.T).astype(float))
    return A, graph_kernel(A)


def test_errors_and_couplings(random_graph, seed):
    """An error that does not halve when walks quadruple; couplings that do nothing, or harm.

    From 10 to 40 walks the relative error falls by the factor 2.014 ("iid", deviation .015), 2.016
    ("antithetic", .014) and 2.574 ("repelling", .009); it is .263 (.0016) for 10 walks with "iid". Over that
    of "iid", "antithetic" has 1.000 (.007) with both, "repelling" .672 (.004) and .526 (.003): 5 of these or
    more.
    """
    A, K = random_graph
    f = graph_modulation("regularized_laplacian")
    error = {
        (coupling, n_walks): np.linalg.norm(two_draws(A, f, seed, n_walks=n_walks, coupling=coupling) - K)
        for coupling in COUPLINGS
        for n_walks in (10, 40)
    }
    assert 0.255 < error["iid", 10] / np.linalg.norm(K) < 0.272
    for coupling in ("iid", "antithetic"):
        assert 1.93 < error[coupling, 10] / error[coupling, 40] < 2.1
    assert error["repelling", 10] / error["repelling", 40] > 2.5
    for n_walks, bound in ((10, 0.7), (40, 0.55)):
        assert error["antithetic", n_walks] < 1.04 * error["iid", n_walks]
        assert error["repelling", n_walks] < bound * error["iid", n_walks]


def test_antithetic_lengths(seed):
    """Walks whose lengths are not geometric each for itself, where they are coupled.

    On loops the feature is the number of walks that reach l steps, over (1 - p)^l and their number: its mean
    is 1. Reaching l steps is negatively dependent in a pair, so that with 20,000 nodes and two walks from
    each the mean over nodes has at most the deviation of independent walks, ((1 - p)^(-l) - 1)^(1/2) / 200.
    The bound is 5.5 of these. The variance over nodes, in units of that of independent walks, has a deviation
    of at most .0075.
    """
    loops = sparse.eye_array(20_000, format="csr")
    for p in (0.2, 0.5, 0.7):
        for length in (1, 3):
            f = np.append(np.zeros(length), 1)
            Phi = graph_random_features(
                loops, f, n_walks=2, halt_probability=p, coupling="antithetic", rng=seed
            )
            deviation = np.sqrt((1 - p) ** -length - 1)
            features = Phi.diagonal()
            assert abs(features.mean() - 1) < 5.5 * deviation / 200
            if length == 1:
                # 1 + the correlation of the two, which is -p / (1 - p), or -(1 - p) / p where p > 1/2.
                share = 1 - min(p, 1 - p) / max(p, 1 - p)
                assert abs(features.var() / (deviation**2 / 2) - share) < 0.1
