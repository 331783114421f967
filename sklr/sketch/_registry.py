"""The families by name, and the rule behind ``sketch="auto"``."""

from difflib import get_close_matches
from typing import NamedTuple

from ._base import Distribution, _check_size
from ._dense import Gaussian, Rademacher
from ._sampling import RowSampling
from ._sparse import CountSketch, SparseSign, SparseStack, VerySparse
from ._trigonometric import SRTT

# One row per family. Tests take the families from here.
_FAMILIES = {
    family.name: family
    for family in (
        Gaussian,
        Rademacher,
        SparseStack,
        SparseSign,
        CountSketch,
        SRTT,
        RowSampling,
        VerySparse,
    )
}

# Up to so many entries "auto" draws them all from the normal distribution: about 15 ms for dense data.
# A dense sketch of sparse data costs sketch_size / 8 times the product of a sparse one and is dense,
# which is of no account up to about 1 ms.
_MAX_GAUSSIAN_ENTRIES = 1 << 20
_MAX_GAUSSIAN_ENTRIES_SPARSE = 1 << 16


class SketchChoice(NamedTuple):
    """What `choose_sketch` chose, and why.

    Attributes
    ----------
    distribution : Distribution
        The family with its parameters.
    reason : str
        A sentence for users.
    """

    distribution: Distribution
    reason: str


def available_sketches():
    """Return the names of all families, sorted.

    Returns
    -------
    list of str
        Each of them is accepted by `make_sketch` and wherever an estimator has a parameter `sketch`.

    See Also
    --------
    make_sketch : Distribution of a name.

    Examples
    --------
    >>> from sklr.sketch import available_sketches
    >>> available_sketches()
    ['count_sketch', 'gaussian', 'rademacher', 'row_sampling', 'sparse_sign', 'sparse_stack', 'srtt', \
'very_sparse']
    """
    return sorted(_FAMILIES)


def make_sketch(sketch, *, n=None, sketch_size=None, sparse=False):
    """Turn what an estimator's parameter `sketch` may be into a distribution.

    Parameters
    ----------
    sketch : str or Distribution
        A name of `available_sketches`, for the family with its default parameters; "auto", for the
        rule of `choose_sketch`; or a distribution, which is returned as it is.
    n : int, default=None
        Length of the axis that is sketched; "auto" needs it.
    sketch_size : int, default=None
        Rows of the sketch; "auto" needs it.
    sparse : bool, default=False
        Whether the data are sparse; used by "auto".

    Returns
    -------
    Distribution
        The given object, or a new one.

    Raises
    ------
    TypeError
        If `sketch` is neither a string nor a distribution.
    ValueError
        If no family has the name, or if "auto" is asked for without `n` and `sketch_size`.

    See Also
    --------
    choose_sketch : The rule of "auto", with its reason.

    Examples
    --------
    >>> from sklr.sketch import SparseStack, make_sketch
    >>> make_sketch("sparse_stack")
    SparseStack(n_blocks=8)
    >>> make_sketch(SparseStack(n_blocks=4))
    SparseStack(n_blocks=4)
    >>> make_sketch("auto", n=1_000_000, sketch_size=200)
    SparseStack(n_blocks=8)
    """
    if isinstance(sketch, Distribution):
        return sketch
    if not isinstance(sketch, str):
        is_family = isinstance(sketch, type) and issubclass(sketch, Distribution)
        hint = f" Did you mean {sketch.__name__}()?" if is_family else ""
        raise TypeError(
            f"sketch must be a name or a distribution, got {sketch!r}.{hint} "
            f"Names: {', '.join(available_sketches())}, auto."
        )
    if sketch == "auto":
        if n is None or sketch_size is None:
            raise ValueError('sketch="auto" depends on the shape: pass n and sketch_size.')
        return choose_sketch(n, sketch_size, sparse).distribution
    if sketch not in _FAMILIES:
        close = get_close_matches(sketch.lower(), [*_FAMILIES, "auto"], n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"Unknown sketch {sketch!r}.{hint} Known: {', '.join(available_sketches())}, auto.")
    return _FAMILIES[sketch]()


def choose_sketch(n, sketch_size, sparse=False):
    """Choose a family for a shape: the rule of ``sketch="auto"``.

    `Gaussian` where its ``n * sketch_size`` entries are drawn in no time (at most ``2**20`` for dense
    data, ``2**16`` for sparse data), because it has the smallest error; otherwise `SparseStack`
    with 8 non-zeros per column. Both are safe for coherent data, where a few rows carry
    everything. `CountSketch`, `VerySparse` and uniform `RowSampling` are not, and are never chosen; `SRTT` is
    not because it needs dense data in memory to be fast.

    The choice is a function of the arguments only, never of the machine or of the data.

    Parameters
    ----------
    n : int
        Length of the axis that is sketched.
    sketch_size : int
        Rows of the sketch.
    sparse : bool, default=False
        Whether the data are sparse.

    Returns
    -------
    SketchChoice
        ``(distribution, reason)``.

    Raises
    ------
    TypeError
        If a size is not an integer.
    ValueError
        If a size is below 1.

    See Also
    --------
    make_sketch : Distribution of a name, "auto" included.

    Examples
    --------
    >>> from sklr.sketch import choose_sketch
    >>> choice = choose_sketch(n=5000, sketch_size=60)
    >>> choice.distribution
    Gaussian()
    >>> print(choice.reason)
    Gaussian: the most accurate family, and its 300,000 entries (60 x 5,000) are drawn in milliseconds.
    >>> choose_sketch(n=5000, sketch_size=60, sparse=True).distribution
    SparseStack(n_blocks=8)
    """
    n = _check_size("n", n, 1)
    sketch_size = _check_size("sketch_size", sketch_size, 1)
    entries = n * sketch_size
    size = f"{entries:,} entries ({sketch_size:,} x {n:,})"
    if entries <= (_MAX_GAUSSIAN_ENTRIES_SPARSE if sparse else _MAX_GAUSSIAN_ENTRIES):
        return SketchChoice(
            Gaussian(), f"Gaussian: the most accurate family, and its {size} are drawn in milliseconds."
        )
    stack = SparseStack()
    kept = "keeps sparse data sparse" if sparse else "is nearly as accurate"
    return SketchChoice(
        stack,
        f"SparseStack: {stack.n_blocks} non-zeros per column cost less than the {size} of a "
        f"Gaussian sketch; it {kept} and, unlike CountSketch, is safe for coherent data.",
    )
