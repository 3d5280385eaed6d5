"""What would the other perturbations do?"""

from ..core.door import attach
from ..core.extras import needing

_attribute, __dir__, __all__ = attach(__name__, __file__)


def __getattr__(name):
    with needing(f"graphsel.models.{name}"):
        return _attribute(name)
