"""One-shot choice of gene perturbations from a knowledge graph.

`import graphsel as gs` loads nothing but this page: what it offers is loaded when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"

_attached, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted({*__all__, "pl", "__version__"})


def __getattr__(name):
    found = _attached("plotting" if name == "pl" else name)
    if callable(found):
        from .core.docs import documented

        found = documented(found)
    globals()[name] = found  # asked once
    return found


def __dir__():
    return list(__all__)
