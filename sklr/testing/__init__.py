"""Checks for people who add a family of sketches; nothing in sklr imports them."""

from ._sketch import check_sketch_operator

__all__ = ["check_sketch_operator"]
