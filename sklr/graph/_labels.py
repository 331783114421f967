"""Labels of nodes: made from edges, and looked up."""

import numpy as np

# Kinds of arrays whose order NumPy knows; everything else is hashed.
_ORDERED = "iuU"
# bool before int, of which it is a kind.
_TYPES = (
    (str, str),
    ((bool, np.bool_), bool),
    ((int, np.integer), np.int64),
    ((float, np.floating), np.float64),
)


def label_array(values, name):
    """`values` as an array of labels with one axis: integers, text, or Python objects.

    Whole floats become integers.

    Raises
    ------
    ValueError
        One is missing (None or NaN), or an array has another number of axes.
    """
    if not hasattr(values, "__array__"):
        values = _from_sequence(list(values))
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"{name} must have one axis, got shape {values.shape}.")
    if values.dtype.kind == "O":
        values = _from_sequence(values.tolist())
    if values.dtype.kind == "f":
        missing = np.isnan(values)
    elif values.dtype.kind == "O":
        missing = np.fromiter(map(_is_missing, values), bool, len(values))
    else:
        missing = np.zeros(1, dtype=bool)
    if missing.any():
        raise ValueError(f"{name} has no label at position {int(np.argmax(missing))}: it is None or NaN.")
    if values.dtype.kind == "f" and (np.abs(values) < 2.0**53).all() and (values == np.rint(values)).all():
        values = values.astype(np.int64)
    return values


def _from_sequence(values):
    """An array with one axis, of one type where all values are of one, else of objects.

    NumPy alone would turn 1 into "1" beside text, and tuples into an axis.
    """
    kinds = {type(value) for value in values}
    for common, dtype in _TYPES:
        if kinds and all(issubclass(kind, common) for kind in kinds):
            try:
                return np.array(values, dtype=dtype)
            except OverflowError:  # an int beyond int64
                break
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def _is_missing(value):
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def sorted_labels(values, name):
    """``(labels, codes)`` with ``labels[codes]`` equal to `values`, each label once, in ascending order."""
    if values.dtype.kind != "O":
        return np.unique(values, return_inverse=True)
    try:
        labels = label_array(sorted(set(values)), name)
    except TypeError as error:
        raise TypeError(
            f"{name} has labels that cannot be sorted: {error}. Make them all text or all integers, or pass "
            "`nodes`, which says their order."
        ) from error
    return labels, find_labels(values, labels, name)


def check_unique(labels, name):
    """Raise, naming it, if a label is there twice."""
    if labels.dtype.kind == "O":
        seen = set()
        repeated = [label for label in labels if label in seen or seen.add(label)]
    else:
        found, counts = np.unique(labels, return_counts=True)
        repeated = found[counts > 1].tolist()
    if repeated:
        raise ValueError(f"{name} must name every node once, but {repeated[0]!r} is there twice.")


def find_labels(values, labels, name):
    """The position in `labels` of each of `values`.

    A binary search for each, O(log n_labels); where integers meet floats, or among Python objects, a hash
    table of all labels is made for the call.

    Raises
    ------
    ValueError
        One is not in `labels`.
    """
    if values.dtype.kind == labels.dtype.kind and values.dtype.kind in _ORDERED:
        is_sorted = bool((labels[1:] > labels[:-1]).all())
        order = None if is_sorted else np.argsort(labels, kind="stable")
        found = np.minimum(np.searchsorted(labels, values, sorter=order), len(labels) - 1)
        found = found if is_sorted else order[found]
        unknown = labels[found] != values
    else:
        position = {label: at for at, label in enumerate(labels.tolist())}
        found = np.fromiter((position.get(value, -1) for value in values.tolist()), np.intp, len(values))
        unknown = found < 0
    if unknown.any():
        at = int(np.argmax(unknown))
        shown = ", ".join(repr(label) for label in labels[:3].tolist())
        more = ", ..." if len(labels) > 3 else ""
        raise ValueError(
            f"{name} has the unknown node {values[at : at + 1].tolist()[0]!r} at position {at} "
            f"({int(unknown.sum())} of {len(values)} are unknown). The {len(labels)} known nodes are "
            f"{shown}{more}"
        )
    return found
