"""One matrix in every container."""

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from sklr.linalg import RowChunks

CONTAINERS = ("C", "F", "csr", "csc", "mapped C", "mapped F", "chunks")


@pytest.fixture(params=CONTAINERS)
def contained(request, tmp_path):
    """Function ``array -> the same matrix`` in one of the containers; chunks are 400 rows."""

    def put(X):
        kind = request.param
        if kind.startswith("mapped"):
            np.save(tmp_path / "X.npy", np.asarray(X, order=kind[-1]))
            return np.load(tmp_path / "X.npy", mmap_mode="r")
        if kind == "chunks":
            return RowChunks(lambda: (X[i : i + 400] for i in range(0, len(X), 400)), X.shape, X.dtype)
        return {
            "C": np.ascontiguousarray,
            "F": np.asfortranarray,
            "csr": sparse.csr_array,
            "csc": sparse.csc_matrix,
        }[kind](X)

    put.kind = request.param
    return put


@pytest.fixture(scope="session")
def data():
    """300 x 40, read-only, a quarter of it non-zero, with a spectrum that decays and a mean."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 12)) * 0.8 ** np.arange(12) @ rng.standard_normal((12, 40))
    X += 0.2 * rng.standard_normal((300, 40)) + 0.5
    X[rng.random(X.shape) > 0.25] = 0
    X.flags.writeable = False
    return X


@pytest.fixture(scope="session")
def at_any_threads():
    """Function ``call -> results`` of ``call(n_threads)``: on one thread; on two while BLAS has four."""

    def results(call):
        with threadpool_limits(1, user_api="blas"):
            one = call(1)
        with threadpool_limits(4, user_api="blas"):
            return one, call(2)

    return results
