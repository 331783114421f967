"""Sketches of several sizes of one matrix, in as few passes and products as their families allow."""

from itertools import pairwise

import numpy as np
from scipy import sparse

from sklr._backend import as_operand
from sklr.sketch import make_sketch
from sklr.sketch._views import LastRows, Stacked, nests


class SketchedSizes:
    """The products S A, dense, with the sketches S that a stream gives for several sizes.

    A size is the same product, up to rounding, whatever other sizes are asked for. Where operators extend by
    any number of rows (Gaussian, Rademacher, SRTT, sampling with replacement), the largest one is applied and
    the others are rows of it; of larger ones that are asked for later only the new rows, save for fast
    transforms. Other sizes that are asked for together take one pass.

    Parameters
    ----------
    A : operand of shape (m, n)
        Sketched along its first axis.
    sketch : str or Distribution
        "auto" may take several families.
    stream : Stream
        Where the operators come from.
    like : operand, default=None
        Whose container and dtype the operators are for; None: A.
    """

    def __init__(self, A, sketch, stream, like=None):
        self._A, self._sketch, self._stream = A, sketch, stream
        self._like = A if like is None else like
        self._nested = {}  # by family: _Growing
        self._parts = {}  # by size: (_Growing, d), or a product of its own

    def n_numbers(self, sizes):
        """How many numbers the products of these sizes are, those of sizes that are there included."""
        rows = 0
        for operators in self._families({*sizes, *self._parts}):
            each = [S.shape[0] for S in operators]
            rows += each[-1] if _are_nested(operators) else sum(each)
        return rows * self._A.shape[1]

    def add(self, sizes):
        """Make the products of sizes that are not there."""
        for operators in self._families(set(sizes) - set(self._parts)):
            family = repr(operators[0].distribution)
            grown = self._nested.get(family, _Growing())
            if grown.takes(operators):
                self._nested[family] = grown
                grown.grow(self._A, operators[-1])
                self._parts |= {S.shape[0]: (grown, S) for S in operators}
            else:
                ends = np.cumsum([S.shape[0] for S in operators])[:-1]
                products = np.split(_product(self._A, Stacked(operators)), ends)
                self._parts |= {
                    S.shape[0]: (product, S) for S, product in zip(operators, products, strict=True)
                }

    def has(self, d):
        """Whether the product of a size is there."""
        return d in self._parts

    def operator(self, d):
        """S of d rows."""
        return self._parts[d][1]

    def product(self, d):
        """S A of shape (d, n)."""
        found, S = self._parts[d]
        return found.product(S) if isinstance(found, _Growing) else found

    def gram(self, d):
        """``S A (S A)^T`` in float64, where it is part of one that serves several sizes; else None."""
        found, S = self._parts[d]
        if not isinstance(found, _Growing) or d >= self._A.shape[1]:
            return None
        served = [
            size for size, (part, _) in self._parts.items() if part is found and size < self._A.shape[1]
        ]
        return None if len(served) == 1 else found.gram(S, max(served))

    def _families(self, sizes):
        """The operators of each family, in the order of their sizes."""
        n, is_sparse = self._A.shape[0], self._like.container == "sparse"
        families = {}
        for d in sorted(sizes):
            distribution = make_sketch(self._sketch, n=n, sketch_size=d, sparse=is_sparse)
            operator = distribution.operator(d, n, self._stream, self._like.dtype)
            families.setdefault(repr(distribution), []).append(operator)
        return families.values()


class _Growing:
    """The product with an operator of which smaller ones are the first rows."""

    def __init__(self):
        self._operator = self._product = self._gram = None

    def takes(self, operators):
        """Whether operators, and the one that is here, are the first rows of each other."""
        if self._operator is not None:
            operators = sorted([*operators, self._operator], key=lambda S: S.shape[0])
        return _are_nested(operators)

    def grow(self, A, operator):
        """Make the product with an operator, if that is the larger one."""
        before = self._operator
        if before is not None and before.shape[0] > operator.shape[0]:
            return
        if before is None or operator.needs_all_rows:
            self._product = _product(A, operator)
        else:
            added = _product(A, LastRows(operator, before.shape[0]))
            self._product = np.vstack([_ratio(operator, before) * self._product, added])
        self._operator, self._gram = operator, None

    def product(self, S):
        """The product with a smaller operator."""
        ratio = _ratio(S, self._operator)
        rows = self._product[: S.shape[0]]
        return rows if ratio == 1 else rows.dtype.type(ratio) * rows

    def gram(self, S, largest):
        """The inner products of the rows of `product`, which are made for `largest` of them."""
        if self._gram is None or len(self._gram) < largest:
            rows = as_operand(self._product[:largest].T)
            self._gram = rows.astype(np.float64).gram()
        d = S.shape[0]
        return _ratio(S, self._operator) ** 2 * self._gram[:d, :d]


def _are_nested(operators):
    return all(nests(smaller, larger) for smaller, larger in pairwise(operators))


def _ratio(S, other):
    return S.isometry_scale / other.isometry_scale


def _product(A, S):
    SA = A.sketch(S)
    return SA.toarray() if sparse.issparse(SA) else SA
