"""The command line, a thin face."""

from ..core.door import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
