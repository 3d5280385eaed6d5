"""Libraries that take long to load, loaded when they are first used (`heavy.torch`), not when a test is collected.

What asks every module for its `__file__`, as hypothesis does, would load the lazy modules of the standard library."""

import importlib

NAMES = ("matplotlib", "nbconvert", "nbformat", "networkx", "sklearn", "torch", "torch_geometric")


def __getattr__(name):
    if name in NAMES:
        return importlib.import_module(name)
    raise AttributeError(name)
