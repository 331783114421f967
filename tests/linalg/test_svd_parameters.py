"""`truncated_svd` makes its plan from its own parameters, and checks them before anything is computed."""

import inspect

import numpy as np
import pytest

from sklr.linalg import RowChunks, plan_low_rank, truncated_svd
from sklr.sketch import CountSketch, Gaussian, SparseStack


def never():
    raise AssertionError("the data were read")


@pytest.mark.parametrize("solver", ["auto", "gram", "krylov", "subspace", "single_pass", "exact"])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be between 1 and 20 .* got 0"),
        ({"n_oversamples": -1}, ValueError, "n_oversamples must be at least 0, got -1"),
        ({"n_oversamples": 2.5}, TypeError, "n_oversamples must be an int, got 2.5"),
        ({"n_oversamples": True}, TypeError, "n_oversamples must be an int, got True"),
        ({"tol": 2}, ValueError, r"tol must be in \(0, 1\).* Got 2"),
        ({"tol": "1e-3"}, TypeError, "tol must be a float .* got '1e-3'"),
        ({"accuracy": 0.0}, ValueError, r"accuracy must be in \(0, 1\).* Got 0.0"),
        ({"accuracy": "high"}, TypeError, "accuracy must be a float .* got 'high'"),
        ({"k": 0.5, "tol": 0.5}, ValueError, "k=0.5 and tol=0.5 both choose the rank"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1, got 0"),
        ({"max_memory": 0}, ValueError, "max_memory must be at least 1, got 0"),
        ({"max_memory": None}, TypeError, "max_memory must be an int, got None"),
        ({"sketch": "gausian"}, ValueError, "Unknown sketch 'gausian'. Did you mean 'gaussian'"),
        ({"sketch": None}, TypeError, "sketch must be a name or a distribution, got None"),
        ({"sketch": Gaussian}, TypeError, r"Did you mean Gaussian\(\)"),
    ],
)
def test_bad_parameters_whatever_the_solver(solver, arguments, error, message):
    """A parameter that goes unnoticed because the solver does not look at it, or that costs a pass first."""
    with pytest.raises(error, match=message):
        truncated_svd(RowChunks(never, (30, 20)), **({"k": 2, "solver": solver} | arguments))


def test_there_is_no_plan_to_overrule_the_parameters():
    """A second way to say which solver, by which the others are not heard."""
    assert "plan" not in inspect.signature(truncated_svd).parameters


def test_parameters_make_the_plan():
    """A sketch or a number of oversamples that changes nothing."""
    A = np.random.default_rng(0).standard_normal((120, 90))
    few, many = (truncated_svd(A, 5, solver="krylov", n_oversamples=p, rng=0) for p in (0, 60))
    assert few.n_passes != many.n_passes
    planned = [plan_low_rank(A, 5, solver="krylov", n_oversamples=p).block_size for p in (0, 60)]
    assert planned[0] < planned[1]
    vectors = [
        truncated_svd(A, 5, sketch=sketch, rng=0).right_vectors
        for sketch in (CountSketch(), SparseStack(2), "sparse_stack")
    ]
    assert not np.array_equal(vectors[0], vectors[1]) and not np.array_equal(vectors[1], vectors[2])
