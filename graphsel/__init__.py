"""One-shot choice of gene perturbations from a knowledge graph.

`import graphsel as gs` loads nothing but this page: what it offers is loaded when it is first used.
"""

from .core.door import attach

__version__ = "0.1.0"

_attached, _, __all__ = attach(__name__, __file__)
__all__ = sorted({*__all__, "pl", "__version__"})


def __getattr__(name):
    return _attached("plotting" if name == "pl" else name)


def __dir__():
    return list(__all__)
