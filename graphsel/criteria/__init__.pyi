from . import base, beliefs, coverage, design, loops, mixture, registry, similarity
from .base import CRITERIA, Criterion, register
from .coverage import GraphReach, SoftReach
from .design import MaxSpec, SupervisionVariance, TopEigenvalue, noise_from_cells
from .mixture import Mixture
from .registry import check_criterion, make_criterion
from .similarity import FacilityLocation, GraphCut
