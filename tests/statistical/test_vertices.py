"""What pp-SPA claims over SPA: vertices of a noisy triangle, as in the simulations of its authors.

Bounds are set so that an assertion fails with probability at most 1e-6 if the code is right, which is 4.9
standard deviations of a normal variable. Errors of vertices are extremes, so that their logarithms are nearest
to normal. Each test states the mean and standard deviation that the quantity has over seeds 0-99, and how many
of the latter are left.

J. Jin, Z. T. Ke, G. Moryoussef, J. Tang and J. Wang, "Improved Algorithm and Bounds for Successive Projection",
2024, arXiv:2403.11013.
"""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from sklr.decomposition import SuccessiveProjection

N, PURE = 1000, 10
SIGMAS = [0.1, 0.2, 0.5, 1.0]


def draw(rng, d, sigma):
    """``(X, V)``: a triangle with sides of 10, ten rows at each vertex, the others evenly inside."""
    V = np.zeros((3, d))
    V[:, :2] = [[20, 20], [20, 30], [30, 20]]
    W = np.vstack([np.repeat(np.eye(3), PURE, axis=0), rng.dirichlet(np.ones(3), N - 3 * PURE)])
    return W @ V + sigma * rng.standard_normal((N, d)), V


def vertex_errors(seed, d, sigma, n_draws=1, methods=("spa", "p-spa", "pp-spa")):
    """The largest distance of a vertex from its estimate, for the methods: geometric means over draws."""
    logs = []
    for i in range(n_draws):
        X, V = draw(np.random.default_rng([seed, i]), d, sigma)
        errors = []
        for method in methods:
            found = SuccessiveProjection(3, method=method, random_state=seed).fit(X).components_
            D = np.linalg.norm(V[:, None] - found[None], axis=2)
            errors.append(D[linear_sum_assignment(D)].max())
        logs.append(np.log(errors))
    return np.exp(np.mean(logs, axis=0))
