"""Leading eigenpairs whose number the eigenvalues decide, against LAPACK's full eigendecomposition."""

import numpy as np
import pytest

from sklr.linalg._eigen import leading_eigenpairs


def spectra(q):
    rng = np.random.default_rng(q)
    return {
        "noise": np.sort(rng.standard_normal(q) ** 2)[::-1],
        "equal": np.ones(q),
        "rank one": np.eye(1, q)[0],
        "decaying": 2.0 ** -np.arange(q),
        "clusters": np.repeat([3.0, 2.0, 1.0, 0.5], -(-q // 4))[:q],
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("q", [1, 2, 3, 4, 5, 33, 200])
@pytest.mark.parametrize("kind", spectra(1))
def test_eigenpairs(kind, q, dtype):
    """Reflectors applied in the wrong order or to the wrong rows, ascending order, one vector too few.

    Robust representations leave up to some 1,000 eps between vectors of a cluster, and fail on "clusters".
    """
    rng = np.random.default_rng(q)
    Q = np.linalg.qr(rng.standard_normal((q, q)))[0]
    G = (Q * spectra(q)[kind]) @ Q.T
    for unit in (1.0, 1e-30, 1e30):
        A = (unit * (G + G.T) / 2).astype(dtype)
        expected = np.linalg.eigvalsh(A.astype(np.float64))[::-1]
        bound = (3000 + q) * np.finfo(dtype).eps
        for k in {1, q // 2 + 1, q}:
            seen = []
            w, V = leading_eigenpairs(A, lambda w, k=k, seen=seen: seen.append(w) or k)
            assert V.shape == (q, k) and V.dtype == dtype
            np.testing.assert_allclose(seen[-1], expected, rtol=0, atol=bound * expected[0])
            np.testing.assert_allclose(w, expected[:k], rtol=0, atol=bound * expected[0])
            np.testing.assert_allclose(V.T @ V, np.eye(k), atol=bound)
            V = V.astype(np.float64)
            np.testing.assert_allclose(A @ V, V * w, atol=bound * expected[0])
