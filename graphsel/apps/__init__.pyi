from . import page, plan, planner, results, widgets
from .page import Lab, html_table, plan_page, plan_table
from .plan import PlanExplorer, explore
from .results import ResultExplorer, show_results
