"""Plates: every pick has a place, controls and edges are kept, the workbook says the same."""

import helpers
import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner

from graphsel.cli.main import main
from graphsel.core.errors import GraphselError
from graphsel.selection.plan import Selection
from graphsel.selection.select import select
from graphsel.selection.wells import (
    SHAPES,
    control_wells,
    map_of_plan,
    order_list,
    placed,
    plate_map,
    room_on_plates,
    well_names,
    write_plate_map,
)

PRICES = {g: 10.0 + i for i, g in enumerate(helpers.GENES)}
PLAN = select(helpers.GRAPH, 20)


@pytest.mark.parametrize("size", SHAPES)
def test_names_of_wells(size):
    rows, columns = SHAPES[size]
    names = well_names(size)
    assert len(set(names)) == size and names[0] == "A01" and names[-1].endswith(f"{columns:02}")
    if min(rows, columns) > 2:
        inner = well_names(size, free_edges=True)
        assert len(inner) == (rows - 2) * (columns - 2)
        assert not any(w[0] == "A" or w.endswith("01") for w in inner)


def test_every_pick_has_a_well_of_its_own():
    table = plate_map(PLAN, 24, plates=2, controls=3, free_edges=False)
    genes = table[table["kind"] == "gene"]
    assert sorted(genes["gene"]) == sorted(PLAN.genes)
    assert not table.duplicated(["plate", "well"]).any()
    assert (table[table["kind"] == "control"].groupby("plate").size() == 3).all()
    assert genes.groupby("plate").size().tolist() == [10, 10]


def test_as_few_plates_as_possible_and_not_too_many_picks():
    assert plate_map(PLAN, 24, controls=4)["plate"].nunique() == 1
    assert plate_map(PLAN, 24, controls=5)["plate"].nunique() == 2
    assert plate_map(PLAN, 24, free_edges=True)["plate"].nunique() == 3
    with pytest.raises(GraphselError, match="do not fit"):
        plate_map(PLAN, 12, plates=1)
    with pytest.raises(GraphselError, match="no well for a gene"):
        plate_map(PLAN, 12, controls=12)
    with pytest.raises(GraphselError, match="all edge"):
        plate_map(PLAN, 6, free_edges=True)
    with pytest.raises(GraphselError, match="a plate of 100"):
        plate_map(PLAN, 100)


def test_a_seed_repeats_the_map():
    one, other = (plate_map(PLAN, 24, random_state=s) for s in (1, 2))
    pd.testing.assert_frame_equal(one, plate_map(PLAN, 24, random_state=1))
    assert not one.equals(other)


def test_controls_are_spread():
    wells = well_names(96)
    rows = {w[0] for w in control_wells(wells, 8)}
    assert len(rows) == 8


def test_guides_of_each_gene():
    numbers = {g: i % 4 + 1 for i, g in enumerate(helpers.GENES)}
    table = plate_map(PLAN, 24, guides=numbers, controls=1)
    genes = table[table["kind"] == "gene"]
    assert dict(zip(genes["gene"], genes["guides"], strict=True)) == {
        g: numbers[g] for g in PLAN.genes
    }
    assert order_list(table)["guides"].iloc[-1] == sum(numbers[g] for g in PLAN.genes)
    del numbers[PLAN.genes[3]]
    with pytest.raises(GraphselError, match=f"no number for {PLAN.genes[3]}"):
        plate_map(PLAN, 24, guides=numbers)
    with pytest.raises(GraphselError, match="guides of"):
        plate_map(PLAN, 24, guides=dict.fromkeys(helpers.GENES, 1.5))


def test_a_plan_knows_its_wells(tmp_path):
    table = plate_map(PLAN, 24, plates=2, controls=3)
    plan = placed(PLAN, table, 24)
    back = Selection.load(plan.save(tmp_path / "plan.json"))
    for known in (plan, back):
        found = map_of_plan(known).sort_values(["plate", "well"], ignore_index=True)
        pd.testing.assert_frame_equal(found, table[["plate", "well", "kind", "gene"]])
    assert map_of_plan(PLAN) is None
    assert room_on_plates(2, 24, 3) == 42 and room_on_plates(1, 96, 4, True) == 56


def test_the_workbook_says_the_same(tmp_path):
    plan = select(helpers.GRAPH, 20, costs=PRICES, max_cost=10_000)
    table = plate_map(plan, 24, plates=2, controls=2, guides=3)
    book = openpyxl.load_workbook(write_plate_map(table, tmp_path / "map.xlsx", 24))
    assert book.sheetnames == ["plate 1", "plate 2", "order", "wells"]
    assert book["wells"].max_row == 1 + len(table)
    for _, row in table.iterrows():
        sheet = book[f"plate {row['plate']}"]
        at = sheet.cell(ord(row["well"][0]) - ord("A") + 2, int(row["well"][1:]) + 1)
        assert at.value == (row["gene"] or "control")
    order = list(book["order"].values)
    assert order[0] == ("gene", "guides", "cost", "plate", "well") and len(order) == 23
    assert order[-1][:3] == ("20 genes", 60, sum(PRICES[g] for g in plan.genes))
    assert [o[0] for o in order[1:-2]] == list(plan.genes)
    assert order[-2][0] == "controls" and order[-2][-1] == "4 wells"
    priced = order_list(table, "EUR")
    assert priced["currency"].tolist()[:20] == ["EUR"] * 20 and priced["currency"].iloc[-1] == "EUR"
    with pytest.raises(GraphselError, match="plate map"):
        write_plate_map(table, tmp_path / "map.csv", 24)
    assert order_list(plate_map(PLAN, 24)).columns.tolist() == ["gene", "guides", "plate", "well"]


def test_the_command(tmp_path):
    edges = list(zip(helpers.GENES, helpers.GENES[1:], strict=False))
    pd.DataFrame(edges, columns=["source", "target"]).to_csv(tmp_path / "net.csv", index=False)

    def ask(*args):
        files = ["--graph", tmp_path / "net.csv", "--out", tmp_path / "p.csv", "--budget", 20]
        return CliRunner().invoke(main, [str(o) for o in ("select", *files, *args)])

    table = ["--plate-map", tmp_path / "map.xlsx", "--plate-size", 24]
    r = ask(*table, "--plates", 2, "--wells", "controls=2,free_edges=false,guides=3")
    assert r.exit_code == 0, r.output
    picks = pd.read_csv(tmp_path / "p.csv")
    assert not picks.duplicated(["plate", "well"]).any() and set(picks["plate"]) == {1, 2}
    order = list(openpyxl.load_workbook(tmp_path / "map.xlsx")["order"].values)
    assert [o[0] for o in order[1:-2]] == picks["gene"].tolist()
    for wrong in (["--wells", "contrls=2"], ["--wells", "controls=two"], ["--plates", 1]):
        r = ask(*table, *wrong)
        assert r.exit_code == (0 if wrong[0] == "--plates" else 1), r.output
    assert ask("--plates", 2).exit_code == 0, "a map is not needed for places"
    assert set(pd.read_csv(tmp_path / "p.csv")["plate"]) == {1, 2}
    assert ask("--plates", 1, "--plate-size", 12).exit_code == 1, "20 picks, 12 wells"
    assert ask("--plate-map", tmp_path / "map.csv").exit_code == 1


def test_wells_say_how_many_and_guides_are_counted(tmp_path):
    edges = list(zip(helpers.GENES, helpers.GENES[1:], strict=False))
    pd.DataFrame(edges, columns=["source", "target"]).to_csv(tmp_path / "net.csv", index=False)
    sheet = pd.DataFrame({"Gene": list(PRICES), "Price (USD)": list(PRICES.values())})
    sheet["Guides"] = [i % 3 + 2 for i in range(len(sheet))]
    sheet["Weight"] = [100 if i == 17 else 1 for i in range(len(sheet))]
    sheet.to_excel(tmp_path / "genes.xlsx", index=False)

    def ask(*args):
        files = ["--graph", tmp_path / "net.csv", "--out", tmp_path / "p.csv"]
        return CliRunner().invoke(main, [str(o) for o in ("select", *files, *args)])

    lab = ["--costs", tmp_path / "genes.xlsx", "--guides", tmp_path / "genes.xlsx"]
    where = ["--plates", 2, "--plate-size", 12, "--wells", "controls=2"]
    out = ["--plate-map", tmp_path / "map.xlsx", "--page", tmp_path / "plan.html"]
    assert ask(*lab, *where, *out).exit_code == 0
    picks = pd.read_csv(tmp_path / "p.csv")
    numbers = dict(zip(sheet["Gene"], sheet["Guides"], strict=True))
    assert len(picks) == 20 and picks["guides"].tolist() == [numbers[g] for g in picks["gene"]]
    order = list(openpyxl.load_workbook(tmp_path / "map.xlsx")["order"].values)
    total = ("20 genes", picks["guides"].sum(), picks["cost"].sum(), "USD", None, None)
    assert order[-1] == total
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert f"{picks['cost'].sum():,.2f}".removesuffix(".00") + " USD" in page
    assert ask(*lab, *where, "--max-cost", 300).exit_code == 0
    assert pd.read_csv(tmp_path / "p.csv")["cost"].sum() <= 300
    assert ask("--prefer", tmp_path / "genes.xlsx", "--budget", 1).exit_code == 0
    assert pd.read_csv(tmp_path / "p.csv")["gene"].tolist() == [sheet["Gene"][17]]
    weights = ["--target-weights", tmp_path / "genes.xlsx", "--criterion", "graphreach"]
    covers = ["--set", "covers=targets", "--budget", 1]
    assert ask(*weights, *covers).exit_code == 0
    assert pd.read_csv(tmp_path / "p.csv")["value"].iloc[-1] >= 100, "the heavy one is reached"
    said = ["--set", f'weights={{"{sheet["Gene"][17]}": 100}}', "--criterion", "graphreach"]
    assert ask(*said, *covers).exit_code == 0
    assert pd.read_csv(tmp_path / "p.csv")["value"].iloc[-1] >= 100
    assert ask("--guides", 4, "--budget", 2).exit_code == 0
    assert pd.read_csv(tmp_path / "p.csv")["guides"].tolist() == [4, 4]
    r = ask("--guides", 4, "--wells", "guides=3", "--budget", 2)
    assert r.exit_code == 1 and "say the same" in r.output + r.stderr
