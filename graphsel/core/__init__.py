"""Errors, randomness, files, progress: what every other wing stands on."""

from .door import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
