"""Empirical interpolation: the greedy choice, what it is exact at, symmetry, points of a basis, bad input."""

import numpy as np
import pytest
from scipy import linalg, sparse

from sklr.linalg import (
    RowChunks,
    as_operand,
    discrete_empirical_interpolation,
    empirical_interpolation,
    interpolation_coefficients,
)

NORMS = {
    "inf": np.inf,
    "1": 1,
    "2": 2.0,
    "3.5": 3.5,
    "weighted": lambda E: np.sqrt(E**2 @ np.linspace(1, 2, E.shape[1])),
}


def decaying(m, n, seed=0, ratio=0.7):
    """A matrix without ties, whose singular values fall by about `ratio`."""
    rng = np.random.default_rng(seed)
    q = min(m, n)
    return (rng.standard_normal((m, q)) * ratio ** np.arange(q)) @ rng.standard_normal((q, n))


def greedy_by_definition(A, k, norm):
    """``(I, J)`` from the interpolant itself, made anew in every step: largest column, its largest entry."""
    rows, columns = [], []
    for _ in range(k):
        E = A - interpolant(A, rows, columns) if rows else A
        j = int(np.argmax(norm(E.T) if callable(norm) else np.linalg.norm(E, ord=norm, axis=0)))
        rows.append(int(np.argmax(np.abs(E[:, j]))))
        columns.append(j)
    return rows, columns


def interpolant(A, rows, columns):
    return A[:, columns] @ np.linalg.solve(A[np.ix_(rows, columns)], A[rows])


@pytest.mark.parametrize("norm", NORMS)
def test_the_definition(norm, seed):
    """Another norm than asked for, a cross with the wrong pivot, or norms of rows."""
    A = decaying(60, 40, seed)
    found = empirical_interpolation(A, 10, norm=NORMS[norm])
    rows, columns = greedy_by_definition(A, 10, NORMS[norm])
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.columns, columns)
    for r in (1, 4, 10):
        A_hat = interpolant(A, rows[:r], columns[:r])
        np.testing.assert_allclose(found.left[:, :r] * found.pivots[:r] @ found.right[:r], A_hat, atol=1e-10)
        error = np.linalg.norm(A - A_hat)
        np.testing.assert_allclose(found.errors[r - 1], error / np.linalg.norm(A), rtol=1e-8)
        norms = (
            NORMS[norm]((A - A_hat).T) if norm == "weighted" else np.linalg.norm(A - A_hat, NORMS[norm], 0)
        )
        np.testing.assert_allclose(found.residual_norms[r - 1], norms.max(), rtol=1e-8)
    assert found.n_passes == 1


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("axis", [0, 1])
def test_exact_at_the_chosen_rows_and_columns(axis, norm, seed):
    """Factors of another matrix than A, and row indices in the place of column indices."""
    A = decaying(50, 70, seed)
    found = empirical_interpolation(A, 12, norm=NORMS[norm] if norm != "weighted" else np.inf, axis=axis)
    A_hat = found.left * found.pivots @ found.right
    np.testing.assert_allclose(A_hat[found.rows], A[found.rows], atol=1e-12 * np.abs(A).max())
    np.testing.assert_allclose(A_hat[:, found.columns], A[:, found.columns], atol=1e-12 * np.abs(A).max())
    lower, upper = found.left[found.rows], found.right[:, found.columns]
    for T in (lower, upper.T):
        assert not np.triu(T, 1).any() and (np.diag(T) == 1).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("norm", NORMS)
def test_transposed_input_gives_the_transposed_answer(norm, order, seed):
    """A residual that rounds otherwise when it is transposed, or an axis that is not exchanged."""
    A = np.asarray(decaying(50, 50, seed), order=order)
    p = NORMS[norm]
    found = empirical_interpolation(A, 12, norm=p)
    turned = [empirical_interpolation(A.T, 12, norm=p, axis=1)]
    if norm == "inf":
        turned.append(empirical_interpolation(A.T, 12))
        turned.append(empirical_interpolation(np.ascontiguousarray(A.T), 12))
    for other in turned:
        np.testing.assert_array_equal(other.rows, found.columns)
        np.testing.assert_array_equal(other.columns, found.rows)
        np.testing.assert_array_equal(other.left, found.right.T)
        np.testing.assert_array_equal(other.right, found.left.T)
        np.testing.assert_allclose(other.errors, found.errors, rtol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("form", ["F", "chunks", "mapped C", "mapped F", "transposed", "float32", "int"])
def test_containers(form, axis, tmp_path):
    """A matrix that is transposed on its way to the residual, or data that are overwritten."""
    A = np.round(decaying(300, 40) * 1000)  # integers below 2^24: the same in all forms
    expected = empirical_interpolation(A, 8, axis=axis)
    if form.startswith("mapped"):
        np.save(tmp_path / "A.npy", np.asarray(A, order=form[-1]))
    given = {
        "F": lambda: np.asfortranarray(A),
        "chunks": lambda: RowChunks(lambda: iter(np.array_split(A, 7)), A.shape, A.dtype),
        "mapped C": lambda: np.load(tmp_path / "A.npy", mmap_mode="r"),
        "mapped F": lambda: np.load(tmp_path / "A.npy", mmap_mode="r"),
        "transposed": lambda: as_operand(A.T.copy()).T,
        "float32": lambda: A.astype(np.float32),
        "int": lambda: A.astype(int),
    }[form]()
    found = empirical_interpolation(given, 8, axis=axis)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.columns, expected.columns)
    assert found.left.dtype == found.right.dtype == (np.float32 if form == "float32" else np.float64)
    np.testing.assert_allclose(found.left, expected.left, atol=1e-4 if form == "float32" else 0)
    if isinstance(given, np.ndarray):
        np.testing.assert_array_equal(np.asarray(given, dtype=float), A)


def test_tolerance():
    """A step too many or too few, or an error in another norm."""
    A = decaying(80, 60)
    found = empirical_interpolation(A, 60, tol=1e-4)
    assert found.errors[-1] <= 1e-4 < found.errors[-2]
    r = len(found.rows)
    np.testing.assert_array_equal(empirical_interpolation(A, r).rows, found.rows)
    assert len(empirical_interpolation(A, 5, tol=1e-4).rows) == 5


@pytest.mark.parametrize("norm", ["inf", "1", "2"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dependent_and_zero_columns_are_not_taken(dtype, norm, seed):
    """Rounding taken for data: columns or rows that repeat, or are zero, taken twice or at all."""
    rng = np.random.default_rng(seed)
    B = (rng.standard_normal((200, 6)) @ rng.standard_normal((6, 50))).astype(dtype)
    A = np.hstack([np.zeros((200, 3), dtype=dtype), B, 2 * B])
    A[:7] = 0
    found = empirical_interpolation(A, 40, norm=NORMS[norm])
    assert len(found.rows) == len(set(found.rows)) == len(set(found.columns)) == 6
    assert found.rows.min() >= 7 and found.columns.min() >= 3
    assert found.errors[-1] < 50 * np.finfo(dtype).eps


def test_zero_and_tiny_matrices():
    """A division by a pivot of zero; one entry."""
    found = empirical_interpolation(np.zeros((4, 3)), 2)
    assert found.rows.shape == found.errors.shape == (0,)
    assert found.left.shape == (4, 0) and found.right.shape == (0, 3)
    found = empirical_interpolation([[-5.0]], 1)
    assert found.pivots == [-5] and found.errors == [0] and found.left == [[1]]


@pytest.mark.parametrize(
    ("dtype", "unit"),
    [(np.float64, 2.0**-400), (np.float64, 2.0**400), (np.float32, 2.0**-80), (np.float32, 2.0**80)],
)
def test_scales_do_not_matter(dtype, unit):
    """Powers of tiny or huge entries that are lost."""
    A, unit = decaying(60, 40).astype(dtype), dtype(unit)
    for norm in ("inf", "2", "3.5"):
        expected = empirical_interpolation(A, 6, norm=NORMS[norm])
        found = empirical_interpolation(A * unit, 6, norm=NORMS[norm])
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.pivots, expected.pivots * unit)
        np.testing.assert_allclose(found.residual_norms, expected.residual_norms * float(unit), rtol=1e-12)
        np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-12)


def test_float32_below_the_inverse_of_its_largest():
    """A scale that overflows, or entries that are lost with it: the same picks as float64 makes of them."""
    for unit in (1e-38, 1e-39, 1e-41):
        A = (decaying(60, 40) * unit).astype(np.float32)
        k = 3 if unit == 1e-41 else 8  # of which few digits are left
        found, expected = (
            empirical_interpolation(A, k),
            empirical_interpolation(A.astype(float) * 2.0**130, k),
        )
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.columns, expected.columns)
        np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-4)
        np.testing.assert_allclose(found.residual_norms * 2.0**130, expected.residual_norms, rtol=1e-4)
        np.testing.assert_allclose(
            found.pivots.astype(float) * 2.0**130, expected.pivots, rtol=1e-4, atol=2.0**-18
        )


@pytest.mark.parametrize(
    "norm",
    [
        lambda E: np.zeros(len(E)),
        lambda E: np.ones(len(E)),
        lambda E: np.abs(E[:, 0]),
        lambda E: np.linalg.norm(E[:, :3], axis=1),
    ],
    ids=["zero", "one", "first entry", "first three"],
)
def test_a_norm_that_is_none(norm):
    """A choice that ends because the norm does, as if the matrix did."""
    for axis in (0, 1):
        with pytest.raises(ValueError, match="norm is no norm: after [013] steps"):
            empirical_interpolation(np.diag(np.arange(40.0, 0, -1)), 40, norm=norm, axis=axis)


def test_the_same_bits_on_any_number_of_threads(at_any_threads):
    """Tiles that depend on the threads, or sums in the order in which they were ready."""
    A = decaying(3000, 200, ratio=0.9)
    for call in (
        lambda n: empirical_interpolation(A, 15, norm=2, n_threads=n),
        lambda n: empirical_interpolation(A, 15, axis=1, n_threads=n),
    ):
        for one, two in zip(*at_any_threads(call), strict=True):
            np.testing.assert_array_equal(one, two)


def deim_by_definition(V):
    """The points as Chaturantabut and Sorensen have them: the largest entry of each residual."""
    points = []
    for j in range(V.shape[1]):
        residual = V[:, j]
        if points:
            residual = residual - V[:, :j] @ np.linalg.solve(V[points, :j], V[points, j])
        points.append(int(np.argmax(np.abs(residual))))
    return points


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pivoting", ["lu", "qr"])
def test_points_of_a_basis(pivoting, dtype, seed):
    """Points that are none of DEIM or Q-DEIM; coefficients of other points; a constant that is no bound."""
    rng = np.random.default_rng(seed)
    V = linalg.qr(rng.standard_normal((80, 7)), mode="economic")[0].astype(dtype)
    found = discrete_empirical_interpolation(V, pivoting=pivoting)
    expected = deim_by_definition(V) if pivoting == "lu" else linalg.qr(V.T, pivoting=True)[2][:7]
    np.testing.assert_array_equal(found.indices, expected)
    assert found.coefficients.dtype == dtype
    exact = V.astype(float) @ np.linalg.inv(V[found.indices].astype(float))
    np.testing.assert_allclose(found.coefficients, exact.T, atol=100 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(found.coefficients[:, found.indices], np.eye(7))
    norm = np.linalg.norm(np.linalg.inv(V[found.indices].astype(float)), 2)
    np.testing.assert_allclose(found.constant, norm, rtol=1e-4 if dtype == np.float32 else 1e-10)
    X = rng.standard_normal((20, 80))
    error = np.linalg.norm(X - X[:, found.indices] @ found.coefficients, axis=1)
    assert (error <= 1.0001 * found.constant * np.linalg.norm(X - X @ V @ V.T, axis=1)).all()


def test_rectangular_coefficients(seed):
    """A solution that is not the pseudo-inverse's, or an identity that is not one."""
    B = np.random.default_rng(seed).standard_normal((6, 30))
    for columns in ([3], [9, 2, 4], [9, 2, 4, 8, 1, 5], [9, 2, 4, 8, 1, 5, 20, 22]):
        X = interpolation_coefficients(B, columns)
        np.testing.assert_allclose(X, np.linalg.pinv(B[:, columns]) @ B, atol=1e-9)
        if len(columns) <= 6:
            np.testing.assert_array_equal(X[:, columns], np.eye(len(columns)))
        if len(columns) >= 6:
            np.testing.assert_allclose(B[:, columns] @ X, B, atol=1e-9)
    B[:, 4] = B[:, 2]  # dependent: shared evenly
    X = interpolation_coefficients(B, [2, 4])
    np.testing.assert_allclose(X, np.linalg.pinv(B[:, [2, 4]]) @ B, atol=1e-10)
    assert interpolation_coefficients(B.astype(np.float32), [1]).dtype == np.float32


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be between 1 and 20"),
        ({"k": 21}, ValueError, "k must be between 1 and 20"),
        ({"k": 2.0}, TypeError, "k must be an int"),
        ({"tol": 1.0}, ValueError, r"tol must be in \(0, 1\)"),
        ({"norm": 0.5}, ValueError, "norm must be at least 1"),
        ({"norm": np.nan}, ValueError, "norm must be at least 1"),
        ({"norm": "fro"}, TypeError, "norm must be a number"),
        ({"norm": lambda E: E.sum()}, ValueError, "to the 50 norms of its rows|norms of its rows"),
        ({"norm": lambda E: E[:, 0] - 9}, ValueError, "not negative"),
        ({"axis": 2}, ValueError, "axis must be 0"),
        ({"max_memory": 100}, ValueError, "max_memory=10800"),
        ({"A": np.full((50, 20), np.nan)}, ValueError, "NaN"),
        (
            {"A": sparse.csr_array(np.ones((1024, 1024)))},
            ValueError,
            r"sparse.*toarray\(\), which takes 8 MiB",
        ),
        ({"A": np.ones((5, 5), dtype=complex)}, ValueError, "complex"),
    ],
)
def test_bad_input(change, error, message):
    """A parameter that is ignored, or an error that does not say which it was and what to do."""
    arguments = {"A": np.ones((50, 20)), "k": 5} | change
    with pytest.raises(error, match=message):
        empirical_interpolation(arguments.pop("A"), arguments.pop("k"), **arguments)


def test_a_norm_must_leave_the_residual_alone():
    """A callable that overwrites the residual, which no later check would notice."""

    def overwriting(E):
        E *= 2
        return E[:, 0]

    with pytest.raises(ValueError, match="read-only"):
        empirical_interpolation(np.ones((5, 4)), 2, norm=overwriting)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: discrete_empirical_interpolation(np.ones((2, 3))), "Pass its transpose"),
        (lambda: discrete_empirical_interpolation(np.ones((5, 2))), "2 columns of V have rank 1: drop"),
        (lambda: discrete_empirical_interpolation(np.zeros((5, 2))), "2 columns of V have rank 0: drop"),
        (lambda: discrete_empirical_interpolation(np.eye(3), pivoting="svd"), "pivoting must be"),
        (lambda: discrete_empirical_interpolation(np.full((3, 2), np.inf)), "infinity"),
        (lambda: interpolation_coefficients(np.eye(3), [0, 0]), "different numbers"),
        (lambda: interpolation_coefficients(np.eye(3), [3]), "from 0 to 2"),
        (lambda: interpolation_coefficients(np.eye(3), [True]), "list of column numbers"),
        (lambda: interpolation_coefficients(np.full((2, 2), np.nan), [0]), "NaN"),
    ],
)
def test_bad_input_of_the_other_functions(call, message):
    """Dependent columns that are divided by, or an index that wraps around."""
    with pytest.raises(ValueError, match=message):
        call()
