from . import (
    additive,
    archetypes,
    base,
    channels,
    gears,
    gnn,
    gnn_networks,
    gp,
    intervals,
    likelihood,
    neighbors,
    predictions,
    registry,
    ridge,
    stacking,
    transfer,
    validation,
)
from .additive import Additive
from .base import MODELS, MeanModel, NoChange, ResponseModel, register_model
from .gears.model import GEARS
from .gnn import GNN
from .gp import GaussianProcess
from .neighbors import Neighbors
from .registry import load_model, make_model, rank_unmeasured
from .ridge import Ridge
from .transfer import Transfer
from .validation import validate
