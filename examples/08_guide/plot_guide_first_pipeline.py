"""
The quickstart in two pictures
==============================

The pipeline of :doc:`/start/quickstart` on the diabetes data of scikit-learn: how many components a tolerance
takes, and how many the prediction needs.

The claim: these are two questions with two answers. Eight of ten components are needed for a relative error
of .1 of the data; the prediction is as good, within one standard error, with six.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklr.decomposition import RandomizedLowRank
from sklr.inspection import ErrorRankDisplay, SketchSearchDisplay
from sklr.linear_model import SketchedRidge
from sklr.model_selection import SketchSearchCV, simplest_within

# %%
# The table
# ---------
# 442 patients and ten measurements, of which the second one, sex, has two values that are names.

X, y = load_diabetes(return_X_y=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=100, random_state=0)
prepare = make_column_transformer(
    (StandardScaler(), np.setdiff1d(np.arange(10), [1])),
    (OneHotEncoder(drop="if_binary"), [1]),
)

# %%
# The rank by a tolerance
# -----------------------

low_rank = RandomizedLowRank(n_components=None, tol=0.1, center=True, random_state=0)
low_rank.fit(prepare.fit_transform(X_train))
print(f"{low_rank.n_components_} components leave {low_rank.error_estimate_:.3f} of the norm")

# %%
# The rank by a search
# --------------------

steps = [
    ("prepare", prepare),
    ("reduce", RandomizedLowRank(center=True, random_state=0)),
    ("predict", SketchedRidge()),
]
grid = {"reduce__n_components": [1, 2, 3, 4, 6, 8, 10], "predict__alpha": [1.0, 10.0, 100.0]}
rule = simplest_within("one_se", cost="reduce__n_components")
search = SketchSearchCV(Pipeline(steps), grid, cv=5, refit=rule).fit(X_train, y_train)
print(f"simplest within one standard error: {search.best_params_}")
print(f"R2 of new patients: {search.score(X_test, y_test):.2f}")

# %%
# Pictures
# --------

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
ErrorRankDisplay.from_estimator(low_rank, ax=left)
left.set_title("What the data need")
SketchSearchDisplay.from_estimator(search, ax=right, cost=None)
right.set_title("What the prediction needs")
plt.show()

# %%
# With other data the two may differ in the other direction: a target that depends on a direction of little
# variance needs more components than any tolerance takes.
