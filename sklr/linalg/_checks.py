"""Checks of parameters that several algorithms share."""

from numbers import Integral


def check_count(name, value, low):
    """Return `value` as an int; raise, naming the parameter, if it is not an int of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {value!r}.")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}.")
    return int(value)
