from . import page, plan, planner, results, widgets
from .page import Lab, plan_page
from .plan import explore
from .results import show_results
