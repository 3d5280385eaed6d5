from . import download, load, registry, simulate
from .load import fetch, load_graph, load_names, load_screen
from .registry import data_folders, list_datasets
from .simulate import SimulatedScreen, simulated_screen
