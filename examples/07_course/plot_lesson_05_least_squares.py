"""
Lesson 5: what a sketch does to least squares
=============================================

Three uses of one sketch, from :doc:`/course/05_least_squares`.

The claims: solving a Gaussian sketch with d rows in place of the problem makes the squared residual
``1 + n / (d - n - 1)`` times as large on average, for n columns, whatever the matrix is. As a preconditioner
the same sketch leads to the solution itself, by a factor ``sqrt(n / d)`` in each step; on an ill-conditioned
matrix this stops early, unless what is left is measured again with the data. And where the sketch is part of
the model, generalized cross-validation finds its alpha without another fit.

Sources: B. Bartan and M. Pilanci, "Distributed Sketching Methods for Privacy Preserving Regression", 2020,
arXiv:2002.06538. M. Meier, Y. Nakatsukasa, A. Townsend and M. Webb, "Are sketch-and-precondition least
squares solvers numerically stable?", 2023, arXiv:2302.07202. P. Patil and D. LeJeune, "Asymptotically free
sketched ridge ensembles: Risks, cross-validation, and tuning", 2023, arXiv:2310.04357.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import solve_triangular

from sklr.linear_model import SketchedRidge, SketchedRidgeCV

rng = np.random.default_rng(0)

# %%
# Sketch and solve
# ----------------
# Two matrices of 500 rows and 20 columns, one with equal columns and one whose columns are in units from a
# thousandth to a thousand. The lengths of residuals do not see the difference.

m, n, n_draws = 500, 20, 150
sizes = [24, 28, 36, 50, 80, 140, 260]
units = {"equal columns": np.ones(n), "columns in other units": 10.0 ** rng.uniform(-3, 3, n)}
ratios = {}
for name, unit in units.items():
    A = rng.standard_normal((m, n)) * unit
    b = A @ (rng.standard_normal(n) / unit) + rng.standard_normal(m)
    best = np.sum((b - A @ np.linalg.lstsq(A, b)[0]) ** 2)
    both = np.column_stack([A, b])
    drawn = np.zeros((len(sizes), n_draws))
    for j in range(n_draws):
        sketched = rng.standard_normal((max(sizes), m)) @ both
        for i, d in enumerate(sizes):
            x = np.linalg.lstsq(sketched[:d, :n], sketched[:d, n])[0]
            drawn[i, j] = np.sum((b - A @ x) ** 2) / best - 1
    ratios[name] = drawn.mean(axis=1)
    print(f"{name}: measured over predicted", np.round(ratios[name] / (n / (np.array(sizes) - n - 1)), 2))

# %%
# Sketch and precondition
# -----------------------
# A matrix of condition number 1e10 with a known solution, and R from the QR factorisation of a sketch with
# 4 n rows. The error is the distance of the fitted values from those of the solution.


def conjugate_gradients(A, b, R, n_steps):
    """Yield the iterates for the normal equations of A R^-1, times R^-1."""
    z = np.zeros(len(R))
    r = solve_triangular(R, A.T @ b, trans="T")
    p, rho = r, r @ r
    for _ in range(n_steps):
        q = solve_triangular(R, A.T @ (A @ solve_triangular(R, p)), trans="T")
        z = z + rho / (p @ q) * p
        r = r - rho / (p @ q) * q
        rho, old = r @ r, rho
        p = r + rho / old * p
        yield solve_triangular(R, z)


m, n = 2_000, 50
U, V = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in (m, n))
A = U * np.logspace(0, -10, n) @ V.T
solution = rng.standard_normal(n) / np.sqrt(n)
Q = np.linalg.qr(A)[0]
r = rng.standard_normal(m)
r -= Q @ (Q.T @ r)
r -= Q @ (Q.T @ r)
b = A @ solution + 1e-9 * r / np.linalg.norm(r)

S = rng.standard_normal((4 * n, m)) / np.sqrt(4 * n)
R = np.linalg.qr(S @ A, mode="r")
fitted = A @ solution


def error(x):
    return np.linalg.norm(A @ x - fitted) / np.linalg.norm(fitted)


steps = 60
curves = {
    "no preconditioner": [error(x) for x in conjugate_gradients(A, b, np.eye(n), steps)],
    "preconditioned once": [error(x) for x in conjugate_gradients(A, b, R, steps)],
}
x, refined = np.zeros(n), []
for _ in range(3):  # twenty steps, and the residual is measured again
    start = x
    for correction in conjugate_gradients(A, b - A @ start, R, steps // 3):
        x = start + correction
        refined.append(error(x))
curves["residual measured again"] = refined
by_svd = error(np.linalg.lstsq(A, b)[0])
for name, curve in curves.items():
    print(" ".join(name.split()), f"{curve[-1]:.0e}")
print(f"LAPACK, by the SVD of the whole matrix {by_svd:.0e}")

# %%
# A sketch in the model
# ---------------------
# 400 samples of 500 features, the average over four sketches of d of their combinations. The lines are what
# generalized cross-validation says from the training data, the crosses the errors on 5,000 new samples.

m, n = 400, 500
beta = rng.standard_normal(n) / np.sqrt(n)
X, X_new = rng.standard_normal((m, n)), rng.standard_normal((5_000, n))
y = X @ beta + 0.5 * rng.standard_normal(m)
y_new = X_new @ beta + 0.5 * rng.standard_normal(len(X_new))
alphas = np.logspace(0, 4, 13)
scores = {}
for size in (100, 300):
    how = {"axis": "features", "sketch": "srtt", "n_sketches": 4, "fit_intercept": False, "random_state": 0}
    search = SketchedRidgeCV(alphas, sketch_sizes=[size], **how).fit(X, y)
    models = SketchedRidge(sketch_size=size, **how).fit_path(X, y, [{"alpha": alpha} for alpha in alphas])
    measured = [np.mean((y_new - model.predict(X_new)) ** 2) for model in models]
    scores[size] = -search.cv_results_["mean_test_score"], np.array(measured)
    best = alphas[np.argmin(measured)]
    print(f"sketch size {size}: alpha {search.alpha_:.0f}, on new samples {best:.0f} would be best")

# %%
# The figure
# ----------

blue, orange, green, purple = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
plt.rcParams.update({"font.size": 11})
fig, axes = plt.subplot_mosaic("AB;CC", figsize=(11, 9), layout="constrained")
axes = list(axes.values())

d = np.linspace(23, 270, 500)
axes[0].plot(d, 20 / (d - 21), color="black", lw=1.5, label="n / (d - n - 1)")
for (name, ratio), marker, colour in zip(ratios.items(), "ox", (blue, orange), strict=True):
    axes[0].plot(sizes, ratio, marker, color=colour, ms=9, mew=2, mfc="none", label=name)
axes[0].set(
    xscale="log",
    yscale="log",
    xlabel="rows of the sketch, d",
    ylabel="squared residual / smallest one - 1",
    title="sketch and solve: n = 20 columns",
)
axes[0].set_xticks([25, 50, 100, 200], ["25", "50", "100", "200"])
axes[0].minorticks_off()
axes[0].legend()

styles = [("0.5", ":"), (orange, "--"), (blue, "-")]
for (name, curve), (colour, style) in zip(curves.items(), styles, strict=True):
    axes[1].plot(np.arange(1, steps + 1), curve, style, color=colour, lw=2, label=name)
axes[1].plot([1, 30], 0.5 ** np.array([1, 30]), color=green, lw=1.2, label="a half in each step")
axes[1].axhline(by_svd, color="black", lw=1, label="LAPACK on the whole matrix")
axes[1].set(
    yscale="log",
    ylim=(1e-18, 3),
    xlabel="steps of conjugate gradients",
    ylabel="error of the fitted values (relative)",
    title="sketch and precondition: condition 1e10",
)
for place, text, colour, side in [
    ((60, 2e-4), "no preconditioner", "0.4", "right"),
    ((60, 3e-6), "preconditioned once", orange, "right"),
    ((31, 2e-9), "a half in each step", green, "left"),
    ((60, 1.5e-17), "residual measured again", blue, "right"),
    ((1, 1.2e-14), "LAPACK on the whole matrix", "black", "left"),
]:
    axes[1].text(*place, text, color=colour, ha=side)

for (size, (predicted, measured)), colour, marker in zip(scores.items(), (purple, blue), "sx", strict=True):
    axes[2].plot(alphas, predicted, color=colour, lw=2, label=f"d = {size}: from the training data (GCV)")
    axes[2].plot(alphas, measured, marker, color=colour, ms=7, mew=2, lw=0, label=f"d = {size}: new samples")
axes[2].set(
    xscale="log",
    xlabel="alpha",
    ylabel="mean squared error",
    title="the sketch as a model",
    ylim=(0.6, 1.65),
)
axes[2].legend(fontsize=9.5, loc="upper left")
plt.show()
