"""Random numbers: counter-based streams that belong to a block, not to a thread.

Everything random in sklr is drawn from a `Stream`: an immutable seed from which any
block of any purpose can be generated on its own, in any order, on any thread. Nothing in
the package calls a global or a shared generator, so a result is a function of the seed
and of the shapes only.
"""

import hashlib
from functools import lru_cache

import numpy as np

_SEED_BITS = 64


@lru_cache(maxsize=64)
def _purpose_key(purpose):
    # A stable hash: `hash(str)` changes from one process to the next.
    return int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")


class Stream:
    """A seed from which independent generators are made by purpose and block.

    ``stream.generator(purpose, i, j)`` is Philox with key ``(seed, hash(purpose))`` and a
    counter that starts at ``(0, 0, i, j)``. Philox counts in the lowest of its four
    64-bit words first, so two blocks of one purpose would overlap only after 2**128
    draws, and two purposes use different keys.

    Parameters
    ----------
    seed : int
        Between 0 and 2**64 - 1.
    """

    __slots__ = ("seed",)

    def __init__(self, seed):
        object.__setattr__(self, "seed", int(seed) % (1 << _SEED_BITS))

    def __setattr__(self, name, value):
        raise AttributeError("a Stream is immutable; make a new one")

    def __delattr__(self, name):
        raise AttributeError("a Stream is immutable; make a new one")

    def __reduce__(self):
        return (Stream, (self.seed,))

    def __eq__(self, other):
        return isinstance(other, Stream) and other.seed == self.seed

    def __hash__(self):
        return hash(("Stream", self.seed))

    def __repr__(self):
        return f"Stream({self.seed})"

    def generator(self, purpose, i=0, j=0):
        """The generator of block ``(i, j)`` of `purpose`; equal arguments, equal numbers."""
        bits = np.random.Philox(
            key=np.array([self.seed, _purpose_key(purpose)], dtype=np.uint64),
            counter=np.array([0, 0, i, j], dtype=np.uint64),
        )
        return np.random.Generator(bits)

    def child(self, i):
        """The i-th stream derived from this one."""
        return Stream(self.generator("child", i).integers(0, 1 << 63))


def as_stream(rng=None):
    """Turn what SPEC 7 calls `rng` into a `Stream`.

    Parameters
    ----------
    rng : None, int, SeedSequence, BitGenerator, Generator, RandomState or Stream
        ``None`` takes entropy from the operating system. An int or a SeedSequence always gives the
        same stream. A Generator (or RandomState) is asked for one number, so it moves on,
        and two calls with the same Generator give different streams.

    Returns
    -------
    Stream

    Raises
    ------
    TypeError
        If `rng` is none of these.
    ValueError
        If `rng` is a negative int.
    """
    if isinstance(rng, Stream):
        return rng
    if isinstance(rng, np.random.RandomState):
        return Stream(rng.randint(0, 1 << 32, dtype=np.uint64) << np.uint64(31))
    if isinstance(rng, (int, np.integer)) and rng < 0:
        raise ValueError(f"rng must be a non-negative int, got {rng}.")
    try:
        if isinstance(rng, (bool, np.bool_)):
            raise TypeError
        generator = np.random.default_rng(rng)
    except TypeError:
        raise TypeError(
            f"rng must be None, an int or a numpy.random.Generator, got {rng!r}. "
            "Pass an int for a reproducible result."
        ) from None
    return Stream(generator.integers(0, 1 << 63))
