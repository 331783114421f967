"""Distributions as values, their errors, and the registry."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

from sklr.sketch import (
    SRTT,
    CountSketch,
    Distribution,
    Gaussian,
    Rademacher,
    RowSampling,
    SketchChoice,
    SparseSign,
    SparseStack,
    VerySparse,
    available_sketches,
    choose_sketch,
    make_sketch,
)

FAMILIES = [type(make_sketch(name)) for name in available_sketches()]
OTHERS = [
    SparseStack(3),
    SparseSign(2),
    SRTT("hadamard"),
    VerySparse(0.2),
    RowSampling(np.full(20, 0.05)),
    RowSampling([0.5, 0.5], replace=False),
]
DISTRIBUTIONS = [family() for family in FAMILIES] + OTHERS


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
@pytest.mark.parametrize(
    "duplicate", [clone, copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_copies_are_equal(distribution, duplicate):
    other = duplicate(distribution)
    assert other is not distribution
    assert other == distribution
    assert not other != distribution
    assert repr(other) == repr(distribution)


def test_only_equal_parameters_are_equal():
    for i, a in enumerate(DISTRIBUTIONS):
        for j, b in enumerate(DISTRIBUTIONS):
            assert (a == b) == (i == j), (a, b)
    assert Gaussian() != "gaussian"
    assert RowSampling(np.full(20, 0.05)) != RowSampling(np.full(10, 0.1))


def test_is_no_dictionary_key():
    # `set_params` would change the hash in place.
    with pytest.raises(TypeError, match="unhashable"):
        hash(SparseStack())


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters(family):
    distribution = family()
    defaults = {k: p.default for k, p in inspect.signature(family).parameters.items()}
    assert distribution.get_params() == distribution.get_params(deep=False) == defaults
    assert distribution.set_params() is distribution
    with pytest.raises(ValueError, match=f"{family.__name__} has no parameter 'rows'; it has "):
        distribution.set_params(rows=3)


def test_search_reaches_the_parameters():
    class Estimator(BaseEstimator):
        def __init__(self, sketch=None):
            self.sketch = sketch

    estimator = Estimator(SparseStack()).set_params(sketch__n_blocks=2)
    assert estimator.sketch == SparseStack(2)
    assert estimator.get_params()["sketch__n_blocks"] == 2
    twin = clone(estimator).set_params(sketch__n_blocks=5)
    assert estimator.sketch == SparseStack(2)
    assert twin.sketch == SparseStack(5)


def test_operator_keeps_its_own_copy_of_an_array():
    p = np.array([0.5, 0.25, 0.25])
    S = RowSampling(p).operator(2, 3, rng=0)
    before = S.toarray(), S.extend(1).toarray()
    p[:] = [0, 0, 1]
    assert np.array_equal(S.toarray(), before[0])
    assert np.array_equal(S.extend(1).toarray(), before[1])


def test_repr_is_short_for_long_arrays():
    distribution = RowSampling(np.full(500, 1 / 500))
    assert len(repr(distribution)) < 120
    assert repr(SparseStack(4)) == "SparseStack(n_blocks=4)"
    assert repr(Gaussian().operator(2, 3)) == "<Gaussian() operator of shape (2, 3), float64>"
    assert repr(Gaussian().operator(2, 3).T).startswith("<adjoint of <Gaussian()")


# -- errors of `operator` -------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "sketch_size, n, error, words",
    [
        (0, 10, ValueError, "sketch_size must be at least 1, got 0"),
        (11, 10, ValueError, "sketch_size=11 is larger than the sketched axis .* at most 10, or no sketch"),
        (1, 0, ValueError, "n must be at least 1, got 0"),
        (2.0, 10, TypeError, "sketch_size must be an integer, got 2.0 of type float"),
        (True, 10, TypeError, "sketch_size must be an integer"),
        (2, "10", TypeError, "n must be an integer"),
    ],
)
def test_bad_sizes(family, sketch_size, n, error, words):
    with pytest.raises(error, match=words):
        family().operator(sketch_size, n)


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.complex128])
def test_bad_dtype(dtype):
    with pytest.raises(ValueError, match="dtype must be float64 or float32"):
        Gaussian().operator(2, 3, dtype=dtype)


@pytest.mark.parametrize("rng, error", [(-1, ValueError), (1.5, TypeError), ("0", TypeError)])
def test_bad_rng(rng, error):
    with pytest.raises(error, match="rng"):
        Gaussian().operator(2, 3, rng=rng)


@pytest.mark.parametrize(
    "distribution, error, words",
    [
        (SparseStack(0), ValueError, "n_blocks must be at least 1, got 0"),
        (SparseStack(2.5), TypeError, "n_blocks must be an integer"),
        (SparseStack(None), TypeError, "n_blocks must be an integer"),
        (SparseSign(0), ValueError, "n_nonzeros must be at least 1, got 0"),
        (SparseSign("8"), TypeError, "n_nonzeros must be an integer"),
        (SRTT("fourier"), ValueError, "transform must be one of .*'dct', 'hadamard'.*'fourier'"),
        (SRTT(None), ValueError, "transform must be one of"),
        (SRTT(np.array(["dct", "dct"])), ValueError, "transform must be one of"),
        (RowSampling(replace="no"), TypeError, "replace must be True or False, got 'no'"),
        (RowSampling(replace=None), TypeError, "replace must be True or False"),
        (RowSampling([0.5, 0.5]), ValueError, r"probabilities must be 4 real numbers.*shape \(2,\)"),
        (RowSampling(np.full((4, 1), 0.25)), ValueError, r"probabilities must be 4 .*shape \(4, 1\)"),
        (RowSampling(["a"] * 4), ValueError, "probabilities must be 4 real numbers"),
        (RowSampling(np.full(4, 0.25 + 0j)), ValueError, "real numbers.*complex"),
        (RowSampling([0.5, 0.5, np.nan, 0]), ValueError, "probabilities must be finite.*entry 2 is not"),
        (RowSampling([0.5, np.inf, 0, 0]), ValueError, "probabilities must be finite.*entry 1 is not"),
        (RowSampling([1.5, 0, 0, -0.5]), ValueError, "non-negative; entry 3 is not"),
        (RowSampling([1, 1, 1, 1]), ValueError, "must sum to 1, got 4.*probabilities.sum()"),
        (RowSampling([0.5, 0.5 - 1e-5, 0, 0]), ValueError, "probabilities must sum to 1, got 0.99999"),
        (RowSampling([0, 1, 0, 0], False), ValueError, "Only 1 .*sketch_size=2.*at most 1, or replace=True"),
    ],
)
def test_bad_parameters(distribution, error, words):
    with pytest.raises(error, match=words):
        distribution.operator(2, 4, rng=0)


def test_transform_has_a_largest_size():
    with pytest.raises(ValueError, match=r"n of at most 2\*\*31.*SparseStack"):
        SRTT().operator(2, 2**31 + 1)


def test_probabilities_may_be_off_by_rounding():
    p = np.full(4, 0.25) * (1 + 5e-7)
    S = RowSampling(p, replace=False).operator(2, 4, rng=0)
    np.testing.assert_allclose(S.inclusion_probabilities, 0.5, rtol=1e-15)
    S = RowSampling(p).operator(2, 4, rng=0)  # as if they had been divided by their sum
    np.testing.assert_allclose(S.rows(0, 2).data, (2 * 0.25) ** -0.5, rtol=1e-15)


# -- errors of operators --------------------------------------------------------------------


def test_errors_of_products():
    S = SparseStack().operator(10, 100, rng=0)
    with pytest.raises(ValueError, match=r"A has 99 rows but the sketch expects 100: .* shape \(10, 100\)"):
        S.apply(np.ones((99, 2)))
    with pytest.raises(ValueError, match="A has 3 columns but the sketch expects 100"):
        S.apply_right(np.ones((100, 3)))
    with pytest.raises(ValueError, match=r"Y must have 10 rows .* got shape \(11, 2\)"):
        S.T.apply(np.ones((11, 2)))
    with pytest.raises(ValueError, match="Y must have 10 rows"):
        S.T.apply(np.ones((10, 2, 2)))
    with pytest.raises(ValueError, match="Y has dtype complex128"):
        S.T.apply(np.ones(10) * 1j)
    with pytest.raises(ValueError, match="A is empty"):
        S.apply(np.ones((100, 0)))
    with pytest.raises(TypeError, match="n_threads"):
        S.apply(np.ones((100, 2)), n_threads=1.5)
    with pytest.raises(TypeError, match="iterator"):
        S.apply(iter(np.ones((100, 2))))


@pytest.mark.parametrize("what", ["columns", "rows"])
@pytest.mark.parametrize("lo, hi", [(-1, 2), (3, 2), (0, 101)])
def test_errors_of_ranges(what, lo, hi):
    S = Gaussian().operator(10, 10, rng=0)
    with pytest.raises(ValueError, match="lo"):
        getattr(S, what)(lo, hi)


def test_errors_of_extend():
    S = SparseStack(4).operator(8, 100, rng=0)
    with pytest.raises(ValueError, match="n_more_rows=3; ask for a multiple of 2 more rows"):
        S.extend(3)
    with pytest.raises(ValueError, match="n_more_rows must be at least 1"):
        S.extend(0)
    with pytest.raises(TypeError, match="n_more_rows must be an integer"):
        S.extend(2.0)
    with pytest.raises(ValueError, match="start from a sketch_size that is a multiple of n_blocks=4"):
        SparseStack(4).operator(9, 100, rng=0).extend(2)
    for distribution in (CountSketch(), SparseSign(), VerySparse(), RowSampling(replace=False)):
        with pytest.raises(TypeError, match=f"{type(distribution).__name__} does not nest.*Use SparseStack"):
            distribution.operator(8, 100, rng=0).extend(1)


def test_which_families_extend():
    extendable = [Gaussian(), Rademacher(), SparseStack(), SRTT(), RowSampling()]
    assert all(distribution.extendable for distribution in extendable)
    others = (CountSketch(), SparseSign(), VerySparse(), RowSampling(replace=False))
    assert not any(distribution.extendable for distribution in others)


# -- registry -------------------------------------------------------------------------------


def test_names():
    names = available_sketches()
    assert names == sorted(names)
    assert set(names) == {
        "count_sketch",
        "gaussian",
        "rademacher",
        "row_sampling",
        "sparse_sign",
        "sparse_stack",
        "srtt",
        "very_sparse",
    }
    for name in names:
        distribution = make_sketch(name)
        assert isinstance(distribution, Distribution)
        assert distribution.name == name
        assert make_sketch(name) is not distribution  # set_params on one must not reach the other


def test_every_family_is_registered():
    import sklr.sketch as package

    exported = {
        obj
        for obj in vars(package).values()
        if isinstance(obj, type) and issubclass(obj, Distribution) and obj is not Distribution
    }
    assert exported == set(FAMILIES)


def test_a_distribution_is_returned_as_it_is():
    distribution = SparseStack(4)
    assert make_sketch(distribution) is distribution


@pytest.mark.parametrize(
    "sketch, error, words",
    [
        ("gausian", ValueError, "Unknown sketch 'gausian'. Did you mean 'gaussian'.*Known: count_sketch, "),
        ("CountSketch", ValueError, "Did you mean 'count_sketch'"),
        ("SRTT", ValueError, "Did you mean 'srtt'"),
        ("", ValueError, "Unknown sketch ''. Known: "),
        ("zzz", ValueError, "Unknown sketch 'zzz'. Known: .*srtt, very_sparse, auto"),
        ("auto", ValueError, "pass n and sketch_size"),
        (None, TypeError, "a name or a distribution, got None"),
        (Gaussian, TypeError, r"Did you mean Gaussian\(\)\?"),
        (3, TypeError, "a name or a distribution"),
        (np.ones(3), TypeError, "a name or a distribution"),
    ],
)
def test_bad_names(sketch, error, words):
    with pytest.raises(error, match=words):
        make_sketch(sketch)


def test_auto():
    assert make_sketch("auto", n=1000, sketch_size=50) == Gaussian()
    assert make_sketch("auto", n=10**6, sketch_size=50) == SparseStack()
    assert make_sketch("auto", n=10**4, sketch_size=100) == Gaussian()
    assert make_sketch("auto", n=10**4, sketch_size=100, sparse=True) == SparseStack()
    assert make_sketch("auto", n=1000, sketch_size=50, sparse=True) == Gaussian()


def test_auto_is_explained():
    for n, sketch_size, sparse in [(100, 10, False), (10**6, 10, False), (10**6, 10, True)]:
        choice = choose_sketch(n, sketch_size, sparse)
        assert isinstance(choice, SketchChoice)
        distribution, reason = choice
        assert distribution == make_sketch("auto", n=n, sketch_size=sketch_size, sparse=sparse)
        assert reason.startswith(type(distribution).__name__)
        assert f"{n:,}" in reason and reason.endswith(".")
    with pytest.raises(ValueError, match="sketch_size"):
        choose_sketch(10, 0)
    with pytest.raises(TypeError, match="n must be"):
        choose_sketch(1e6, 10)
