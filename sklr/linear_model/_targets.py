"""What y means: numbers, or labels that are turned into numbers."""

from numbers import Real

import numpy as np
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_array, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from sklr._validation import validate_weight


class Regressor(MultiOutputMixin, RegressorMixin):
    """One or more targets that are numbers."""

    def _targets(self, y, n_rows, sample_weight):
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if y.ndim > 2:
            raise ValueError(f"y must have one or two dimensions, got shape {y.shape}.")
        return y, validate_weight(sample_weight, n_rows, "sample_weight")

    def predict(self, X):
        """Predict the targets of rows. One pass, ``2 nnz n_targets`` flops.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Rows with the features that were fitted.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            ``X @ coef_.T + intercept_``.
        """
        return self._answered(self._predicted(X))

    def _answered(self, predicted):
        """What is predicted, of the shape of the targets."""
        return predicted[:, 0] if self.coef_.ndim == 1 else predicted


class Classifier(ClassifierMixin):
    """Labels; a target of 1 and -1 for each class, or a single one for two classes.

    Or an indicator matrix of several labels for each row, each of them a target.
    """

    def _targets(self, y, n_rows, sample_weight):
        self.is_multilabel_ = type_of_target(y, input_name="y") == "multilabel-indicator"
        y = y if self.is_multilabel_ else column_or_1d(y, warn=True)
        check_classification_targets(y)
        labels = LabelBinarizer(pos_label=1, neg_label=-1)
        Y = labels.fit_transform(y).astype(np.float64)
        if len(labels.classes_) < 2:
            raise ValueError(
                f"y has one class only, {labels.classes_[:1].tolist()[0]!r}: there is nothing to tell apart. "
                "Pass samples of at least 2 classes."
            )
        sample_weight = validate_weight(sample_weight, n_rows, "sample_weight")
        if self.class_weight is not None and len(Y) == n_rows:
            of_classes = self._class_weights(labels.classes_, y, sample_weight)
            sample_weight = of_classes if sample_weight is None else of_classes * sample_weight
            validate_weight(sample_weight, n_rows, "sample_weight times class_weight")
        self.classes_ = labels.classes_
        return Y, sample_weight

    def _class_weights(self, classes, y, sample_weight):
        """The weight of the class of every sample."""
        if self.is_multilabel_:
            return compute_sample_weight(self.class_weight, y)
        if self.class_weight != "balanced":
            for label, weight in self.class_weight.items():
                if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= weight < np.inf:
                    raise ValueError(
                        f"class_weight must hold finite numbers of at least 0, got {weight!r} for {label!r}."
                    )
            return compute_sample_weight(self.class_weight, y)
        # By the weights of the samples, as if these were repetitions; scikit-learn counts samples.
        codes = np.searchsorted(classes, y)
        totals = np.bincount(codes, weights=sample_weight)
        weights = np.divide(totals.sum(), len(classes) * totals, out=np.zeros(len(classes)), where=totals > 0)
        return weights[codes]

    def decision_function(self, X):
        """Return the predicted targets of rows. One pass, ``2 nnz n_targets`` flops.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Rows with the features that were fitted.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            One column for two classes: positive for the second one. Of several labels for each row, one
            column for each.
        """
        return _without_single(self._predicted(X))

    def predict(self, X):
        """Predict the labels of rows; see `decision_function`.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Rows with the features that were fitted.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of `classes_`. Of several labels for each row, an indicator matrix of shape
            (n_samples, n_classes).
        """
        return self._answered(self._predicted(X))

    def _answered(self, predicted):
        """The labels of what is predicted."""
        decision = _without_single(predicted)
        if self.is_multilabel_:
            return (decision > 0).astype(int)
        chosen = (decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)
        return self.classes_[chosen]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _without_single(predicted):
    """A vector in place of a single column."""
    return predicted[:, 0] if predicted.shape[1] == 1 else predicted
