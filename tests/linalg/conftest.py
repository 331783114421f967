"""Matrices of known spectrum, in every container, and independent measures of a result."""

from functools import lru_cache

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from sklr.linalg import RowChunks

CONTAINERS = ("C", "F", "csr", "csc", "mapped C", "mapped F", "chunks", "sparse chunks")


# The references below are small products; on a busy machine BLAS's own threads make them very slow.
one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")


def _orthonormal(m, q, rng):
    return np.linalg.qr(rng.standard_normal((m, q)))[0]


@lru_cache(maxsize=64)
@one_blas_thread
def _matrix(m, n, s, seed):
    rng = np.random.default_rng(seed)
    A = (_orthonormal(m, len(s), rng) * s) @ _orthonormal(n, len(s), rng).T
    A.flags.writeable = False
    return A


@pytest.fixture(scope="session")
def matrix():
    """Function ``(m, n, spectrum, seed=0) -> read-only array`` of that spectrum, with random vectors."""
    return lambda m, n, spectrum, seed=0: _matrix(m, n, tuple(map(float, spectrum)), seed)


@pytest.fixture(params=CONTAINERS)
def contained(request, tmp_path):
    """Function ``array -> the same matrix`` in one of the containers; chunks are 37 rows."""

    def put(X):
        kind = request.param
        if kind.startswith("mapped"):
            np.save(tmp_path / "X.npy", np.asarray(X, order=kind[-1]))
            return np.load(tmp_path / "X.npy", mmap_mode="r")
        if kind.endswith("chunks"):
            form = sparse.csr_array if kind.startswith("sparse") else np.asarray
            return RowChunks(lambda: (form(X[i : i + 37]) for i in range(0, len(X), 37)), X.shape, X.dtype)
        return {
            "C": np.ascontiguousarray,
            "F": np.asfortranarray,
            "csr": sparse.csr_array,
            "csc": sparse.csc_matrix,
        }[kind](X)

    put.kind = request.param
    return put


@pytest.fixture(scope="session")
def error_of():
    """Function ``(A, Vt) -> ||A - A V V^T||_F`` by NumPy in float64, from the difference itself."""

    @one_blas_thread
    def error(A, Vt):
        A, Vt = np.asarray(A, dtype=np.float64), np.asarray(Vt, dtype=np.float64)
        return np.linalg.norm(A - (A @ Vt.T) @ Vt)

    return error


@pytest.fixture(scope="session")
def lapack_svd():
    """Function ``A -> (s, Vt)`` by LAPACK in float64."""

    @one_blas_thread
    def svd(A):
        return np.linalg.svd(np.asarray(A, dtype=np.float64), full_matrices=False)[1:]

    return svd


@pytest.fixture(scope="session")
def sine_between():
    """Function ``(Vt, Wt) -> ||sin(angles)||_F`` between the spans of orthonormal rows, by projection."""

    @one_blas_thread
    def sine(Vt, Wt):
        Vt, Wt = np.asarray(Vt, dtype=np.float64), np.asarray(Wt, dtype=np.float64)
        return np.linalg.norm(Vt.T - Wt.T @ (Wt @ Vt.T))

    return sine


@pytest.fixture(scope="session")
def at_any_threads():
    """Function ``call -> results`` of ``call(n_threads)``: on one thread; on two while BLAS has four."""

    def results(call):
        with threadpool_limits(1, user_api="blas"):
            one = call(1)
        with threadpool_limits(4, user_api="blas"):
            return one, call(2)

    return results
