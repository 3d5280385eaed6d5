"""Which way of choosing would have served best?"""

from ..core.door import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
