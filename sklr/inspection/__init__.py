"""Pictures of fits: spectrum, error against rank, leverage, and the results of a search."""

from ._fits import ErrorRankDisplay, LeverageDisplay, SpectrumDisplay
from ._searches import SketchSearchDisplay

__all__ = ["ErrorRankDisplay", "LeverageDisplay", "SketchSearchDisplay", "SpectrumDisplay"]
