"""What a plan says of memory, and what it is asked with."""

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import RowChunks, as_operand, plan_low_rank, truncated_svd
from sklr.linalg.plan import MAX_MEMORY


def empty(m, n):
    return sparse.csr_array((m, n))


@pytest.mark.parametrize(
    "X",
    [np.zeros((30, 20)), [[1.0, 2.0], [3.0, 4.0]], sparse.coo_array(np.eye(5)), RowChunks(iter, (9, 4))],
    ids=["array", "list", "sparse", "chunks"],
)
def test_matrices_are_accepted(X):
    """A plan that needs `as_operand` where every other function takes the matrix."""
    assert plan_low_rank(X, 2) == plan_low_rank(as_operand(X), 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be between 1 and 20 .* got 0"),
        ({"k": 21}, ValueError, "k must be between 1 and 20 .* got 21"),
        ({"k": True}, TypeError, "k must be an int, a float .* got True"),
        ({"k": 2, "n_oversamples": -1}, ValueError, "n_oversamples must be at least 0, got -1"),
        ({"k": 2, "n_oversamples": 2.0}, TypeError, "n_oversamples must be an int, got 2.0"),
        ({"k": 2, "max_memory": 0}, ValueError, "max_memory must be at least 1, got 0"),
        ({"k": 2, "max_memory": 1e9}, TypeError, "max_memory must be an int, got 1000000000.0"),
        ({"k": 2, "accuracy": 0}, ValueError, "accuracy must be in .* Got 0"),
        ({"k": 2, "tol": "1e-3"}, TypeError, "tol must be a float .* got '1e-3'"),
        ({"k": 2, "n_oversamples": True}, TypeError, "n_oversamples must be an int, got True"),
    ],
)
def test_bad_sizes_are_named(arguments, error, message):
    """The plan of a fit that would be refused."""
    with pytest.raises(error, match=message):
        plan_low_rank(np.zeros((30, 20)), **arguments)


def test_krylov_is_ruled_out_for_its_basis():
    """A basis above the bound that is built although another solver has room."""
    A = RowChunks(iter, (10**7, 9_000))  # in chunks all columns are taken at once
    plan = plan_low_rank(A, 8_000)
    assert "krylov" not in plan_low_rank(A, 100).reasons
    assert "GiB beside the data" in plan.reasons["krylov"]
    assert plan.solver == "gram"


def test_every_solver_too_large():
    """A choice among solvers that would all run out of memory, or a refusal without sizes and remedy."""
    A = empty(2 * 10**6, 10**6)
    message = (
        r"There is no solver for rank 500 of a 2,000,000 x 1,000,000 matrix .*"
        r"gram: it needs [\d.]+ GiB.*krylov: it needs [\d.]+ GiB.*subspace: it needs [\d.]+ GiB.*"
        r"exact: it needs [\d.]+ GiB.*Use a smaller rank or at least max_memory=\d+\."
    )
    for sketch_given in (False, True):
        if sketch_given:
            message = message.replace("it needs [\\d.]+ GiB.*krylov", ".*krylov").replace(
                "exact: it needs", ".*"
            )
        with pytest.raises(ValueError, match=message) as caught:
            plan_low_rank(A, 500, sketch_given=sketch_given)
        least = int(str(caught.value).rpartition("max_memory=")[2].rstrip("."))
        plan = plan_low_rank(A, 500, sketch_given=sketch_given, max_memory=least)
        assert plan.solver in ("krylov", "subspace") and plan.memory[plan.solver] == least
    assert plan_low_rank(A, 2).solver in ("krylov", "subspace")


def test_wide_matrices_cost_the_shorter_side():
    """A basis as long as the longer side, where Krylov iteration can take the shorter one."""
    tall, wide = (plan_low_rank(empty(*shape), 20) for shape in [(10**8, 20_000), (20_000, 10**8)])
    assert tall.solver == wide.solver == "krylov"
    assert wide.n_passes == tall.n_passes + 2
    assert tall.costs["krylov"] < wide.costs["krylov"] < 1.5 * tall.costs["krylov"]
    passes = {
        plan_low_rank(RowChunks(iter, shape), 20, solver="krylov", max_memory=10**12).n_passes
        for shape in [(20_000, 10**7), (10**7, 20_000)]
    }
    assert len(passes) == 1
    n = MAX_MEMORY // 8 // 10
    with pytest.raises(ValueError, match="krylov: it needs"):
        plan_low_rank(RowChunks(iter, (20_000, n)), 20)
    assert plan_low_rank(empty(20_000, n), 20).solver == "krylov"


@pytest.mark.parametrize("shape", [(90, 60), (60, 90)])
def test_passes_are_about_those_of_the_solver(shape):
    """A plan that forgets the passes that turn left vectors into right ones."""
    X = np.random.default_rng(0).standard_normal(shape) * 0.7 ** np.arange(shape[1])
    for solver in ("gram", "exact"):
        planned = plan_low_rank(X, 5, solver=solver).n_passes
        assert truncated_svd(X, 5, solver=solver, rng=0).n_passes == planned
    planned = plan_low_rank(X, 5, solver="krylov").n_passes
    assert abs(truncated_svd(X, 5, solver="krylov", rng=0).n_passes - planned) <= 4
