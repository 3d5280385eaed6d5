"""What would the other perturbations do?"""

import lazy_loader

from ..core.extras import needing

_attribute, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name):
    with needing(f"graphsel.models.{name}"):
        return _attribute(name)
