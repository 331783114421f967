"""What propagation from random vectors claims: each assertion fails with probability at most 1e-6."""

import math

import numpy as np
import pytest
from scipy import fft, linalg, sparse, stats

from sklr.linalg import propagate, random_start, transition_matrix
from sklr.sketch import available_sketches, make_sketch

FAILURE = 1e-6
N, D, WEIGHTS = 16, 12, [1.0, 0.5, 2.0]
# A mean of a group deviates by more than 4 standard deviations with probability at most 1/16 (Chebyshev), the
# median of the groups only where half of them do. For all entries of an N x N matrix at once:
GROUPS, GROUP_SIZE = 33, 12
assert N**2 * stats.binom.sf(GROUPS // 2, GROUPS, 1 / 16) < FAILURE


def small_graph():
    """Directed, with loops, weights within a factor of 5, and a node that no edge leaves."""
    rng = np.random.default_rng(0)
    A = (rng.random((N, N)) < 0.3) * rng.uniform(1, 5, (N, N))
    A[-1] = 0
    return A


def variance_of_products(name, U):
    """``Var(u_a^T S^T S u_b)`` for all pairs of rows of U, exactly.

    Signs make entries G_ij, i < j, of G = S^T S uncorrelated with each other and with the diagonal:
    ``sum_(i<j) (u_i v_j + u_j v_i)^2 Var(G_ij)`` is the part of them, and Var(G_ij) = 1 / D in all families
    with signs but the transform.
    """
    squares = U**2
    diagonal = squares @ squares.T  # sum_i u_i^2 v_i^2
    lengths = squares.sum(axis=1)
    off_diagonal = np.outer(lengths, lengths) + (U @ U.T) ** 2 - 2 * diagonal
    if name == "srtt":
        # D of the N rows of F without replacement.
        factor = N**2 / D * (N - D) / (N - 1)
        F = fft.dct(np.eye(N), axis=0, norm="ortho")
        of_pairs = factor * np.einsum("ri,rj->rij", F, F).var(axis=0)
        cross = np.einsum("ai,bj->abij", U, U)
        cross = np.einsum("abij,ij->ab", (cross + cross.swapaxes(2, 3)) ** 2, np.triu(of_pairs, 1))
        of_diagonal = np.einsum("ai,bi,ri->rab", U, U, F**2).var(axis=0)
        return cross + factor * of_diagonal
    if name == "row_sampling":
        return (N * diagonal - (U @ U.T) ** 2) / D
    of_squares = {"gaussian": 2.0, "very_sparse": math.sqrt(N) - 1}.get(name, 0.0)
    return (off_diagonal + of_squares * diagonal) / D


@pytest.mark.parametrize("name", available_sketches())
def test_products_of_embedded_nodes_are_without_bias(name, seed):
    """Weights or powers that are off, a start with another scale, draws that depend on each other.

    ``E[E E^T] = P P^T`` for ``P = sum_k w_k T^k``, for every pair of nodes.
    """
    T = transition_matrix(small_graph())
    P = sum(w * np.linalg.matrix_power(T.toarray(), k) for k, w in enumerate(WEIGHTS, start=1))
    n_draws = GROUPS * GROUP_SIZE
    starts = [
        random_start(make_sketch(name), N, D, rng=n_draws * seed + i, n_threads=1) for i in range(n_draws)
    ]
    Z = sparse.hstack(starts, format="csr") if sparse.issparse(starts[0]) else np.hstack(starts)
    E = propagate(T, Z, WEIGHTS).embedding.reshape(N, GROUPS, GROUP_SIZE, D)
    means = np.einsum("agsd,bgsd->gab", E, E, optimize=True) / GROUP_SIZE
    bound = 4 * np.sqrt(variance_of_products(name, P) / GROUP_SIZE)
    error = np.abs(np.median(means, axis=0) - P @ P.T)
    assert np.all(error <= bound + 1e-12)
    # The bound is smaller than what the first step would change.
    other = P - T.toarray()
    assert np.any(np.abs(other @ other.T - P @ P.T) > bound)


def graph_of_four_parts():
    rng = np.random.default_rng(0)
    part = np.repeat(np.arange(4), 50)
    A = np.triu(rng.random((200, 200)) < np.where(part[:, None] == part, 0.3, 0.01), 1)
    return (A + A.T).astype(float)


@pytest.mark.parametrize("transition", ["symmetric", "random_walk"])
def test_simultaneous_iteration_converges_at_its_rate(transition, seed):
    """Steps that are fewer than they should be, or that lose what they have.

    T is similar to a symmetric matrix, with leading eigenvectors V and the others W. In these coordinates the
    tangent of the largest angle between the span of E and that of V is after q steps at most
    ``(|lambda_(l+1)| / |lambda_l|)^q`` times ``|| W^T Z (V^T Z)^(-1) ||``, that at the start, for any Z.

    For normal Z the smallest singular value of V^T Z is below ``x / sqrt(l)`` with probability at most x (A.
    Edelman, 1988, DOI 10.1137/0609045), and the largest of W^T Z above ``sqrt(n - l) + sqrt(l) + t`` with at
    most ``exp(-t^2 / 2)`` (K. R. Davidson, S. J. Szarek, 2001, DOI 10.1016/S1874-5849(01)80010-3): so many
    steps bring the tangent below 1e-6, without a look at Z.
    """
    n, n_vectors = 200, 4
    A = graph_of_four_parts()
    T = transition_matrix(A, transition)
    roots = np.sqrt(A.sum(axis=1)) if transition == "random_walk" else np.ones(n)
    values, vectors = np.linalg.eigh(roots[:, None] * T.toarray() / roots)
    order = np.argsort(-np.abs(values))
    V, W = vectors[:, order[:n_vectors]], vectors[:, order[n_vectors:]]
    rate = abs(values[order[n_vectors]] / values[order[n_vectors - 1]])
    assert rate < 0.6

    # Normal in the coordinates of V and W.
    Z = np.random.default_rng(seed).standard_normal((n, n_vectors)) / roots[:, None]

    def tangent(X):
        X = roots[:, None] * X
        return np.linalg.norm(W.T @ X @ linalg.inv(V.T @ X), 2)

    at_start = tangent(Z)
    for n_steps in (1, 3, 10):
        E = propagate(T, Z, n_steps, orthogonalize="each").embedding
        assert tangent(E) <= (1 + 1e-6) * rate**n_steps * at_start
    assert tangent(propagate(T, Z, 2, orthogonalize="each").embedding) > rate**10 * at_start  # so it can fail

    largest = math.sqrt(n - n_vectors) + math.sqrt(n_vectors) + math.sqrt(2 * math.log(2 / FAILURE))
    likely = largest * math.sqrt(n_vectors) / (FAILURE / 2)
    assert at_start <= likely
    n_steps = math.ceil(math.log(likely / 1e-6) / -math.log(rate))
    E, _, change = propagate(T, Z, n_steps, orthogonalize="each")
    assert tangent(E) <= 1e-6
    assert change <= 1e-6
