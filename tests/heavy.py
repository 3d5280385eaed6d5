"""Libraries that take long to load, loaded when a test first uses them (`heavy.torch`), not when it is collected."""

import importlib

NAMES = ("matplotlib", "nbformat", "networkx", "sklearn", "torch", "torch_geometric")


def __getattr__(name):
    if name in NAMES:
        return importlib.import_module(name)
    raise AttributeError(name)
