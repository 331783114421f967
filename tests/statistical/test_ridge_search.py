"""What a search over alphas and sketch sizes of ridge regression claims, on data whose law is known.

Bounds are set so that an assertion fails with probability at most 1e-6 if the code is right, which is 4.9
standard deviations of a normal variable. There is no closed form for what a search does; each test states
the mean and standard deviation that the quantity has over seeds 0-99, and how many of the latter are left.
All quantities are means over thousands of rows and targets or over several sketches, hence close to normal.
Twenty targets or more on the same rows stand for as many independent data sets with one factorisation.

P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation, and tuning",
2023, arXiv:2310.04357. X. Chen, Y. Zeng, S. Yang and Q. Sun, "Sketched Ridgeless Linear Regression: The Role
of Downsampling", 2023, arXiv:2302.01088. Z. Song, M. Ye, J. Yin and L. Zhang, "A Nearly-Optimal Bound for
Fast Regression with l_infinity Guarantee", 2023, arXiv:2302.00248.
"""

import numpy as np
import pytest

from sklr.linear_model import SketchedRidge, SketchedRidgeCV

N, P, T = 400, 500, 20
MEAN = 2.0
VARIANCES = np.arange(1, P + 1) ** -0.5
VARIANCES /= VARIANCES.mean()
ALPHAS = np.logspace(0, 4, 5)
SIZES = [30, 120, 240, 480]
LEVELS = np.array([0.8, 0.9, 0.95])


def draw(seed, n=N, n_targets=T, noise="normal"):
    """``(X, Y, B)``: rows of X normal, signal and noise of equal size."""
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((P, n_targets)) / np.sqrt(P)
    X = rng.standard_normal((n, P)) * np.sqrt(VARIANCES)
    shape = n, n_targets
    E = rng.standard_normal(shape) if noise == "normal" else rng.standard_t(3, shape)
    return X, X @ B + E + MEAN, B


# -- the curve ------------------------------------------------------------------------------------------


def curves(seed, sketch):
    """GCV and the true risk for all sizes and alphas, each of shape (sizes, alphas)."""
    X, Y, B = draw(seed)
    options = {"axis": "features", "sketch": sketch, "n_sketches": 2, "random_state": seed}
    search = SketchedRidgeCV(ALPHAS, sketch_sizes=SIZES, **options).fit(X, Y)
    risks = [
        1 + np.mean(VARIANCES @ (model.coef_.T - B) ** 2 + (model.intercept_ - MEAN) ** 2)
        for model in SketchedRidge(**options).fit_path(X, Y, search.cv_results_["params"])
    ]
    shape = len(SIZES), len(ALPHAS)
    return -search.cv_results_["mean_test_score"].reshape(shape), np.reshape(risks, shape)


def excess(score, true, axis):
    """How much larger the risk at the smallest score is than the smallest risk, along `axis`."""
    chosen = np.take_along_axis(true, np.expand_dims(score.argmin(axis), axis), axis)
    return np.max(chosen / true.min(axis, keepdims=True)) - 1


@pytest.mark.parametrize("sketch", ["count_sketch", "srtt"])
def test_gcv_tracks_the_risk(sketch, seed):
    """Scores that are off by a factor for some sizes, as where rows are interpolated, or a poor choice.

    The risk is the mean over all new rows, of which the law is known; it varies by a factor of 2 to 3 over
    the grid. The relative difference of GCV is mostly that of the noise in the rows, the same for all
    candidates: sqrt(2 / (N T)) = .016. Its root mean square over the grid is .020 +- .007 and at most .038
    for seeds 0-99, so that .1 is six times the noise.

    The pair of the smallest score is the best one for all these seeds. A pair that is worse than the best by
    5 %, or by 10 % than the best of its alpha or its size, has a score that is larger by 7 standard
    deviations of the difference or more.
    """
    score, true = curves(seed, sketch)
    assert np.sqrt(np.mean((score / true - 1) ** 2)) < 0.1
    assert excess(score.ravel(), true.ravel(), 0) < 0.05
    assert excess(score, true, 0) < 0.1
    assert excess(score, true, 1) < 0.1


# -- intervals ------------------------------------------------------------------------------------------


def coverages(seed, noise, options):
    """Coverages of intervals on 1,000 new rows, and of those from residuals of the fit, less LEVELS."""
    X, Y, _ = draw(seed, N + 1000, 50, noise)
    model = SketchedRidgeCV(ALPHAS, random_state=seed, **options).fit(X[:N], Y[:N])
    new, true = X[N:], Y[N:]
    fitted, errors = Y[:N] - model.predict(X[:N]), true - model.predict(new)
    found, naive = [], []
    for level in LEVELS:
        lower, upper = model.predict_interval(new, level)
        found.append(np.mean((lower <= true) & (true <= upper)))
        lower, upper = np.quantile(fitted, [(1 - level) / 2, (1 + level) / 2], axis=0)
        naive.append(np.mean((lower <= errors) & (errors <= upper)))
    return np.array(found) - LEVELS, np.array(naive) - LEVELS


@pytest.mark.parametrize("noise", ["normal", "heavy"])
@pytest.mark.parametrize(
    "options",
    [{}, {"axis": "features", "sketch_sizes": [100, 200, 320], "n_sketches": 2}],
    ids=["leave-one-out", "sketched"],
)
def test_intervals_cover(options, noise, seed):
    """Intervals from residuals of rows that the fit has seen, or wrong ends.

    400 rows and 50 targets give 20,000 residuals and 50,000 new errors: binomial standard deviations of .28
    and .18 points at 80 %, together .33. Measured: .32 points at 80 %, .25 at 90 %, .18 at 95 %, and means
    from 0 to .13, at most 1.2 points off for seeds 0-99. 2 points leave 5.8 standard deviations. It holds for
    Student's t with 3 degrees of freedom, which has no fourth moment, as for normal noise.

    With normal noise, residuals of the fit itself cover less by 7 to 16 points, with standard deviations of
    .3: 9 of these are left to 5 points. (With heavy tails the search may take the largest alpha, where the
    fit hardly sees its rows.)
    """
    found, naive = coverages(seed, noise, options)
    assert np.all(np.abs(found) < 0.02)
    assert noise == "heavy" or np.all(naive < -0.05)


# -- the limit of an ensemble ---------------------------------------------------------------------------


def limits(seed, sketch, sizes, n_pairs=3):
    """Scores of pairs and what they say of plain ridge regression, relative to GCV of that, less 1."""
    X, Y, _ = draw(seed)
    found = []
    for i in range(n_pairs):
        options = {"axis": "features", "sketch": sketch, "n_sketches": 2, "random_state": n_pairs * seed + i}
        pair = SketchedRidgeCV(ALPHAS, sketch_sizes=sizes, **options).fit(X, Y).cv_results_
        plain = SketchedRidgeCV(pair["unsketched_alpha"], cv="gcv").fit(X, Y).cv_results_["mean_test_score"]
        found.append([pair["mean_test_score"] / plain - 1, pair["unsketched_score"] / plain - 1])
    return np.mean(found, axis=0)


@pytest.mark.parametrize(
    "sketch, sizes",
    [
        ("srtt", [60, 120, 240]),
        ("gaussian", [60, 120, 240]),
        ("sparse_stack", [60, 120, 240]),
        ("count_sketch", [30, 60]),
    ],
)
def test_two_sketches_tell_the_limit(sketch, sizes, seed):
    """An extrapolation that is none, or an alpha that is not the one of plain ridge regression.

    Three pairs of sketches, averaged, on 400 rows of 500 features. Each score and alpha of the limit is
    compared with generalized cross-validation of plain ridge regression with that alpha on the same rows, so
    that only the sketches are random: mean within .005 of 0, standard deviation at most .014, the largest
    for 240 sketched features and alpha 1; at most .041 for seeds 0-99. .08 leaves 5.3 standard deviations.
    The scores of the pairs themselves are up to .5 away.

    Where it is not good:

    - A single pair has 1.7 times the deviation, and for small alphas more the nearer the size is to the
      number of rows, where the error of a single sketch has its peak: with 360 to 440 of them 3 to 5 % for
      alpha = 1, 2 % for 10, and no bias.
    - CountSketch with more than about an eighth of the features. Some of its rows are empty: of 240 about 90
      %, of 480 about two thirds are not, and the degrees of freedom stop there. With 500 features,
      "unsketched_score" at "unsketched_alpha" is off by -17 % for 120 rows and alpha 1, by -50 % for 240, by
      -17 % for 240 and alpha 10; it is right again where alpha is large (1 % for 100, 0 for 1000).
    """
    pair, limit = limits(seed, sketch, sizes)
    assert np.all(np.abs(limit) < 0.08)
    assert sizes[-1] < 240 or np.max(np.abs(pair)) > 0.3


# -- downsampling ---------------------------------------------------------------------------------------


def downsampled(seed, n_draws=5, n=210, p=200):
    """Mean risks of least squares on all rows and with the sketch size that a search finds."""
    rng = np.random.default_rng(seed)
    risks = []
    for _ in range(n_draws):
        beta = rng.standard_normal(p) / np.sqrt(p)
        X = rng.standard_normal((n, p))
        y = X @ beta + 0.3 * rng.standard_normal(n)
        full = SketchedRidge(0.0, fit_intercept=False).fit(X, y)
        options = {"sketch": "gaussian", "sketch_sizes": [60, 100, 140], "cv": 5, "random_state": seed}
        search = SketchedRidgeCV([0.0], fit_intercept=False, **options).fit(X, y)
        risks.append([np.sum((model.coef_ - beta) ** 2) for model in (full, search)])
    return np.mean(risks, axis=0)


def test_a_search_finds_a_smaller_sample(seed):
    """A search over folds whose best size is worse than the full sample.

    n = 210, p = 200, noise .3: the risk of all rows is p .09 / (n - p - 1) = 2 on average. The logarithm of
    the risk of the chosen size, over that of all rows, both averaged over 5 draws, is -1.29 +- .21, at most
    -.85 for seeds 0-99: 0 is 6.2 standard deviations away, on the side where the tail is short. Sizes are
    numbers of rows: folds have fewer rows than there are features, so that a fraction of a fold is another
    part of p than the same fraction of all rows.
    """
    full, found = downsampled(seed)
    assert found < full


# -- the largest error ----------------------------------------------------------------------------------


def largest_errors(seed, sketch, n_draws=20):
    """Mean over sketches of the largest error of a coefficient."""
    n, d, size = 2048, 64, 512
    rng = np.random.default_rng(seed)
    rows = rng.permutation(n)
    A = 0.1 * rng.standard_normal((n, d)) / np.sqrt(n)
    A[rows[:d], np.arange(d)] += 1
    residual = 0.2 * rng.standard_normal(n) / np.sqrt(n)
    residual[rows[d : d + 4]] = 0.5
    y = A @ np.ones(d) + residual
    exact = np.linalg.lstsq(A, y, rcond=None)[0]
    model = SketchedRidge(0.0, sketch=sketch, sketch_size=size, fit_intercept=False)
    states = [{"random_state": n_draws * seed + i} for i in range(n_draws)]
    return np.mean([np.abs(fitted.coef_ - exact).max() for fitted in model.fit_path(A, y, states)])


def test_dense_sketches_spread_spikes(seed):
    """Sketches that put spikes of the residual on single coefficients.

    64 rows of leverage near 1, one for each coefficient, and four rows that hold nearly all of the residual,
    which has length 1. CountSketch adds some of these rows to one another. The largest error of a
    coefficient, the mean over 20 sketches: .59 +- .05 for it, .109 +- .004 for SRTT and .146 +- .007 for the
    8 blocks of SparseStack; the ratio is at least 4.2 and 2.9 for seeds 0-99. Twice the others is less by
    6.9 and 5.0 standard deviations. Without rows of high leverage all three are alike, spikes or not.
    """
    alone = largest_errors(seed, "count_sketch")
    assert largest_errors(seed, "srtt") < alone / 2
    assert largest_errors(seed, "sparse_stack") < alone / 2
