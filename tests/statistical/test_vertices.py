"""What pp-SPA claims over SPA: vertices of noisy simplices, as in the simulations of its authors.

Bounds are set so that an assertion fails with probability at most 1e-6 if the code is right, which is 4.9
standard deviations of a normal variable. Errors of vertices are extremes, whose logarithms are near to
normal: errors here are geometric means over four draws. Each test states the mean and standard deviation that
the logarithm of a ratio of them has over seeds 0-99, and how many of the latter are left.

J. Jin, Z. T. Ke, G. Moryoussef, J. Tang and J. Wang, "Improved Algorithm and Bounds for Successive
Projection", 2024, arXiv:2403.11013.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from sklr.decomposition import SuccessiveProjection

N, PURE, DRAWS = 1000, 10, 4
SIGMAS = [0.1, 0.2, 0.5, 1.0]
METHODS = ("spa", "p-spa", "pp-spa")
TRIANGLE = np.array([[20.0, 20], [20, 30], [30, 20]])


def vertex_errors(seed, corners, d, sigma):
    """The largest distance of a vertex from its estimate, for the methods; ten rows lie at each vertex."""
    k = len(corners)
    V = np.zeros((k, d))
    V[:, : corners.shape[1]] = corners
    logs = []
    for i in range(DRAWS):
        rng = np.random.default_rng([seed, i])
        W = np.vstack([np.repeat(np.eye(k), PURE, axis=0), rng.dirichlet(np.ones(k), N - k * PURE)])
        X = W @ V + sigma * rng.standard_normal((N, d))
        errors = []
        for method in METHODS:
            found = SuccessiveProjection(k, method=method, random_state=seed).fit(X).components_
            D = np.linalg.norm(V[:, None] - found[None], axis=2)
            errors.append(D[linear_sum_assignment(D)].max())
        logs.append(np.log(errors))
    return np.exp(np.mean(logs, axis=0))


def test_errors_in_many_dimensions(seed):
    """Pseudo-points that are as far out as rows, or a projection that keeps the noise.

    A triangle with sides of 10 in 50 dimensions, noise .1, .2, .5 and 1. Logarithms of the error of pp-SPA
    over that of SPA: -2.05, -2.06, -1.92 and -1.80, all +- .10, so that .3 times leaves 6.0 standard
    deviations. With the projection alone: -1.17 +- .09 for all noises, 5.3 to half. pp-SPA over that: -.88 +-
    .14, -.89 +- .12, -.74 +- .13 and -.62 +- .11; 5.6 to one.

    Errors grow with the noise. From one noise to the next the logarithms grow for SPA by .70, .94 and .76,
    +- .05 at most, for pp-SPA by .69 +- .13, 1.08 +- .11 and .88 +- .10: 5.3 to none. And what pp-SPA gains
    grows too: by .69 +- .04, 2.1 +- .12 and 3.7 +- .41 in the unit of the data.
    """
    errors = np.array([vertex_errors(seed, TRIANGLE, 50, sigma) for sigma in SIGMAS])
    spa, projected, pseudo = errors.T
    assert np.all(pseudo < 0.3 * spa)
    assert np.all(projected < 0.5 * spa)
    assert np.all(pseudo < projected)
    assert np.all(np.diff(spa) > 0)
    assert np.all(np.diff(pseudo) > 0)
    assert np.all(np.diff(spa - pseudo) > 0)


def test_errors_in_few_dimensions(seed):
    """Pseudo-points that win by the projection only: with 4 features there is hardly anything to project out.

    As above: -1.35 +- .21, -1.33 +- .18, -1.17 +- .17 and -.98 +- .15 for pp-SPA over SPA; .8 times leaves
    5.0 standard deviations.

    It is not better where noise is small beside the distances of neighbours, as means cut the corners: with
    noise .05 single draws have up to 1.2 times the error of SPA, without noise SPA is exact.
    """
    for sigma in SIGMAS:
        spa, _, pseudo = vertex_errors(seed, TRIANGLE, 4, sigma)
        assert pseudo < 0.8 * spa


def test_errors_with_six_vertices(seed):
    """A radius in which no row has neighbours, or which takes in half of the rows, in five dimensions.

    As above, noise .5: -1.62 +- .05 for pp-SPA over SPA, -.80 +- .07 over the projection alone; .3 and .65
    times leave 8 and 5.3 standard deviations.
    """
    spa, projected, pseudo = vertex_errors(seed, 10 * np.eye(6), 50, 0.5)
    assert pseudo < 0.3 * spa
    assert pseudo < 0.65 * projected
