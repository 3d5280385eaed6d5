"""The public interface as a typed program uses it. Never run: mypy reads it (`make lint`)."""

from pathlib import Path

import numpy as np

from graphsel.active.loop import rounds
from graphsel.benchmark.compare import compare
from graphsel.benchmark.statistics import summarize
from graphsel.criteria.registry import make_criterion
from graphsel.datasets.load import load_graph, load_screen
from graphsel.datasets.simulate import simulated_screen
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import AlignReport, GeneGraph, Graphs, align, combine
from graphsel.graphs.readers.read import read_graph
from graphsel.models.base import ResponseModel
from graphsel.models.registry import load_model, make_model
from graphsel.screens.read import read_screen
from graphsel.selection.budget import budget_curve, plates
from graphsel.selection.explain import why
from graphsel.selection.greedy import greedy
from graphsel.selection.plan import Selection
from graphsel.selection.select import select


def plan_a_screen(folder: Path) -> list[str]:
    graph: Graphs = combine(
        [read_graph(folder / "string.tsv.gz"), from_edges(["A"], ["B"], name="mine")]
    )
    aligned, report = align(graph, ["A", "B"], missing="report")
    lacking: AlignReport = report
    plan: Selection = select(
        aligned,
        20,
        "variance",
        candidates=["A", "B"],
        measured=("A",),
        costs={"B": 2.0},
        random_state=np.random.default_rng(0),
    )
    share: float | None = plan.certificate
    text: str = why(plan, "B")
    table = budget_curve(plan, [1, 2]).merge(plates(plan, 1).to_frame())
    plan.to_csv(folder / "picks.csv")
    return [str(share), text, str(lacking), str(table.shape), *plan.genes]


def by_hand(graph: GeneGraph) -> Selection:
    return greedy(make_criterion("graphreach", graph, hops=1), 10)


def learn(folder: Path) -> ResponseModel:
    sim = simulated_screen(random_state=0)
    screen = read_screen(folder / "screen.h5ad")
    model: ResponseModel = make_model("gp").fit(
        screen, sim.graph, perturbations=["A"], random_state=0
    )
    model.predict(["B"])
    return load_model(folder / "model.pkl")


def contest() -> object:
    screen, graph = load_screen("norman"), load_graph("string-human")
    return rounds, summarize(
        compare(screen, graph, ["random", "variance"], [10, 20], models=("gp",), seeds=2), ["mse"]
    )
