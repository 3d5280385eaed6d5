# The front door, told once: `graphsel/__init__.py` reads this table, editors and type checkers as well.
__version__: str
from . import (
    active,
    apps,
    benchmark,
    cli,
    core,
    criteria,
    datasets,
    genes,
    graphs,
    models,
    plotting,
    screens,
    selection,
)
from .apps.plan import explore
from .benchmark.compare import compare
from .benchmark.statistics import summarize
from .core.errors import GraphselError
from .criteria.registry import check_criterion
from .datasets.load import load_graph, load_screen
from .datasets.simulate import simulated_screen
from .graphs.graph import combine
from .graphs.readers.read import read_graph
from .models.registry import make_model
from .screens.from_cells import screen_from_cells
from .screens.read import read_screen
from .selection.budget import budget_curve, plates
from .selection.explain import why
from .selection.plan import Selection
from .selection.robust import robust_select
from .selection.select import select
