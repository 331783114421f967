"""`krylov_svd` refuses what it cannot use, by the name of the parameter and before it reads the data."""

import numpy as np
import pytest

from sklr.linalg import RowChunks, krylov_svd
from sklr.sketch import Gaussian


def never():
    raise AssertionError("the data were read")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sketch": "gausian"}, "'gausian'. Did you mean 'gaussian'"),
        ({"sketch": Gaussian}, r"sketch must be .* Did you mean Gaussian\(\)"),
        ({"sketch": None}, "sketch must be a name or a distribution, got None"),
        ({"block_size": 0}, "block_size must be at least 1, got 0"),
        ({"block_size": -3}, "block_size must be at least 1, got -3"),
        ({"block_size": 2.0}, "block_size must be an int, got 2.0"),
        ({"block_size": True}, "block_size must be an int, got True"),
        ({"n_oversamples": -1}, "n_oversamples must be at least 0, got -1"),
        ({"n_oversamples": 1.5}, "n_oversamples must be an int, got 1.5"),
        ({"n_oversamples": True}, "n_oversamples must be an int, got True"),
        ({"max_iter": 0}, "max_iter must be at least 1, got 0"),
        ({"max_iter": 2.0}, "max_iter must be an int, got 2.0"),
        ({"max_iter": True}, "max_iter must be an int, got True"),
        ({"max_memory": 0}, "max_memory must be at least 1, got 0"),
        ({"max_memory": 1e9}, "max_memory must be an int, got 1000000000.0"),
        ({"tol": 0}, r"tol must be in \(0, 1\).* Got 0"),
        ({"tol": "small"}, "tol must be a float .* got 'small'"),
        ({"tol": np.nan}, r"tol must be in \(0, 1\).* Got nan"),
        ({"accuracy": 1}, r"accuracy must be in \(0, 1\).* Got 1"),
        ({"accuracy": True}, "accuracy must be a float .* got True"),
        ({"k": 0.5, "tol": 0.1}, "k=0.5 and tol=0.1 both choose the rank"),
        ({"k": "auto", "tol": 0.1}, "k='auto' and tol both choose the rank"),
        ({"k": 0}, "k must be between 1 and 20 .* got 0"),
    ],
)
def test_bad_parameters_are_named(arguments, message):
    """A value that is taken for the default, that never stops, or that fails deep inside."""
    with pytest.raises((TypeError, ValueError), match=message):
        krylov_svd(RowChunks(never, (30, 20)), **({"k": 2, "sketch": Gaussian(), "rng": 0} | arguments))


@pytest.mark.parametrize("shape", [(90, 40), (40, 90)])
def test_names_are_accepted(shape):
    """A name that stands for another distribution than elsewhere."""
    A = np.random.default_rng(0).standard_normal(shape)
    named, given = (krylov_svd(A, 3, sketch=sketch, rng=0) for sketch in ("gaussian", Gaussian()))
    np.testing.assert_array_equal(named.right_vectors, given.right_vectors)
    assert krylov_svd(A, 3, sketch="auto", rng=0).singular_values.shape == (3,)
