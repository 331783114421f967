"""Checks of parameters that several algorithms share."""

from math import inf
from numbers import Integral, Real


def check_count(name, value, low):
    """Return `value` as an int; raise, naming the parameter, if it is not an int of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {value!r}.")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}.")
    return int(value)


def check_relative(name, value):
    """Return `value` as a float; raise, naming the parameter, if it is not a float in (0, 1)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a float in (0, 1), got {value!r}.")
    if not 0 < value < 1:
        raise ValueError(f"{name} must be in (0, 1): it is a relative error. Got {value}.")
    return float(value)


def check_rank(k, shape):
    """Return `k` as an int; raise if it is not between 1 and the smaller side of `shape`."""
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise TypeError(f"k must be an int, got {k!r}.")
    if not 1 <= k <= min(shape):
        raise ValueError(f"k must be between 1 and {min(shape)} for a matrix of shape {shape}, got {k}.")
    return int(k)


def check_between(name, value, *, low, high=inf):
    """Return `value` as a float; raise unless it is a number above `low` and below `high`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not low < value < high:
        raise ValueError(f"{name} must be above {low} and below {high}, got {value}.")
    return float(value)
