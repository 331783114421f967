"""RandomizedLowRank on matrices in files, and coordinates that are written to files."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import RowChunks, as_operand

SOLVERS = ("gram", "krylov", "subspace", "single_pass", "exact")


@pytest.fixture(params=["npy", "npy in pieces", "fortran npy", "npz", "one file mapped"])
def in_files(request, tmp_path):
    """Function ``array -> the same matrix`` in three files, or mapped from one."""

    def put(X):
        if request.param == "one file mapped":
            mapped = np.memmap(tmp_path / "X", X.dtype, "w+", shape=X.shape)
            mapped[:] = X
            return np.memmap(tmp_path / "X", X.dtype, "r", shape=X.shape)
        for i, part in enumerate(np.array_split(X, 3)):
            path = tmp_path / f"part{i}.{request.param[:3] if 'npz' in request.param else 'npy'}"
            if request.param == "npz":
                sparse.save_npz(path, sparse.csr_array(part))
            else:
                np.save(path, np.asfortranarray(part) if request.param == "fortran npy" else part)
        return RowChunks.from_files(tmp_path, chunk_rows=33 if request.param == "npy in pieces" else None)

    return put


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_fit_of_files(in_files, data, solver, center):
    """Catches rows that are lost, doubled or out of order in one of the ways that a solver sweeps them."""
    X = in_files(data)
    model = RandomizedLowRank(5, solver=solver, center=center, random_state=0).fit(X)
    expected = RandomizedLowRank(5, solver=solver, center=center, random_state=0).fit(data)
    assert model.solver_ == expected.solver_ == solver
    A = data - data.mean(axis=0) if center else data
    s = np.linalg.svd(A, compute_uv=False)
    optimal = np.sqrt(np.sum(s[5:] ** 2))
    V = model.components_.T
    np.testing.assert_allclose(V.T @ V, np.eye(5), atol=1e-12)
    error = np.linalg.norm(A - A @ V @ V.T)
    if solver == "single_pass":
        assert model.n_passes_ == 1 + center
        # The sums over other tiles round otherwise, and nothing else is different.
        np.testing.assert_allclose(model.singular_values_, expected.singular_values_, rtol=1e-6)
    else:
        assert error <= optimal * (1 + (1e-12 if solver in ("gram", "exact") else 1e-2))
        assert model.error_estimate_ == pytest.approx(error / np.linalg.norm(A), rel=1e-6)
        rtol = 1e-10 if solver in ("gram", "exact") else 1e-2
        np.testing.assert_allclose(model.singular_values_, s[:5], rtol=rtol)
        np.testing.assert_allclose(model.singular_values_, expected.singular_values_, rtol=rtol)
    np.testing.assert_allclose(model.transform(X), A @ V, atol=1e-12)


@pytest.mark.parametrize(
    "parameters", [{}, {"center": True}, {"whiten": True, "feature_weight": 2.0}], ids=str
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_coordinates_in_an_array_of_the_callers(contained, data, tmp_path, dtype, parameters):
    """Catches other bits than without `out`, an array that is not returned, a file that is not written."""
    X = contained(data.astype(dtype))
    model = RandomizedLowRank(4, random_state=0, **parameters).fit(X)
    expected = model.transform(X)
    assert expected.dtype == dtype
    for n_threads in (1, 2):
        model.set_params(n_threads=n_threads)
        path = tmp_path / f"Z{n_threads}.npy"
        mapped = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(300, 4))
        for out in (np.empty((300, 4), dtype), np.empty((300, 4), dtype, order="F"), mapped):
            assert model.transform(X, out=out) is out
            np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(np.load(path), expected)


def test_from_files_to_a_file(in_files, data, tmp_path):
    """Catches an input and an output in files that do not go together."""
    X = in_files(data)
    model = RandomizedLowRank(4, center=True, random_state=0).fit(X)
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "Z.npy"
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(X.shape[0], 4))
    model.transform(X, out=out)
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), model.transform(X))


def test_outputs_that_are_refused(data):
    """Catches an output that is noticed after a pass, rounded, or read while it is written."""
    model = RandomizedLowRank(4, random_state=0).fit(data)
    A = as_operand(np.array(data))
    for out, error, message in [
        (np.empty((300, 5)), ValueError, r"out must have shape \(300, 4\), .*got \(300, 5\)"),
        (np.empty((299, 4)), ValueError, r"out must have shape \(300, 4\), .*got \(299, 4\)"),
        (np.empty((300, 4), np.float32), TypeError, "out must have dtype float64, .*got float32"),
        (np.broadcast_to(0.0, (300, 4)), ValueError, "out is read-only"),
        (sparse.csr_array((300, 4)), TypeError, "out must be an ndarray or an np.memmap, got csr_array"),
        (pd.DataFrame(np.empty((300, 4))), TypeError, "out must be .*got DataFrame"),
    ]:
        with pytest.raises(error, match=message):
            model.transform(A, out=out)
    assert A.n_passes == 0
    X = np.array(data)
    with pytest.raises(ValueError, match="out shares memory with the data"):
        model.transform(X, out=X[:, 3:7])
    np.testing.assert_array_equal(X, data)
    with pytest.raises(TypeError, match="dtype float64, .*got float32"):  # the dtype of the result, not of X
        model.transform(data.astype(int), out=np.empty((300, 4), np.float32))


def test_a_bad_entry_is_named(data):
    """Catches coordinates of NaN that are written without a word."""
    X = np.array(data)
    X[250, 3] = np.nan
    model = RandomizedLowRank(4, random_state=0).fit(data)
    with pytest.raises(ValueError, match="NaN: first seen at row 250, column 3"):
        model.transform(X, out=np.empty((300, 4)))


def test_frames_of_an_output(data):
    """Catches `out` that `set_output` takes away, or that is not written with it."""
    model = RandomizedLowRank(4, random_state=0).fit(data)
    expected = model.transform(data)
    out = np.empty((300, 4))
    frame = model.set_output(transform="pandas").transform(data, out=out)
    assert list(frame.columns) == list(model.get_feature_names_out())
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(frame.to_numpy(), expected)
