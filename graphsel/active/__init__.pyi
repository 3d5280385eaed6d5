from . import diversity, loop, queries, uncertainty
from .loop import Round, learner, parse_strategy, rounds
from .queries import Rule, View, query
