"""Searches over rank, sketch size and other parameters for little more than the price of one fit."""

from ._choice import pareto_front, simplest_within
from ._growing import GrowingSearchCV
from ._search import SketchSearchCV

__all__ = ["GrowingSearchCV", "SketchSearchCV", "pareto_front", "simplest_within"]
