"""One-shot choice of gene perturbations from a knowledge graph. Rooms load when they are first used: `gs.graph`, `gs.select`, `gs.pl`."""
from importlib import import_module

__version__ = "0.1.0"

# In import order: a room leans only on the rooms before it (held by tests/test_project.py).
_rooms = ("core", "outputs", "names", "lists", "labels", "cells", "tables", "data", "quality", "graph", "annotations", "sources", "simulate", "downloads", "datasets", "compiled", "kernels", "coverage", "designs", "criteria", "selection", "bounds", "optimize", "explain", "budget", "distributed", "select", "robust", "likelihood", "response", "baselines", "networks", "models", "moments", "gearsnet", "gears",
          "querying", "uncertainty", "diversity", "active", "metrics", "protocol", "bench", "grid", "statistics", "compare", "plot", "planner", "planview", "resultview", "explore", "cli")
_short = {"pl": "plot"}


def __getattr__(name):
    room = _short.get(name, name)
    if room not in _rooms: raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{room}")


def __dir__(): return sorted({*globals(), *_rooms, *_short})
