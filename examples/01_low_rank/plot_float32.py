"""
float32 is enough, mostly
=========================

float32 takes half of the memory, and products take half of the time. It has seven digits in place of sixteen.
What is lost?

The claim: for a truncated SVD nothing, as long as the relative error of the approximation is above about
1e-7; below, the error stays where it is however many components are taken, and ``error_estimate_`` says so.
For principal components the mean counts too: the data themselves lose digits where it is large beside the
spread, but sklr loses no more than that. The textbook formula, the mean of squares minus the squared mean,
does.

Source of the centring: T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm
for Computing Sample Variances", 1982, doi:10.1007/978-3-642-51461-6_3.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklr.decomposition import RandomizedLowRank

# %%
# How small an error can be
# -------------------------
# Singular values fall by a factor of ten every eight. The true error is computed in float64.

rng = np.random.default_rng(0)
m, n = 500, 120
U, V = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in (m, n))
s = 10 ** (-np.arange(n) / 8)
A = (U * s) @ V.T
ranks = np.arange(4, 73, 4)
true, estimated = {}, {}
for dtype in ("float64", "float32"):
    true[dtype], estimated[dtype] = [], []
    for k in ranks:
        model = RandomizedLowRank(int(k), random_state=0).fit(A.astype(dtype))
        V_k = model.components_.astype(np.float64)
        true[dtype].append(np.linalg.norm(A - (A @ V_k.T) @ V_k) / np.linalg.norm(A))
        estimated[dtype].append(model.error_estimate_)
best = np.sqrt([np.sum(s[k:] ** 2) / np.sum(s**2) for k in ranks])
for k in (8, 24, 40, 56, 72):
    i = int(np.flatnonzero(ranks == k)[0])
    print(
        f"{k} components: best error {best[i]:.1e}, float64 {true['float64'][i]:.1e}, "
        f"float32 {true['float32'][i]:.1e} (estimate {estimated['float32'][i]:.1e})"
    )

# %%
# How large a mean can be
# -----------------------
# Columns have a standard deviation of about 1, and a mean of c. The variances of five components are compared
# with those of the data without a mean, in float64.

X = rng.standard_normal((2000, 5)) @ rng.standard_normal((5, 40)) / 2 + 0.3 * rng.standard_normal((2000, 40))
reference = RandomizedLowRank(5, center=True).fit(X).explained_variance_
means = 10.0 ** np.arange(0, 7)


def textbook(data):
    """Variances from the mean of squares minus the squared mean."""
    mean = data.mean(axis=0)
    covariance = data.T @ data / len(data) - np.outer(mean, mean)
    return np.linalg.eigvalsh(covariance)[::-1][:5] * len(data) / (len(data) - 1)


off = {}
for dtype in ("float64", "float32"):
    for name, variances in (
        ("sklr", lambda data: RandomizedLowRank(5, center=True).fit(data).explained_variance_),
        ("textbook", textbook),
    ):
        off[name, dtype] = [np.max(np.abs(variances((X + c).astype(dtype)) / reference - 1)) for c in means]
print("largest relative error of five variances")
print("mean             " + "".join(f"{c:8.0e}" for c in means))
for (name, dtype), values in off.items():
    print(f"{name + ', ' + dtype:<17}" + "".join(f"{value:8.0e}" for value in values))

# %%
# Two limits
# ----------

styles = {"float64": ("#0072B2", "o"), "float32": ("#D55E00", "s")}
plt.rcParams.update({"font.size": 11})
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
left.plot(ranks, best, color="black", lw=1, label="best possible")
for dtype, (colour, marker) in styles.items():
    left.plot(ranks, true[dtype], marker, color=colour, ms=7, label=dtype)
left.plot(ranks, estimated["float32"], ":", color="#D55E00", lw=2, label="float32, as estimated")
left.set(yscale="log", xlabel="components", ylabel="relative error", title="The error of a truncated SVD")
left.legend(loc="lower left")
for (name, dtype), values in off.items():
    colour, marker = styles[dtype]
    line = "-" if name == "sklr" else "--"
    right.plot(
        means, np.maximum(values, 1e-16), line, marker=marker, color=colour, lw=1.5, label=f"{name}, {dtype}"
    )
right.set(
    xscale="log",
    yscale="log",
    ylim=(1e-16, 1e6),
    xlabel="mean, in standard deviations",
    ylabel="largest relative error",
    title="The variances of five principal components",
)
right.legend(loc="upper left")
plt.show()

# %%
# With float32 the error is the best possible one down to 1e-7, and then stays at 3e-8; the estimate stays at
# 1.2e-7, its own floor. Most data have less than that of noise.
#
# With a mean of 10,000 standard deviations the variances from float32 are right to 1e-5, where the textbook
# formula is off by a factor of 200; it is as bad as that in float64 a few powers of ten later. What is left
# is the rounding of the data: their last digit is 1e-3 there. With a mean of a million it is 6e-2, and the
# variances are right to 6e-4, since rounding errors average out. The claim ends where the spread is below the
# last digit: such data say nothing of it. Subtract a rough mean in float64 before the conversion.
