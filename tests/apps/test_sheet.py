"""The laboratory sheet: places, guides, prices, one sum in one currency."""

import re

import helpers
import pytest

from graphsel.apps.page import Lab, plan_page, sheet_size
from graphsel.selection.select import select
from graphsel.selection.wells import placed, plate_map

PRICES = {g: 10.31 + i for i, g in enumerate(helpers.GENES)}
PLAN = select(helpers.GRAPH, 20, costs=PRICES, max_cost=1000)


def sheet(plan, **lab):
    "The page without its style, and its table in rows of texts."
    html = plan_page(plan, Lab(**lab), must=plan.genes[:1])
    body = html.partition("</style>")[2]
    table = body.partition("<div class='sheet'>")[2]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table)
    return body, [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_a_line_for_each_gene_and_one_sum():
    table = plate_map(PLAN, 24, plates=2, controls=3, guides=4)
    plan = placed(PLAN, table, 24)
    plan.columns["guides"] = [4] * 20
    body, rows = sheet(plan, currency="USD")
    assert rows[0] == ["", "gene", "well", "guides", "USD", "✓"]
    place = table[table["kind"] == "gene"].set_index("gene")
    for rank, (row, gene) in enumerate(zip(rows[1:], plan.genes, strict=False), 1):
        star = "*" if rank == 1 else ""
        where = f"{place.loc[gene, 'plate']}-{place.loc[gene, 'well']}"
        assert row == [str(rank), gene + star, where, "4", f"{PRICES[gene]:,.2f}", ""]
    total = f"{sum(plan.columns['cost']):,.2f}"
    assert rows[-1] == ["", "20 genes", "", "80", total, ""]
    sums = {o for o in re.findall(r"[\d,]+\.\d\d(?= of| USD|</td><td></td></tr></tbody>)", body)}
    assert sums == {total}, "the sum of the plan, and no other"
    assert "EUR" not in body and f"{total} of 1,000 USD" in body and "assumed" not in body
    assert "2 plates of 24 wells" in body and "3 control wells on each" in body
    assert body.count("<td class='c'>ctrl</td>") == 6
    assert body.count("<td class='e'>") == 2 * (24 - 3 - 10)


def test_guides_without_prices_say_what_is_assumed():
    plan = select(helpers.GRAPH, 5)
    plan.columns["guides"] = [1, 2, 3, 4, 5]
    body, rows = sheet(plan, guide_cost=12, currency="EUR")
    assert rows[0] == ["", "gene", "guides", "✓"] and rows[-1][2] == "15"
    assert "15 guides x 12 EUR = 180 EUR" in body


@pytest.mark.parametrize("n", [1, 10, 40])
def test_letters_are_as_large_as_the_fewest_pages_allow(n):
    plan = select(helpers.GRAPH, n, costs=PRICES, max_cost=10_000)
    columns, size = sheet_size(plan, 4)
    assert columns >= 1 and size == 10, "a page is not filled yet"
    plan = placed(plan, plate_map(plan, 6), 6)
    assert 7 <= sheet_size(plan, 4)[1] <= 10
