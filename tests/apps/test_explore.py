"""The explorers without a browser: what is thought (planner), drawn (planview, resultview) and wired (explore)."""

import base64
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from html import escape

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import random_graph, random_graphs
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.apps import plan as plan_room
from graphsel.apps.page import Lab, html_table, plan_page
from graphsel.apps.plan import PlanExplorer, explore, graph_choices, quietly
from graphsel.apps.planner import PlanState, Wishes, compare_plans, first_picks, values_of, why_gene
from graphsel.apps.results import ResultExplorer
from graphsel.apps.widgets import uploaded
from graphsel.benchmark.reliability import advantage, stability_table
from graphsel.benchmark.store import read_comparison, write_results
from graphsel.cli.main import main
from graphsel.core.errors import GraphselError
from graphsel.criteria.base import CRITERIA
from graphsel.criteria.coverage import GraphReach
from graphsel.criteria.registry import make_criterion
from graphsel.genes.lists import parse_costs, parse_genes
from graphsel.graphs.build import from_edges
from graphsel.graphs.readers.read import read_graph
from graphsel.models.validation import validate
from graphsel.plotting.plans import (
    PlanMap,
    budget_figure,
    draw_map,
    newly_reached,
    pack_discs,
    picture_of,
    plan_map,
)
from graphsel.plotting.results import run_facts, saved_table
from graphsel.screens.screen import make_screen
from graphsel.selection.budget import bounds_of_prefixes, budget_curve, budget_for, curve_budgets
from graphsel.selection.greedy import greedy
from graphsel.selection.plan import Selection
from graphsel.selection.report import in_words, missing_genes, picks_csv, tidy
from graphsel.selection.select import select
from graphsel.selection.strategies import STRATEGIES

SEEDS = st.integers(0, 2**32 - 1)
NESTED = [n for n, s in STRATEGIES.items() if s.kind in ("criterion", "baseline") and s.nested]
ALL = [n for n, s in STRATEGIES.items() if s.kind in ("criterion", "baseline")]
G = random_graph(np.random.default_rng(7), 40, directed=False, weighted=True)


@pytest.fixture(scope="module")
def edges(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "edges.tsv"
    a = G.adjacency.tocoo()
    pd.DataFrame({"a": G.genes[a.col], "b": G.genes[a.row], "weight": a.data}).query(
        "a < b"
    ).to_csv(path, sep="\t", index=False)
    return path


def cli(tmp_path, *args):
    done = CliRunner().invoke(
        main, ["select", *map(str, args), "--out", str(tmp_path / "picks.csv")]
    )
    assert done.exit_code == 0, done.stderr
    return (tmp_path / "picks.csv").read_text()


def explorer(edges, **options):
    x = PlanExplorer(**options)
    x.inputs.graph_path.value = str(edges)
    x.inputs.graphs.value = ()
    return x


# ---- the file is that of the command line ----


@pytest.mark.parametrize("name", ALL)
def test_csv_is_that_of_the_command_line(edges, tmp_path, name):
    state, w = PlanState(), Wishes(read_graph(edges), name)
    for budget in (9, 13):
        assert picks_csv(state.ask(w, budget)) == cli(
            tmp_path, "--graph", edges, "--budget", budget, "--criterion", name
        )


LISTS = {
    "must": "g07\ng11",
    "exclude": "g01",
    "measured": "g02\ng03",
    "candidates": "\n".join([*G.genes[:30], "NOBODY"]),
    "costs": "gene,cost\ng05,2.5\ng06,0.5\n",
}


@pytest.fixture
def lists(tmp_path):
    "Files of the lists, as options of the command line; those without costs, and the costs."
    files = {what: tmp_path / f"{what}.{'csv' if what == 'costs' else 'txt'}" for what in LISTS}
    for what, path in files.items():
        path.write_text(LISTS[what])
    options = {what: [f"--{what}", path] for what, path in files.items()}
    return [
        o for what in ("must", "exclude", "measured", "candidates") for o in options[what]
    ], options["costs"]


@pytest.mark.parametrize("name", list(CRITERIA))
def test_csv_under_limits(edges, tmp_path, lists, name):
    files, costs = lists
    take = lambda what: tuple(parse_genes(LISTS[what]))
    w = Wishes(
        read_graph(edges),
        name,
        candidates=take("candidates"),
        must=take("must"),
        exclude=take("exclude"),
        measured=take("measured"),
    )
    for more, wishes in (
        (files, w),
        ([*files, "--hops", 3], replace(w, hops=3)),
        ([*files, *costs], replace(w, costs=parse_costs(LISTS["costs"]))),
    ):
        assert picks_csv(PlanState().ask(wishes, 8)) == cli(
            tmp_path, "--graph", edges, "--budget", 8, "--criterion", name, *more
        )


def test_csv_of_the_page(edges, tmp_path, lists):
    files, costs = lists
    x = explorer(edges, budget=8)
    for box, what in (
        ("must", "must"),
        ("exclude", "exclude"),
        ("measured", "measured"),
        ("genes", "candidates"),
        ("costs", "costs"),
    ):
        getattr(x.inputs, box).value = LISTS[what]
    link = re.search(
        "download='picks.csv' href='data:text/csv;charset=utf-8;base64,(.*?)'",
        x.outputs.downloads.value,
    )[1]
    assert base64.b64decode(link).decode() == cli(
        tmp_path, "--graph", edges, "--budget", 8, *files, *costs
    )


@pytest.mark.parametrize("name", NESTED)
@given(seed=SEEDS)
@settings(max_examples=6)
def test_first_picks_are_the_smaller_plan(name, seed):
    rng = np.random.default_rng(seed)
    g = random_graphs(rng, 14)
    w = Wishes(g, name, measured=tuple(rng.choice(g.genes, 2, replace=False)))
    whole = w.plan(len(g) - 2)
    for b in (1, 3, 7):
        assert picks_csv(first_picks(whole, b)) == picks_csv(w.plan(b))


@pytest.mark.parametrize("name", ["graphreach", "softreach", "facility"])
@given(seed=SEEDS)
@settings(max_examples=10)
def test_no_plan_exceeds_the_bounds(name, seed):
    rng = np.random.default_rng(seed)
    g = random_graphs(rng, 10)
    measured = list(rng.choice(g.genes, rng.integers(0, 2), replace=False))
    plan = select(g, len(g) - len(measured), name, measured=measured)
    bounds = bounds_of_prefixes(plan, looks=curve_budgets(len(plan), int(rng.integers(1, 8))))
    assert (np.diff(bounds) >= -1e-6).all() and (bounds >= np.array(plan.values) - 1e-6).all()
    for b in (1, 2, 4):
        assert (
            bounds[b - 1]
            >= greedy(make_criterion(name, g), b, measured=measured, method="naive").value - 1e-6
        )
    from itertools import combinations

    c = make_criterion(name, g)
    best = max(
        c.value([*measured, *s]) for s in combinations(sorted(set(g.genes) - set(measured)), 2)
    )
    assert bounds[1] >= best - 1e-6


def test_bounds_only_where_one_is_valid():
    assert (
        bounds_of_prefixes(select(G, 5, "variance")) is None
        and bounds_of_prefixes(select(G, 5, "degree")) is None
    )
    assert bounds_of_prefixes(select(G, 5, "graphreach", costs={"g01": 2})) is None


@pytest.mark.parametrize("name", ["graphreach", "facility", "softreach", "maxspec"])
@given(seed=SEEDS, dual=st.booleans(), capped=st.booleans())
@settings(max_examples=8)
def test_a_curve_certifies_no_less_than_its_plan(name, seed, dual, capped):
    "And the same at a budget, whichever budgets were asked for."
    g = random_graphs(np.random.default_rng(seed), 14)
    limits = {"groups": {n: n[-1] for n in g.genes}, "caps": 2} if capped else {}
    plan = greedy(
        make_criterion(name, g),
        6,
        bound="dual" if dual and name in ("graphreach", "facility") else "gains",
        **limits,
    )
    whole, some = budget_curve(plan), budget_curve(plan, [2, 6]).set_index("budget")
    assert (whole["upper_bound"] <= plan.upper_bound + 1e-9).all() and (
        whole["certificate"] <= 1 + 1e-9
    ).all()
    assert whole["certificate"].iloc[-1] >= plan.certificate - 1e-9
    pd.testing.assert_frame_equal(whole.set_index("budget").loc[[2, 6]], some)


class Counted(GraphReach):
    "A criterion of one's own with attributes that mean nothing to anybody else."

    name, submodular, total, part_of = "counted", False, 0.5, "something"

    def share(self, value):
        return None


class Telling(Counted):
    "The same, which says what its value is a share of."

    name, part_of, tells_error = "telling", "the genes within reach", True

    def share(self, value):
        return value / len(self.targets)


def shown(plan, n):
    "Whatever is said of a plan's first picks: sentence, explorer, printed page, figure, columns of the curve."
    from matplotlib.figure import Figure

    ax, part = Figure().subplots(), first_picks(plan, n, bounds_of_prefixes(plan))
    budget_figure(plan, bounds_of_prefixes(plan), n, ax)
    return (
        (repr(part), in_words(part), plan_page(part)),
        (ax.get_ylabel(), ax.texts[0].get_text()),
        list(budget_curve(plan)),
    )


def test_a_share_is_what_the_criterion_says_it_is_a_share_of():
    "No attribute is guessed at: a `total` of one's own is nobody's total."
    told, figure, columns = shown(greedy(Counted(G), 6), 4)
    assert (
        not any(re.search(r"% of|%<", text) for text in (*told, *figure))
        and figure[0] == "value of the plan"
        and "expected_error" not in columns
    )
    plan = greedy(Telling(G), 6)
    told, figure, columns = shown(plan, 4)
    assert plan.share == plan.value / len(G) and plan.part_of == "the genes within reach"
    assert all(
        f"{plan.values[3] / len(G):.1%} of the genes within reach" in text for text in told
    ), told
    assert (
        figure[0] == "% of the genes within reach"
        and figure[1].startswith(f"{tidy(100 * plan.values[3] / len(G))}%")
        and "expected_error" in columns
    )
    variance = select(G, 6, "variance")
    told, figure, _ = shown(variance, 6)
    assert 0 < variance.share == variance.value / variance.criterion.ceiling() < 1
    assert all(
        f"{variance.share:.1%} of the targets&#x27; variance removed" in text.replace("'", "&#x27;")
        for text in told
    )


def test_a_share_outlives_the_criterion(tmp_path):
    plan = greedy(Telling(G), 6)
    back = Selection.load(plan.save(tmp_path / "plan.json"))
    assert (
        back.criterion is None
        and (back.share, back.part_of) == (plan.share, plan.part_of)
        and in_words(back) == in_words(plan)
    )
    assert first_picks(back, 3).share is None, "of a part nobody is left to tell it"


def test_budget_for_asks_what_the_criterion_can_tell():
    reach, variance = (
        budget_curve(select(G, 8, "graphreach")),
        budget_curve(select(G, 8, "variance")),
    )
    goal = float(variance["expected_error"].iloc[3])
    assert (
        budget_for(variance, expected_error=goal)
        == budget_for(variance, goal, error=True)
        == budget_for(variance, goal, True)
        == 4
    )
    assert budget_for(variance, expected_error=1e-9) is None and budget_for(
        reach, 0.5
    ) == budget_for(reach, share=0.5)
    for ask, says in [
        (lambda: budget_for(variance, 0.8), r"no bound.*budget_for\(curve, expected_error=0.8\)"),
        (
            lambda: budget_for(reach, expected_error=0.8),
            r"no expected error.*budget_for\(curve, share=0.8\)",
        ),
        (lambda: budget_for(reach, 0.8, error=True), "no expected error"),
        (lambda: budget_for(reach), "give either"),
        (lambda: budget_for(variance, 0.8, expected_error=0.8), "give either"),
        (lambda: budget_for(reach, 80), "share is 80"),
        (lambda: budget_for(reach, "80%"), "share is '80%'"),
        (lambda: budget_for(variance, expected_error=float("nan")), "expected_error is nan"),
        (lambda: budget_for(reach, True), "share is True"),
    ]:
        with pytest.raises(GraphselError, match=says):
            ask()


# ---- the state ----


def test_a_slip_loses_nothing():
    s, w = PlanState(), Wishes(G)
    plan = s.ask(w, 10)
    for wrong in (
        replace(w, must=("NOBODY",)),
        replace(w, criterion="grafreach"),
        replace(w, must=("g01",), exclude=("g01",)),
        replace(w, candidates=("NOBODY",)),
        replace(w, costs={"g01": -1.0}),
        replace(w, must=tuple(G.genes[:11])),
        replace(w, criterion="degree", must=("g01",)),
    ):
        with pytest.raises(GraphselError):
            s.ask(wrong, 10)
        assert s.plan is plan and s.wishes is w
    for budget in (0, 41, 2.5):
        with pytest.raises(GraphselError):
            s.ask(w, budget)


def test_plans_are_made_once_and_some_are_kept(monkeypatch):
    made, s = [], PlanState(keep=2)
    monkeypatch.setattr(
        "graphsel.apps.planner.select", lambda *a, **k: (made.append(a[1:3]), select(*a, **k))[1]
    )
    for b in (5, 10, 20, 3):
        s.ask(Wishes(G, "graphreach"), b)
    assert made == [(40, "graphreach")]
    for name in ("variance", "graphreach", "degree", "variance"):
        s.ask(Wishes(G, name), 5)
    assert (
        made == [(40, "graphreach"), (40, "variance"), (40, "degree"), (40, "variance")]
        and len(s.made) == 2
    )


def test_lists_as_people_paste_them():
    assert parse_genes(" MYC;TP53,\tKRAS\r\n\r\nMYC  # x, y\n") == ["MYC", "TP53", "KRAS"]
    assert parse_genes("") == [] and parse_costs("gene;cost\nA;1") == {"A": 1.0}
    for text in ("A", "A,x", "A,1\nA,2"):
        with pytest.raises(GraphselError, match="line"):
            parse_costs(text)


def test_boxes_read_what_files_hold(edges):
    x = PlanExplorer(G, budget=3)
    x.inputs.genes.value = "\ufeffGene;note\r\nG01;a, b\r\ng02;c\r\n# later\r\ng03+g04;\r\nG05;x"
    assert (
        x.state.wishes.candidates == ("g01", "g02", "g03+g04", "g05")
        and x.state.plan.n_candidates == 4
    )
    assert "Taken as the graph spells them: G01 = g01, G05 = g05." in x.outputs.status.value
    x.inputs.costs.value = "Gene;Cost\nG01;1,5"
    assert x.state.wishes.costs == {"g01": 1.5}
    x.inputs.must.value = "g01 good\ng02 bad"
    assert (
        "gs-says wrong" in x.outputs.status.value and "must has 2 columns" in x.outputs.status.value
    )
    x.inputs.must.value = ""
    assert PlanExplorer(G, ["g01", "g02"], budget=1).state.wishes.renamed == ""


def test_comparison_and_reasons():
    a, b = select(G, 12), select(G, 12, "variance")
    t = compare_plans(a, b)
    for n in (1, 5, 12):
        assert t["shared"][n - 1] == len(set(a.genes[:n]) & set(b.genes[:n]))
    assert np.allclose(t["other_value"], [a.criterion.value(b.genes[:n]) for n in range(1, 13)])
    assert np.isnan(values_of(select(G, 3, "degree"), ["g01"])).all()
    assert "is pick 1" in why_gene(
        a, G, a.genes[0].upper().replace("G", "g")
    ) and "not in the graph" in why_gene(select(G, 3, candidates=[*G.genes, "X"]), G, "X")
    table = missing_genes(select(G, 3, candidates=[*G.genes[:9], "G09", "X"]), G)
    assert table.set_index("gene")["known_as"].to_dict() == {"X": ""}


# ---- what is drawn ----


@given(seed=SEEDS)
@settings(max_examples=20)
def test_discs_do_not_overlap(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    r = rng.random(n) * 5 + 0.1
    xy = pack_discs(r, [-1, *(int(rng.integers(-1, i)) for i in range(1, n))])
    apart = np.sqrt(((xy[:, None] - xy) ** 2).sum(-1)) - r[:, None] - r
    assert n == 1 or apart[~np.eye(n, dtype=bool)].min() > -1e-6
    assert np.array_equal(pack_discs(r[: n // 2 + 1], [-1] * (n // 2 + 1))[:1], xy[:1])


@pytest.mark.parametrize("hops", [1, 2])
def test_newly_reached_against_counting(hops):
    plan, seen = select(G, 12, "graphreach", hops=hops, covers="targets"), set()
    support = {
        g: set(np.flatnonzero(G.operator(hops)[G.index([g])[0]].toarray().ravel()).tolist())
        for g in plan.genes
    }
    for gene, new in zip(plan.genes, newly_reached(G, plan.genes, hops=hops)):
        assert set(new.tolist()) == support[gene] - seen
        seen |= support[gene]
    assert [len(o) for o in newly_reached(G, plan.genes, hops=hops)] == plan.gains


def test_maps_of_all_kinds():
    for plan in (
        select(G, 10, "degree"),
        select(G, 10, measured=["g01", "g02"]),
        select(G, 6, "variance", candidates=["g01+g02", *G.genes[3:12]]),
        select(from_edges(["a"], ["b"]), 2),
    ):
        picture = plan_map(plan, from_edges(["a"], ["b"]) if "a" in plan.genes else G)
        assert (
            isinstance(picture, PlanMap)
            and len(picture.names) == len(plan) + len(plan.measured)
            and len(picture.points) <= picture.n_targets
        )
        for n in (0, 1, len(plan)):
            assert (
                picture_of(
                    lambda fig, p=picture, n=n: draw_map(p, n, fig.add_axes([0, 0, 1, 0.9])), 3, 3
                )[:4]
                == b"\x89PNG"
            )


def test_nothing_typed_becomes_markup():
    bad = "<script>alert(1)</script>"
    plan = select(G, 3, candidates=[*G.genes[:9], bad])
    for page in (
        html_table([bad], [[bad, 1.5]]),
        plan_page(plan, Lab(currency=bad), graph=bad, title=bad),
    ):
        assert bad not in page and "&lt;script&gt;" in page
    x = PlanExplorer(G, [*G.genes, bad], budget=3)
    for o in (x.outputs.status, x.outputs.missing):
        assert bad not in o.value and "&lt;script" in o.value
    x.inputs.why.value = bad
    assert bad not in x.outputs.answer.value


def test_the_page_says_what_is_assumed():
    page = plan_page(
        select(G, 10, must=["g05"]),
        Lab(
            guides=4,
            cells=50,
            controls=8,
            control_cells=25,
            guide_cost=2,
            cell_cost=0.5,
            currency="CHF",
        ),
        must=["g05"],
    )
    assert (
        "10 genes x 4 guides + 8 control slots = 48 guides" in page
        and "10 genes x 50 + 8 control slots x 25 = 700 cells" in page
    )
    assert "2 CHF per guide, 0.5 CHF per cell: 446 CHF" in page and "<b>g05</b>*" in page
    for wrong in (
        {"guides": -1},
        {"cell_cost": float("nan")},
        {"cells": "many"},
        {"guides": 0},
        {"guides": 2.5},
        {"cells": 0},
        {"controls": 0.5},
        {"control_cells": True},
        {"guide_cost": "2"},
        {"currency": 5},
    ):
        with pytest.raises(GraphselError, match="laboratory"):
            Lab(**wrong)


def test_the_page_lists_all_that_was_left_out():
    lost = [f"LOST{i:03}" for i in range(300)]
    plan = select(
        G,
        3,
        candidates=[*G.genes[:9], *lost],
        targets=[*G.genes[:9], "LOST000"],
        exclude=["g01"],
        measured=["g02"],
    )
    page = plan_page(plan)
    assert (
        all(n in page for n in lost)
        and "not in the graph (300)" in page
        and "excluded (1): g01" in page
        and "measured (1)" not in page
        and "Left out" not in plan_page(select(G, 3))
    )
    many = plan_page(
        replace(plan, report={f"N{i}": "candidates: not in the graph" for i in range(600)})
    )
    assert "N499 and 100 more" in many and "N500" not in many


# ---- the wiring ----


def test_a_step_of_the_slider_redraws_only_what_changed():
    x = PlanExplorer(G, budget=10)
    x.inputs.other.value = "graphreach"
    kept = {k: x.shown[k][1] for k in ("layout", "missing", "compared_table", "compared_picture")}
    drawn = {k: x.shown[k][1] for k in ("table", "curve", "map", "downloads")}
    x.inputs.budget.value = 11
    assert all(x.shown[k][1] is v for k, v in kept.items()) and all(
        x.shown[k][1] != v for k, v in drawn.items()
    )
    x.inputs.lab_guides.value = 7
    assert x.shown["layout"][1] is kept["layout"] and "Of 11 picks each" in x.outputs.compared.value


def test_errors_are_words_and_inputs_stay():
    x = PlanExplorer(G, budget=10)
    table = x.outputs.table.value
    for box, text, said in (
        ("must", "NOBODY", "NOBODY"),
        ("costs", "g01,dear", "line 1"),
        ("graph_path", "/no/such/file.tsv", "no such file"),
        ("exclude", " ".join(G.genes), "no candidate is left"),
    ):
        getattr(x.inputs, box).value = text
        assert (
            "gs-says wrong" in x.outputs.status.value
            and said in x.outputs.status.value
            and "last one" in x.outputs.status.value
        )
        assert getattr(x.inputs, box).value == text and x.outputs.table.value == table
        getattr(x.inputs, box).value = ""
        assert "wrong" not in x.outputs.status.value
    x.inputs.graphs.value = ()
    assert "no graph is chosen" in x.outputs.status.value


def test_the_slider_follows_the_list():
    x = PlanExplorer(G, budget=20)
    x.inputs.genes.value = " ".join(G.genes[:7])
    assert (x.inputs.budget.max, x.inputs.budget.value, len(x.state.plan)) == (
        7,
        7,
        7,
    ) and "lowered from 20 to 7" in x.outputs.status.value
    x.inputs.genes.value = ""
    assert (
        x.inputs.budget.max == 40 and PlanExplorer(G, budget=5, largest=12).inputs.budget.max == 12
    )


def test_files_from_the_browser():
    x = PlanExplorer(budget=2)
    file = lambda name, text: (
        {
            "name": name,
            "type": "",
            "size": len(text),
            "content": memoryview(text.encode()),
            "last_modified": datetime(2026, 1, 1),
        },
    )
    x.inputs.graph_files.value = file("../mine.csv", "source,target\nA,B\nA,C\nD,E\n")
    x.inputs.graphs.value = ()
    assert x.state.plan.genes == ["A", "D"]
    x.inputs.genes_file.value = file("list.csv", "gene,why\nB,x\nD,y\n")
    assert x.inputs.genes.value == "B\nD" and sorted(x.state.plan.genes) == ["B", "D"]
    x.inputs.costs_file.value = file("costs.csv", "Gene;Cost\nB;1,5\n")
    assert x.inputs.costs.value == "gene,cost\nB,1.5" and "cost units" in x.outputs.status.value
    x.inputs.genes_file.value = file("empty.txt", "")
    assert (
        "empty.txt holds no gene" in x.outputs.status.value
        and "/" not in re.search("wrong'>(.*?) holds", x.outputs.status.value)[1]
    )
    x.inputs.graph_files.value = file("mine.pdf", "?")
    assert "no graph is read from" in x.outputs.status.value
    with uploaded(file("../../x.txt", "A\n")[0]) as (path,):
        assert path.name == "x.txt" and path.exists()
    assert not path.exists() and "simulated example" in graph_choices()


def upload(**files):
    "What a FileUpload holds."
    return tuple(
        {"name": name, "content": memoryview(text), "type": "", "size": len(text)}
        | {"last_modified": datetime(2026, 1, 1)}
        for name, text in files.items()
    )


STRING = {
    "9606.protein.info.v12.0.txt": b"#string_protein_id\tpreferred_name\n9606.E1\tTP53\n"
    b"9606.E2\tMDM2\n9606.E3\tMYC\n",
    "9606.protein.links.v12.0.txt": b"protein1 protein2 combined_score\n9606.E1 9606.E2 999\n"
    b"9606.E2 9606.E1 999\n9606.E1 9606.E3 900\n9606.E3 9606.E1 900\n",
}


def test_files_of_one_upload_lie_side_by_side():
    "STRING's links are named by its info, which is no graph of its own."
    x = PlanExplorer(budget=1)
    with quietly(x):
        x.inputs.graphs.value = ()
    x.inputs.graph_files.value = upload(**STRING)
    assert x.state.plan.genes == ["TP53"] and "STRING's identifiers" not in x.outputs.told.value
    (links,) = [name for name in STRING if "links" in name]
    x.inputs.graph_files.value = upload(**{links: STRING[links]})
    assert "no protein.info file beside it" in x.outputs.told.value
    (info,) = STRING.keys() - {links}
    x.inputs.graph_files.value = upload(**{info: STRING[info]})
    assert "choose both files together" in x.outputs.status.value


def test_a_graph_that_adds_nothing_is_told():
    x = PlanExplorer(G, budget=3)
    x.inputs.graph_files.value = upload(**{"mouse.csv": b"source,target\nTrp53,Mdm2\n"})
    assert "mouse.csv: no gene in common" in x.outputs.told.value
    x.inputs.graph_files.value = ()
    assert x.outputs.told.value == ""


def test_priors_groups_and_plates_of_the_page(tmp_path):
    x = PlanExplorer(G, budget=6)
    x.inputs.criterion.value = "variance"
    before = list(x.state.plan.genes)
    rng = np.random.default_rng(0)
    prior = pd.DataFrame(rng.normal(size=(40, 3)), index=G.genes).rename_axis("gene")
    x.inputs.prior_files.value = upload(**{"prior.csv": prior.to_csv().encode()})
    assert len(x.state.wishes.graph.priors) == 1 and x.state.plan.genes != before
    halves = {gene: "ab"[i % 2] for i, gene in enumerate(G.genes)}
    x.inputs.groups.value = "gene,group\n" + "\n".join(f"{g},{k}" for g, k in halves.items())
    assert "most of each group" in x.outputs.status.value
    x.inputs.cap.value = 2
    assert sorted(halves[g] for g in x.state.plan.genes) == ["a", "a", "b", "b"]
    x.inputs.plate.value = 2
    assert "<th>plate</th>" in x.outputs.table.value and "<th>group</th>" in x.outputs.table.value


def test_genes_of_another_graph_are_told():
    x = PlanExplorer(budget=5)
    x.inputs.genes.value = "TP53\nMDM2"
    assert "the candidates are called TP53, MDM2" in x.outputs.status.value


def test_the_next_round_from_results(edges, tmp_path):
    "As `graphsel select --screen`: what was measured is not picked, its responses decide."
    rng = np.random.default_rng(0)
    first = pd.DataFrame(rng.normal(size=(12, 6)), index=G.genes[:12]).add_prefix("r")
    path = tmp_path / "round1.csv"
    first.rename_axis("perturbation").to_csv(path)
    x = explorer(edges, budget=5)
    x.inputs.measured.value = "g20"
    x.inputs.screen_file.value = upload(**{"round1.csv": path.read_bytes()})
    assert "learned from 12 responses" in x.outputs.told.value
    assert not {*first.index, "g20"} & set(x.state.plan.genes)
    pending = tmp_path / "pending.txt"
    pending.write_text("g20")
    files = "--screen", path, "--pending", pending
    assert picks_csv(x.state.plan) == cli(tmp_path, "--graph", edges, "--budget", 5, *files)
    plan, own = list(x.state.plan.genes), first.add_prefix("score ").rename_axis("Gene symbol")
    x.inputs.screen_file.value = upload(**{"ours.csv": own.to_csv().encode()})
    assert x.state.plan.genes == plan  # the graph tells what was perturbed
    x.inputs.screen_file.value = upload(**{"notes.csv": b"a,b\n"})
    assert "gs-says wrong" in x.outputs.status.value
    x.inputs.screen_file.value = ()
    assert x.state.wishes.screen is None and x.outputs.model.value == ""


def page_of(x):
    "The page to print, as the explorer offers it."
    link = re.search("download='plan.html' href='[^,]*base64,(.*?)'", x.outputs.downloads.value)
    return base64.b64decode(link[1]).decode()


def test_results_so_far_are_judged(edges, monkeypatch):
    "Once for each upload, in the tab of rounds and on the page to print."
    asked, rng = [], np.random.default_rng(0)
    how_good = plan_room.how_good
    monkeypatch.setattr(plan_room, "how_good", lambda *a, **k: asked.append(a) or how_good(*a, **k))
    first = pd.DataFrame(rng.normal(size=(12, 6)), index=G.genes[:12]).add_prefix("r")
    x = explorer(edges, budget=5)
    x.inputs.screen_file.value = upload(
        **{"round1.csv": first.rename_axis("gene").to_csv().encode()}
    )
    told = str(validate("gp", make_screen(first), read_graph(edges), random_state=0))
    assert escape(told) in x.outputs.model.value and "12 perturbations" in told
    assert escape(told) in page_of(x)
    x.inputs.budget.value = 6
    assert len(asked) == 1 and escape(told) in page_of(x)
    few = first[:3].rename_axis("gene").to_csv().encode()
    x.inputs.screen_file.value = upload(**{"few.csv": few})
    assert "3 perturbations are too few to judge a model" in x.outputs.model.value


def test_a_budget_as_money():
    x = PlanExplorer(G, budget=10, lab=Lab(controls=4, control_cells=0))
    x.inputs.unit.value = "money"
    assert x.inputs.number.value == 10 * 40 + 40 and x.inputs.number.description == "EUR"
    x.inputs.number.value = 475.0  # ten genes, and not quite an eleventh
    assert (len(x.state.plan), x.inputs.number.value) == (10, 475.0)
    x.inputs.number.value = 500
    assert len(x.state.plan) == 11 and "11 genes cost 480 EUR" in x.outputs.status.value
    x.inputs.number.value = 70
    assert "not enough for one gene" in x.outputs.status.value and len(x.state.plan) == 11
    x.inputs.unit.value = "genes"
    assert x.inputs.number.value == 11
    x.inputs.costs.value = "gene,cost\n" + "\n".join(f"{g},2.5" for g in G.genes)
    x.inputs.number.value = 12.5
    assert len(x.state.plan) == 5 and x.inputs.number.description == "cost units"
    x.inputs.number.value = 1000
    assert len(x.state.plan) == 40 and "lowered from 1,000 to 100" in x.outputs.status.value


def test_a_budget_beyond_the_slider_can_be_typed():
    x = PlanExplorer(G, budget=5, largest=12)
    x.inputs.number.value = 30
    assert (len(x.state.plan), x.inputs.budget.value, x.inputs.budget.max) == (30, 30, 40)
    x.inputs.number.value = 41
    assert len(x.state.plan) == 40 and "lowered from 41 to 40" in x.outputs.status.value


def test_given_graphs_and_several(edges):
    x = explorer(edges)
    x.inputs.graphs.value = ("simulated example",)
    assert len(x.state.wishes.graph.graphs) == 3  # two of the example, one by its path
    assert PlanExplorer(G, budget=4).state.wishes.graph is G


def test_explorers_do_without_torch():
    code = (
        "import sys, graphsel as gs; gs.explore(budget=3); gs.explore(results=''); "
        "print('torch' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "False"
    )


# ---- results ----


@pytest.fixture
def folder(tmp_path):
    rng, rows = np.random.default_rng(0), []
    for seed in range(5):
        for s, level in (("random", 4), ("variance", 3)):
            for b in (10, 20):
                rows.append(
                    dict(
                        strategy=s,
                        model="gp",
                        noise=0.0,
                        seed=seed,
                        budget=b,
                        status="ok",
                        mse=level / b**0.5 + 0.01 * rng.normal(),
                        pearson_delta=0.1 * b / level,
                    )
                )
    rows.append({**rows[0], "seed": 9, "status": "failed", "mse": np.nan, "error": "out of memory"})
    pd.DataFrame(rows).to_csv(tmp_path / "results.csv", index=False)
    (tmp_path / "run.json").write_text(
        json.dumps({"version": "0.1.0", "inputs": {"screen.h5ad": "abc"}})
    )
    return tmp_path


def test_results_are_read_and_judged(folder):
    c = read_comparison(folder)
    assert (
        c.metrics == ["mse", "pearson_delta"]
        and c.budgets == [10, 20]
        and len(c.part("gp", 0.0, ["random"])) == 10
    )
    rows = c.part("gp", 0.0, ["random", "variance"])
    assert np.allclose(advantage(rows)["variance"].mean(), 25, atol=1) and (
        advantage(rows, "pearson_delta") > 0
    ).all(axis=None)
    t = stability_table(rows)
    assert t["wins"].tolist() == [1.0, 1.0] and t["splits"].tolist() == [5, 5]
    with pytest.raises(GraphselError, match="mze"):
        advantage(rows, "mze")


@pytest.fixture
def several(tmp_path):
    "Two graphs, two kinds of noise, draws of random in each split, hard and easy splits; one of them lost."
    rng, rows = np.random.default_rng(0), []
    settings = [
        (g, kind, share)
        for g in ("string", "go")
        for kind, share in (("none", 0.0), ("rewired", 0.2), ("added", 0.2))
    ]
    for k, (graph, kind, share) in enumerate(settings):
        for split, hard in enumerate(np.exp(rng.normal(size=8))):
            for s, draws in (("random", 5), ("variance", 1), ("degree", 1)):
                for r in range(draws):
                    for b in (10, 20):
                        mse = (
                            hard
                            * (1 + 0.1 * rng.normal())
                            * (0.6 + 0.05 * k if s == "variance" else 1)
                            / b
                        )
                        rows.append(
                            dict(
                                strategy=s,
                                model="gp",
                                graph=graph,
                                noise_kind=kind,
                                noise=share,
                                targets="all",
                                seed=split + 8 * r,
                                split=split,
                                round=0,
                                budget=b,
                                status="failed" if (s, split) == ("degree", 3) else "ok",
                                mse=mse,
                                pearson_delta=0.3 + 0.02 * rng.normal(),
                                picks="A",
                                error="",
                            )
                        )
    write_results(pd.DataFrame(rows), tmp_path)
    return tmp_path


def test_the_explorer_says_what_the_summary_says(several):
    "One statistic for one question, of each graph and each kind and level of noise by itself."
    written, c = pd.read_csv(several / "summary.csv"), read_comparison(several)
    pd.testing.assert_frame_equal(c.summary, written, check_dtype=False)
    assert (
        c.disturbed == [("none", 0.0), ("added", 0.2), ("rewired", 0.2)]
        and dict(run_facts(c))["Rows"].split(", ")[1] == "8 splits"
    )
    key, seen = ["strategy", "budget"], set()
    for graph in ("go", "string"):
        for kind, share in c.disturbed:
            rows = c.part("gp", share, graph=graph, noise_kind=kind)
            for metric in ("mse", "pearson_delta"):
                told = written.query(
                    "graph == @graph and noise_kind == @kind and noise == @share and metric == @metric"
                ).set_index(key)
                saved = saved_table(
                    c, "gp", share, ["variance", "random"], metric, graph=graph, noise_kind=kind
                ).set_index(key)
                np.testing.assert_allclose(
                    saved.astype(float), told.loc[saved.index, saved.columns].astype(float)
                )
                at, better = stability_table(rows, metric).set_index(key), advantage(rows, metric)
                told = told.loc[at.index]
                what = (
                    ("ratio_to_random", "ratio_high", "ratio_low")
                    if metric == "mse"
                    else ("difference", "difference_low", "difference_high")
                )
                expected = 100 * (1 - told[list(what)]) if metric == "mse" else told[list(what)]
                np.testing.assert_allclose(at[["advantage", "low", "high"]], expected)
                np.testing.assert_allclose(better.mean(), at["advantage"])
                assert (
                    at["splits"].to_dict()
                    == told["n"].to_dict()
                    == {
                        ("degree", 10): 7,
                        ("degree", 20): 7,
                        ("variance", 10): 8,
                        ("variance", 20): 8,
                    }
                )
                seen.add(round(at.loc[("variance", 10), "advantage"], 6))
    assert len(seen) == 12


def test_sets_of_curves_are_not_folded(several):
    c = read_comparison(several)
    for column, choice in (("graph", {"noise_kind": "added"}), ("noise_kind", {"graph": "go"})):
        part = c.part("gp", 0.2, **choice)
        for judge in (lambda t: stability_table(t), lambda t: advantage(t)):
            with pytest.raises(GraphselError, match=f"several values of '{column}'"):
                judge(part)
        with pytest.raises(GraphselError, match=f"several values of '{column}'"):
            saved_table(c, "gp", 0.2, ["random"], **choice)


def cells(html):
    "A table of the page, as text."
    rows = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)
    ]
    return pd.DataFrame(rows[1:], columns=rows[0])


def test_graph_and_noise_are_chosen(several):
    "What is shown is that of the choice, and nothing else."
    x, written = explore(results=several), pd.read_csv(several / "summary.csv")
    assert [label for label, _ in x.inputs.noise.options] == [
        "none",
        "20 % added",
        "20 % rewired",
    ] and [g for g, _ in x.inputs.graph.options] == ["go", "string"]
    x.inputs.graph.value, x.inputs.noise.value = "string", ("rewired", 0.2)
    assert "on the graph string, 20 % rewired" in x.outputs.status.value
    told = written.query(
        "graph == 'string' and noise_kind == 'rewired' and metric == 'mse' and strategy == 'variance' and budget == 20"
    )
    shown = cells(x.outputs.saved.value)
    row = shown.set_index(["strategy", "measured"]).loc[("variance", "20")]
    assert len(shown) == 6 and float(row["relative to random"].split()[0]) == pytest.approx(
        told["ratio_to_random"].item(), rel=1e-3
    )
    shown = cells(x.outputs.stability.value)
    row = shown.set_index(["strategy", "measured"]).loc[("variance", "20")]
    assert len(shown) == 4 and float(row["better than random, %"].split()[0]) == pytest.approx(
        100 * (1 - told["ratio_to_random"].item()), rel=1e-3
    )
    before = x.outputs.figures.value
    x.inputs.noise.value = ("added", 0.2)
    assert x.outputs.figures.value != before


def test_results_explorer(folder, tmp_path):
    x = explore(results=folder)
    assert (
        isinstance(x, ResultExplorer)
        and x.inputs.strategies.value == ("random", "variance")
        and x.outputs.figures.value[:4] == b"\x89PNG"
    )
    assert (
        "relative to random" in x.outputs.saved.value and "out of memory" in x.outputs.facts.value
    )
    before = x.outputs.figures.value
    x.inputs.strategies.value = ()
    assert "choose more strategies" in x.outputs.status.value and x.outputs.figures.value == before
    x.inputs.strategies.value = ("variance",)
    assert "random is not among" in x.outputs.stability.value
    x.inputs.metric.value = "pearson_delta"
    (folder / "other").mkdir()
    (folder / "other" / "results.csv").write_text("a,b\n1,2\n")
    x.inputs.folder.value = str(folder / "other")
    assert "no column" in x.outputs.status.value and x.found.name == folder.name


def test_folders_that_are_none(tmp_path):
    for make, said in (
        (lambda: None, "no results.parquet"),
        (lambda: (tmp_path / "run.json").write_text("{}"), "--resume"),
        (lambda: (tmp_path / "results.parquet").write_text("x"), "cannot read"),
    ):
        make()
        with pytest.raises(GraphselError, match=said):
            read_comparison(tmp_path)


def test_of_a_prior_with_several_cell_lines_one_is_kept():
    "A ranked list holds the same pair once for each line: the page takes `column=value`, as the shell does."
    x = PlanExplorer(G, budget=4)
    pairs = [(a, b, r) for a in G.genes[:20] for r, b in enumerate(G.genes[20:25], 1)]
    both = pd.DataFrame(pairs, columns=["perturbed_gene", "gene", "rank"])
    both = pd.concat([both.assign(cell_line=line) for line in ("k562", "rpe1")])
    x.inputs.prior_files.value = upload(**{"ranked.csv": both.to_csv(index=False).encode()})
    assert "keep one list per perturbation" in x.outputs.status.value
    x.inputs.prior_rows.value = "cell_line=k562"
    assert len(x.state.wishes.graph.priors) == 1 and "wrong" not in x.outputs.status.value


def test_the_page_says_what_it_does_while_it_works_and_nothing_after():
    x, seen = PlanExplorer(G, budget=4), []
    x.outputs.busy.observe(lambda change: seen.append(change["new"]), "value")
    x.inputs.other.value = "degree"
    said = [re.sub("<[^>]*>", "", text) for text in seen]
    assert said == ["Working …", "Choosing by degree, to compare …", ""]
    x.inputs.exclude.value = "\n".join(G.genes)  # nothing is left: an error ends it as well
    assert x.outputs.busy.value == "" and "wrong" in x.outputs.status.value
