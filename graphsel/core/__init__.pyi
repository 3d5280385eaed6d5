from . import (
    compiling,
    docs,
    errors,
    extras,
    files,
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
from .files import atomic_path
from .identity import fingerprint
from .outputs import check_outputs, write_table
from .randomness import as_rng
from .registry import Registry
