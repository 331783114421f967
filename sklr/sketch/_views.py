"""Operators that are made of others: some of the rows of one, or several below each other."""

from scipy import sparse


class LastRows:
    """The rows of an operator from `first` on, which are drawn without the others.

    Of a fast transform there is no such view that costs less than all of it.
    """

    needs_all_rows = False

    def __init__(self, operator, first):
        self._operator, self._first = operator, first
        self.is_sparse = operator.is_sparse
        self.shape = operator.shape[0] - first, operator.shape[1]

    def columns(self, lo, hi, dtype):
        """Some columns of these rows."""
        S = self._operator
        return S._astype(S._submatrix(self._first, S.shape[0], lo, hi), dtype)

    def rows(self, lo, hi, dtype):
        """Some of these rows."""
        return self._operator.rows(self._first + lo, self._first + hi, dtype)


class Stacked:
    """Sparse operators, one below the other, for a single pass."""

    is_sparse, needs_all_rows = True, False

    def __init__(self, operators):
        self._operators = operators
        self.shape = sum(S.shape[0] for S in operators), operators[0].shape[1]

    def columns(self, lo, hi, dtype):
        """Some columns of all."""
        return sparse.vstack([S.columns(lo, hi, dtype) for S in self._operators], format="csc")

    def rows(self, lo, hi, dtype):
        """Some rows, those of the first operator first."""
        return sparse.vstack([S.rows(0, S.shape[0], dtype) for S in self._operators], format="csc")[lo:hi]


def nests(smaller, larger):
    """Whether the first operator is the first rows of the second, up to the ratio of the isometry scales."""
    if not smaller.distribution.extendable or smaller.shape[0] >= larger.shape[0]:
        return False
    try:
        grown = smaller.extend(larger.shape[0] - smaller.shape[0])
    except ValueError:  # SparseStack grows by whole blocks, to another distribution
        return False
    return grown.distribution == larger.distribution
