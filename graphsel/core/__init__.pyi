from . import (
    compiling,
    docs,
    door,
    errors,
    extras,
    files,
    guard,
    identity,
    outputs,
    progress,
    randomness,
    registry,
    sheets,
    sniff,
    splits,
)
from .errors import GraphselError
from .identity import fingerprint
from .randomness import as_rng
