"""What is drawn has the frequencies it should have: each assertion fails with probability at most 1e-6.

The number of successes among m independent trials of probability q deviates from m q by more than
``L / 3 + sqrt((L / 3)**2 + 2 m q (1 - q) L)``, L = log(2 / delta), with probability at most delta (Bernstein,
both sides). An assertion about c counts at once has delta = 1e-6 / c.
"""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from sklr._backend import Stream
from sklr.sketch import SRTT, Rademacher, RowSampling, SparseSign, SparseStack, VerySparse
from sklr.sketch._sampling import inclusion_probabilities, pivotal_sample

FAILURE = 1e-6


def frequencies_fit(counts, m, q):
    counts, q = np.broadcast_arrays(counts, q)
    third = math.log(2 * counts.size / FAILURE) / 3
    allowed = third + np.sqrt(third**2 + 6 * m * q * (1 - q) * third)
    return bool(np.all(np.abs(counts - m * q) <= allowed))


def test_the_bound_can_fail():
    assert frequencies_fit([500, 480], 1000, 0.5)
    assert not frequencies_fit([500, 400], 1000, 0.5)


def sampled(pi, draw, m):
    counts = np.zeros(len(pi))
    for i in range(m):
        counts[draw(i)] += 1
    return counts


P = np.array([0.4, 0.2, 0.15, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01, 0.0])


@pytest.mark.parametrize("size", [1, 3, 7])
def test_pivotal_method_has_the_inclusion_probabilities(size, seed):
    pi = inclusion_probabilities(P, size)
    m = 2000
    counts = sampled(pi, lambda i: pivotal_sample(pi, Stream(m * seed + i)), m)
    assert counts.sum() == m * size
    assert frequencies_fit(counts, m, pi)


def test_choice_without_replacement_has_not(seed):
    """The reason for the pivotal method: sequential draws take the likely rows too rarely."""
    size, m = 3, 4000
    rng = np.random.default_rng(seed)
    counts = sampled(P, lambda i: rng.choice(len(P), size, replace=False, p=P), m)
    assert not frequencies_fit(counts, m, inclusion_probabilities(P, size))


def test_operator_without_replacement_has_the_inclusion_probabilities(seed):
    m = 2000
    operators = [RowSampling(P, replace=False).operator(3, 10, rng=m * seed + i) for i in range(m)]
    counts = sampled(P, lambda i: operators[i].indices, m)
    assert frequencies_fit(counts, m, operators[0].inclusion_probabilities)


@pytest.mark.parametrize("p", [P, None], ids=["given", "uniform"])
def test_sampling_with_replacement(p, seed):
    m = 20_000
    n = 10 if p is not None else m
    S = RowSampling(None if p is None else np.r_[p, np.zeros(m - 10)]).operator(m, m, rng=seed)
    if p is None:
        # Ten groups of equal size.
        assert frequencies_fit(np.bincount(S.indices * 10 // m, minlength=10), m, 0.1)
    else:
        assert S.indices.max() < n
        assert frequencies_fit(np.bincount(S.indices, minlength=10), m, P)


@pytest.mark.parametrize("d, n_blocks", [(7, 2), (12, 3)])
def test_stack_fills_rows_evenly(d, n_blocks, seed):
    n = 20_000
    S = SparseStack(n_blocks).operator(d, n, rng=seed).toarray()
    rows = np.array_split(np.arange(d), n_blocks)
    q = np.concatenate([np.full(len(r), 1 / len(r)) for r in rows])
    assert frequencies_fit((S > 0).sum(axis=1), n, q / 2)
    assert frequencies_fit((S < 0).sum(axis=1), n, q / 2)
    # Two blocks are independent: every pair of rows, and of signs, is as frequent as the product.
    (first, second), other = (S[rows[0]][:, None], S[rows[1]][None]), q[rows[0]][:, None] * q[rows[1]]
    for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        counts = ((np.sign(first) == a) & (np.sign(second) == b)).sum(axis=2)
        assert frequencies_fit(counts, n, other / 4)


@pytest.mark.parametrize("d, n_nonzeros", [(5, 2), (6, 4)])  # one comparison per row, and the table
def test_sparse_sign_draws_uniform_subsets(d, n_nonzeros, seed):
    n = 20_000
    S = SparseSign(n_nonzeros).operator(d, n, rng=seed).toarray()
    subsets = list(combinations(range(d), n_nonzeros))
    counts = [np.all(S[list(s)] != 0, axis=0).sum() for s in subsets]
    assert sum(counts) == n
    assert frequencies_fit(counts, n, 1 / len(subsets))
    assert frequencies_fit((S > 0).sum(axis=1), n, n_nonzeros / d / 2)


@pytest.mark.parametrize("density", [0.02, 0.4, 1.0])
def test_very_sparse_entries_are_independent(density, seed):
    """Gaps that are off by one, signs that are not fair, entries that depend on their neighbours."""
    d, n = 6, 20_000
    S = np.sign(VerySparse(density).operator(d, n, rng=seed).toarray())
    assert frequencies_fit((S > 0).sum(axis=1), n, density / 2)
    assert frequencies_fit((S < 0).sum(axis=1), n, density / 2)
    assert frequencies_fit(np.count_nonzero(S), d * n, density)
    per_column = np.bincount(np.count_nonzero(S, axis=0), minlength=d + 1)
    assert frequencies_fit(per_column, n, stats.binom.pmf(np.arange(d + 1), d, density))
    for first, second in ((S[:-1], S[1:]), (S[:, :-1:2], S[:, 1::2]), (S[-1:, :-1:2], S[:1, 1::2])):
        for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            counts = ((first == a) & (second == b)).sum(axis=1)
            assert frequencies_fit(counts, first.shape[1], density**2 / 4)


@pytest.mark.parametrize("density", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("support", [1, 16], ids=["coherent", "spread"])
def test_very_sparse_lengths_have_their_law(support, density, seed):
    """A variance of ||S x||^2 other than the documented one, for x with equal entries in `support` places.

    ``d p k ||S x||^2``, k the support, is a sum of d squares of walks of k steps: -1, 0 or 1. Columns are
    independent, so that k after k of them are as many draws.
    """
    d, m = 2, 5000
    walk = np.ones(1)
    for _ in range(support):
        walk = np.convolve(walk, [density / 2, 1 - density, density / 2])
    square = np.bincount(np.arange(-support, support + 1) ** 2, weights=walk)
    law = np.convolve(square, square)
    values = np.arange(len(law)) / (d * density * support)
    assert values @ law == pytest.approx(1)
    variance = (2 + (1 / density - 3) / support) / d
    assert (values - 1) ** 2 @ law == pytest.approx(variance)
    S = VerySparse(density).operator(d, m * support, rng=seed)
    lengths = (S.toarray().reshape(d, m, support).sum(axis=2) ** 2).sum(axis=0) / support
    counts = np.bincount(np.rint(lengths * d * density * support).astype(int), minlength=len(law))
    assert frequencies_fit(counts, m, law)
    # Bernstein again: squares of deviations have at most this size and this second moment.
    squares, third = (values[law > 0] - 1) ** 2, math.log(2 / FAILURE) / 3
    allowed = squares.max() * third + math.sqrt(
        (squares.max() * third) ** 2 + 6 * m * third * (squares**2 @ law[law > 0])
    )
    assert abs(np.sum((lengths - 1) ** 2) - m * variance) <= allowed + 1e-12 * m


def test_signs_are_even_and_independent(seed):
    n = 20_000
    for S in (Rademacher().operator(4, n, rng=seed), SRTT("hadamard").operator(4, n, rng=seed)):
        signs = np.sign(S.toarray())
        assert frequencies_fit((signs > 0).sum(axis=1), n, 0.5)
        neighbours = (signs[:, 1:] == signs[:, :-1]).sum(axis=1)
        # The agreements of neighbours are independent too, where the signs are; a row of the Hadamard
        # matrix turns some of them around, which changes nothing.
        assert frequencies_fit(neighbours, n - 1, 0.5)


def test_transform_takes_rows_evenly(seed):
    d, n, m = 3, 8, 2000
    operators = (SRTT().operator(d, n, rng=m * seed + i) for i in range(m))
    counts = sampled(np.zeros(n), lambda i: next(operators)._selected, m)
    assert counts.sum() == d * m
    assert frequencies_fit(counts, m, d / n)
