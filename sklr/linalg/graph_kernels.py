"""Kernels on the nodes of a graph, and the weights of walks that their random features need."""

from numbers import Integral

import numpy as np
from scipy import linalg
from scipy.special import binom, gammaln

from sklr._backend import session

from ._checks import check_between
from ._graph import as_graph

KERNELS = ("regularized_laplacian", "diffusion", "p_step")
# Which parameter belongs to which kernel, and what None means.
_DEFAULTS = {"sigma": 1.0, "degree": 2, "shift": 2.0}
_PARAMETERS = {
    "regularized_laplacian": ("sigma", "degree"),
    "diffusion": ("sigma",),
    "p_step": ("degree", "shift"),
}
# A modulation is asked for so many lengths at first and at last.
_FIRST_LENGTHS, _MOST_LENGTHS = 1 << 10, 1 << 20


def graph_modulation(kernel, *, sigma=None, degree=None, shift=None):
    """Find the weights of walks by their length with which random features estimate a kernel.

    With W the normalized adjacency matrix, L = I - W the normalized Laplacian and f the result,

        K = F F^T,    F = sum_l f_l W^l,

    where K is

    - "regularized_laplacian": ``(I + sigma^2 L)^(-degree)``;
    - "diffusion": ``exp(-sigma^2 L / 2)``;
    - "p_step": ``((shift - 1) I + W)^degree``, which is ``(shift I - L)^degree``.

    So f convolved with itself are the coefficients of K as a power series in W.

    Parameters
    ----------
    kernel : {"regularized_laplacian", "diffusion", "p_step"}, callable or array-like
        A name; ``f(lengths)``, which maps an array of integers to finite numbers, f_l, whose sum converges;
        or the numbers f_0, f_1, ... themselves, beyond which there are zeros.
    sigma : float, default=None
        Positive; None means 1. Only with "regularized_laplacian" and "diffusion".
    degree : float, default=None
        The power; None means 2. Positive; with "p_step" an even int. Only with these two kernels.
    shift : float, default=None
        At least 2; None means 2. Only with "p_step".

    Returns
    -------
    f : ndarray of shape (n_lengths,)
        float64. What is left out has a sum of magnitudes below eps of all, as has the error of F in the
        spectral norm. The first two kernels have f that are probabilities: negative binomial and Poisson.

    Raises
    ------
    ValueError
        If a parameter is out of range or does not belong to the kernel; or f is empty, zero, not finite, or
        has not decayed within 2^20 lengths.
    TypeError
        If `kernel` or a parameter is of another type.

    Notes
    -----
    An odd power in "p_step" is refused: its root is a series whose weights fall so slowly that features from
    walks of any halting probability have infinite variance.

    References
    ----------
    I. Reid, K. Choromanski, E. Berger and A. Weller, "General Graph Random Features", 2023, arXiv:2310.04859.
    A. J. Smola and R. Kondor, "Kernels and Regularization on Graphs", 2003,
    doi:10.1007/978-3-540-45167-9_12.

    Examples
    --------
    >>> from sklr.linalg import graph_modulation
    >>> graph_modulation("regularized_laplacian")[:4]
    array([0.5   , 0.25  , 0.125 , 0.0625])
    >>> graph_modulation("p_step", degree=4)
    array([1., 2., 1.])
    """
    given = _kernel_parameters(kernel, sigma=sigma, degree=degree, shift=shift)
    if not isinstance(kernel, str) and not callable(kernel):
        return as_modulation(kernel)
    if isinstance(kernel, str) and kernel == "p_step":
        half = given["degree"] // 2
        lengths = np.arange(half + 1)
        return binom(half, lengths) * (given["shift"] - 1) ** (half - lengths)
    size = _FIRST_LENGTHS
    while size <= _MOST_LENGTHS:
        lengths = np.arange(size)
        f = _called(kernel, lengths) if callable(kernel) else _series(kernel, lengths, given)
        # What lengths from here on have together.
        rest = np.cumsum(np.abs(f)[::-1])[::-1]
        kept = np.flatnonzero(rest > np.finfo(np.float64).eps * rest[0])
        if kept.size and kept[-1] < size // 2:
            return f[: kept[-1] + 1]
        size *= 2
    raise ValueError(
        f"kernel={kernel!r} has weights of walks that are zero, or do not decay within {_MOST_LENGTHS} "
        "lengths: their sum must converge. Use a smaller sigma, or weights that fall faster."
    )


def graph_kernel(A, kernel="regularized_laplacian", *, sigma=None, degree=None, shift=None):
    """Kernel on the nodes of a graph, as a dense matrix.

    The kernels of `graph_modulation`, from the eigenvectors of W. The normalized adjacency matrix is
    ``W = D^(-1/2) A D^(-1/2)`` with D the diagonal of the row sums of A; a node without edges has W_ii = 1,
    so that its row of the Laplacian I - W is zero.

    Parameters
    ----------
    A : array-like or sparse matrix of shape (n, n)
        Symmetric weights of edges, not negative. A loop counts once in the degree of its node.
    kernel : {"regularized_laplacian", "diffusion", "p_step"}, callable or array-like, \
default="regularized_laplacian"
        As in `graph_modulation`.
    sigma : float, default=None
        As in `graph_modulation`.
    degree : float, default=None
        As in `graph_modulation`.
    shift : float, default=None
        As in `graph_modulation`.

    Returns
    -------
    K : ndarray of shape (n, n)
        Symmetric and positive semidefinite; float64, or float32 where A is.

    Raises
    ------
    ValueError
        If A is no such matrix, or the parameters are none of the kernel.

    Notes
    -----
    About ``12 n^3`` flops and five arrays of ``8 n^2`` bytes: for a few thousand nodes. Beyond, see
    `graph_random_features`.

    References
    ----------
    A. J. Smola and R. Kondor, "Kernels and Regularization on Graphs", 2003,
    doi:10.1007/978-3-540-45167-9_12.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import graph_kernel
    >>> path = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> graph_kernel(path, "p_step").round(3)
    array([[1.5  , 1.414, 0.5  ],
           [1.414, 2.   , 1.414],
           [0.5  , 1.414, 1.5  ]])
    """
    given = _kernel_parameters(kernel, sigma=sigma, degree=degree, shift=shift)
    graph = as_graph(A)
    with session():
        eigenvalues, V = linalg.eigh(graph.normalized())
        name = kernel if isinstance(kernel, str) else None
        if name == "regularized_laplacian":
            values = (1 + given["sigma"] ** 2 * (1 - eigenvalues)) ** -given["degree"]
        elif name == "diffusion":
            values = np.exp(-(given["sigma"] ** 2) * (1 - eigenvalues) / 2)
        elif name == "p_step":
            values = (given["shift"] - 1 + eigenvalues) ** given["degree"]
        else:
            values = np.polynomial.polynomial.polyval(eigenvalues, graph_modulation(kernel)) ** 2
        K = (V * values) @ V.T
    return ((K + K.T) / 2).astype(graph.dtype, copy=False)


def _kernel_parameters(kernel, **given):
    """The parameters of a kernel, checked, with defaults for None."""
    if isinstance(kernel, str) and kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {KERNELS}, a callable or an array, got {kernel!r}.")
    belong = _PARAMETERS[kernel] if isinstance(kernel, str) else ()
    for name, value in given.items():
        if value is not None and name not in belong:
            raise ValueError(
                f"{name}={value!r} has no part in kernel={kernel!r}, which has {belong or 'no parameters'}. "
                f"Leave {name} at None."
            )
    values = {name: _DEFAULTS[name] if given[name] is None else given[name] for name in belong}
    if "sigma" in values:
        check_between("sigma", values["sigma"], low=0)
    if "shift" in values and check_between("shift", values["shift"], low=0) < 2:
        raise ValueError(f"shift must be at least 2 for a positive semidefinite base, got {values['shift']}.")
    if "degree" in values:
        degree = check_between("degree", values["degree"], low=0)
        if kernel == "p_step" and (not isinstance(values["degree"], Integral) or degree % 2):
            raise ValueError(
                f"degree must be an even int with kernel='p_step', got {values['degree']!r}: the features "
                "are those of its square root, which is a polynomial for even powers only."
            )
    return values


def _series(kernel, lengths, given):
    """Coefficients of the root of a kernel as a power series in W."""
    with np.errstate(divide="ignore", under="ignore"):
        if kernel == "diffusion":
            mean = given["sigma"] ** 2 / 4
            return np.exp(lengths * np.log(mean) - mean - gammaln(lengths + 1))
        r, odds = given["degree"] / 2, given["sigma"] ** 2
        ratios = odds / (1 + odds) * (r + lengths[1:] - 1) / lengths[1:]
        return np.cumprod(np.concatenate([[(1 + odds) ** -r], ratios]))


def _called(modulation, lengths):
    f = _as_numbers(modulation(lengths.copy()))
    if f.shape != lengths.shape:
        raise ValueError(
            f"kernel={modulation!r} must map an array of lengths to one weight for each: for shape "
            f"{lengths.shape} it gave {f.shape}."
        )
    return f


def as_modulation(values):
    """Weights by length, from a sequence of them."""
    f = _as_numbers(values)
    if f.ndim != 1:
        raise ValueError(f"The weights of walks must be a sequence f_0, f_1, ..., got shape {f.shape}.")
    if not f.any():
        raise ValueError("The weights of walks are empty or zero: at least one must not be.")
    return np.trim_zeros(f, "b")


def _as_numbers(values):
    try:
        f = np.asarray(values)
    except ValueError:  # rows of different lengths
        f = np.empty(0, dtype=object)
    if f.dtype.kind not in "fiu":
        raise TypeError(
            f"A kernel must be one of {KERNELS}, a callable that maps lengths of walks to weights, or a "
            f"sequence of weights, which are real numbers; got {values!r}."
        )
    f = f.astype(np.float64)
    if not np.isfinite(f).all():
        raise ValueError("The weights of walks contain NaN or infinity.")
    return f
