from . import diversity, loop, queries, uncertainty
from .loop import Round, learner, rounds
from .queries import Rule, View, query
