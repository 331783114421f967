"""Streams: numbers are a function of (seed, purpose, block), of nothing else, and of all three."""

import copy
import itertools
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sklr
from sklr._backend import Stream, as_stream

SEEDS = st.integers(0, 2**64 - 1)
BLOCKS = st.integers(0, 2**64 - 1)
PURPOSES = st.text(max_size=20)


def words(stream, purpose="test", i=0, j=0, size=4):
    """The first 64-bit words of a block."""
    return stream.generator(purpose, i, j).bit_generator.random_raw(size).tolist()


@given(seed=SEEDS, purpose=PURPOSES, i=BLOCKS, j=BLOCKS)
def test_a_block_is_reproducible(seed, purpose, i, j):
    """Catches a generator that depends on the order of the calls or on an earlier draw."""
    stream = Stream(seed)
    expected = words(stream, purpose, i, j)
    stream.generator(purpose, i, j).standard_normal(1000)
    stream.child(3).generator(purpose, i, j).standard_normal(10)
    assert words(stream, purpose, i, j) == expected
    assert words(Stream(seed), purpose, i, j) == expected


def test_the_generator_is_the_documented_one():
    """Catches a change of key, counter or hash, which would silently change every fitted result."""
    import hashlib

    purpose, seed, i, j = "gaussian", 12345678901234567890, 7, 2**63 + 1
    key = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")
    philox = np.random.Philox(
        key=np.array([seed, key], dtype=np.uint64), counter=np.array([0, 0, i, j], dtype=np.uint64)
    )
    assert words(Stream(seed), purpose, i, j) == philox.random_raw(4).tolist()


def test_seed_purpose_and_block_each_change_all_numbers():
    """Catches an argument that is ignored, swapped with another one or cut to fewer bits."""
    large = 2**63 + 5
    cases = [
        (seed, purpose, i, j)
        for seed in (0, 1, 2**32, large)
        for purpose in ("a", "b", "ab", "")
        for i, j in itertools.product((0, 1, 2**32, large), repeat=2)
    ]
    drawn = [word for seed, purpose, i, j in cases for word in words(Stream(seed), purpose, i, j)]
    # 1,024 words of 64 bits: two equal ones have a chance of 3e-14.
    assert len(set(drawn)) == len(drawn) == 4 * len(cases)


def test_neighbouring_blocks_do_not_overlap():
    """Catches a counter that puts the block where Philox counts: block 1 would be block 0 a little later."""
    stream = Stream(0)
    first = set(words(stream, size=100_000))
    for i, j in ((1, 0), (0, 1), (2, 0), (0, 2)):
        assert first.isdisjoint(words(stream, i=i, j=j, size=1000))


def test_blocks_are_uncorrelated(seed):
    """Catches blocks that are copies, negatives or shifts of one another."""
    n = 100_000
    a = Stream(seed).generator("test", 0).standard_normal(n)
    others = {
        "next block": Stream(seed).generator("test", 1).standard_normal(n),
        "next seed": Stream(seed + 1).generator("test", 0).standard_normal(n),
        "other purpose": Stream(seed).generator("test2", 0).standard_normal(n),
        "child": Stream(seed).child(0).generator("test", 0).standard_normal(n),
    }
    for name, b in others.items():
        for lag in (0, 1, 2):
            # The correlation of n independent normal pairs has a standard deviation of n**-.5 and tails
            # that at this n are normal: above 5.6 of them with probability 2e-8, over 12 tests below 1e-6.
            correlation = a[lag:] @ b[: n - lag] / n
            assert abs(correlation) < 5.6 / np.sqrt(n), (name, lag)


def test_children():
    """Catches children that are their parent, one another, or a function of what was drawn before."""
    stream = Stream(5)
    children = [stream.child(i) for i in range(50)]
    grandchildren = [child.child(i) for child in children for i in range(50)]
    everyone = {stream, *children, *grandchildren}
    assert len(everyone) == 1 + 50 + 2500
    stream.generator("child", 7).random(3)
    assert stream.child(7) == children[7]


@given(seed=SEEDS)
def test_a_stream_is_an_immutable_value(seed):
    """Catches a stream whose seed can be changed or deleted under an operator that holds it."""
    stream = Stream(seed)
    for change in (
        lambda: setattr(stream, "seed", 1),
        lambda: delattr(stream, "seed"),
        lambda: setattr(stream, "other", 1),
    ):
        with pytest.raises(AttributeError):
            change()
    assert stream.seed == seed
    assert stream == Stream(seed) and hash(stream) == hash(Stream(seed))
    assert stream != Stream((seed + 1) % 2**64) and stream != seed
    assert eval(repr(stream)) == stream


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_and_copying(protocol):
    """Catches state that does not survive the way to another process or a clone."""
    stream = Stream(2**64 - 3)
    for other in (pickle.loads(pickle.dumps(stream, protocol)), copy.copy(stream), copy.deepcopy(stream)):
        assert other == stream
        assert words(other, "p", 1, 2) == words(stream, "p", 1, 2)


# -- as_stream ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: 7, lambda: np.int32(7), lambda: np.uint64(7), lambda: 2**100 + 7])
def test_ints_are_reproducible(make):
    """Catches an int that is drawn from a moving source, or NumPy ints that differ from Python's."""
    assert as_stream(make()) == as_stream(make())
    assert as_stream(make()) != as_stream(8)
    if make() == 7:
        assert as_stream(make()) == as_stream(7)


def test_small_ints_give_distant_seeds():
    """Catches ints used as seeds as they are, so that ``rng=1`` and ``child`` numbers might meet."""
    seeds = [as_stream(i).seed for i in range(2000)]
    assert len(set(seeds)) == 2000
    assert min(seeds) > 2000


def test_a_stream_is_returned_as_it_is():
    """Catches a stream that is hashed again, so that an extended operator would draw other rows."""
    stream = Stream(3)
    assert as_stream(stream) is stream


def test_seed_sequences_are_values():
    """Catches a SeedSequence that is spawned from: the second call would give another stream."""
    sequence = np.random.SeedSequence(11)
    assert as_stream(sequence) == as_stream(sequence) == as_stream(np.random.SeedSequence(11))
    assert sequence.n_children_spawned == 0
    assert as_stream(sequence.spawn(1)[0]) != as_stream(sequence)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: np.random.default_rng(seed),
        lambda seed: np.random.Generator(np.random.MT19937(seed)),
        lambda seed: np.random.RandomState(seed),
        lambda seed: np.random.PCG64(seed),
        lambda seed: np.random.Philox(seed),
    ],
    ids=["default_rng", "Generator", "RandomState", "PCG64", "Philox"],
)
def test_generators_move_on(make):
    """Catches a Generator that is copied: two operators drawn from it would be the same."""
    one, other = make(0), make(0)
    first, second = as_stream(one), as_stream(one)
    assert first != second
    assert (first, second) == (as_stream(other), as_stream(other))
    assert first != as_stream(make(1))


def test_a_generator_is_asked_for_one_number():
    """Catches a change of how far the user's generator moves, which would change what they draw next."""
    one, other = np.random.default_rng(0), np.random.default_rng(0)
    as_stream(one)
    other.integers(0, 1 << 63)
    assert one.random() == other.random()
    one, other = np.random.RandomState(0), np.random.RandomState(0)
    as_stream(one)
    other.randint(0, 1 << 32, dtype=np.uint64)
    assert one.random_sample() == other.random_sample()


def test_random_states_give_many_streams():
    """Catches a RandomState that is reduced to a few bits, so that streams repeat."""
    state = np.random.RandomState(0)
    # 500 draws of 32 bits: two equal ones have a chance of 3e-5, and this seed has none.
    assert len({as_stream(state) for _ in range(500)}) == 500


def test_none_takes_entropy():
    """Catches a fixed seed behind None."""
    assert len({as_stream() for _ in range(20)} | {as_stream(None) for _ in range(20)}) == 40


@pytest.mark.parametrize(
    "rng",
    [True, False, np.True_, 1.0, np.float64(2), np.float32(2), "0", "seed", object(), {}, np.random, b"0"],
    ids=repr,
)
def test_wrong_types(rng):
    """Catches a bool or a float that passes as a seed, and an error that does not name the parameter."""
    with pytest.raises(TypeError, match="rng"):
        as_stream(rng)


@pytest.mark.parametrize("rng", [-1, np.int64(-5), -(2**70)])
def test_negative_ints(rng):
    """Catches a negative seed that wraps around."""
    with pytest.raises(ValueError, match="rng must be a non-negative int"):
        as_stream(rng)


# -- nothing global ----------------------------------------------------------------------------


def test_no_global_generator_is_read_or_moved():
    """Catches use of ``np.random`` or ``random``: results would depend on what the program drew before."""

    def draw():
        stream = as_stream(3)
        drawn = [words(stream, "a", 1, 2), stream.child(4).seed, as_stream(np.random.default_rng(1)).seed]
        as_stream(None)
        return drawn

    np.random.seed(98765)
    np.random.random(7)
    random.seed(98765)
    numpy_state, python_state = np.random.get_state(), random.getstate()
    expected = draw()
    after = np.random.get_state()
    assert all(np.array_equal(a, b) for a, b in zip(numpy_state, after, strict=True))
    assert random.getstate() == python_state
    np.random.seed(1)
    random.seed(1)
    assert draw() == expected


def test_another_process_draws_the_same_numbers():
    """Catches ``hash(str)``, which is salted per process, and anything else of the process in the key."""
    code = (
        "from sklr._backend import as_stream\n"
        "s = as_stream(2**80 + 1)\n"
        "print(s.seed, s.child(2).seed, *s.generator('sparse_stack', 3, 4).bit_generator.random_raw(8))\n"
    )
    stream = as_stream(2**80 + 1)
    expected = [stream.seed, stream.child(2).seed, *words(stream, "sparse_stack", 3, 4, size=8)]
    for hash_seed in ("1", "2"):
        env = dict(os.environ, PYTHONHASHSEED=hash_seed, PYTHONPATH=str(Path(sklr.__file__).parents[1]))
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True
        )
        assert [int(word) for word in done.stdout.split()] == expected
