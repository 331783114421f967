"""Features that stand for all others."""

from ._cur_selector import CURSelector
from ._empirical_interpolation import EmpiricalInterpolation

__all__ = ["CURSelector", "EmpiricalInterpolation"]
