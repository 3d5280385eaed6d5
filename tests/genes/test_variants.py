"Hundreds of forms of one list: each is read rightly or refused, none wrongly and in silence."

import random

import pytest

from graphsel.core.errors import GraphselError
from graphsel.genes.lists import parse_costs, parse_genes, parse_pairs

GENES = ["TP53", "HLA-A", "C1orf43", "MT-CO1", "NKX2-1", "KRAS", "2-Sep", "RP11-34P13.7"]
NAMES = [
    "gene",
    "Gene",
    "Approved symbol",
    "Annotated Gene Symbol",
    "Target gene name",
    "symbol",
    "TargetGene",
]
COSTS = ["cost", "Price (EUR)", "price", "Costs", "cost_eur"]
GROUPS = ["group", "Plate", "plate_no", "Group"]
OTHERS = ["note", "Ensembl ID", "previous symbol", "description"]
DELIMITERS = ["\t", ";", ","]
ENDS = ["\n", "\r\n", "\r"]


def drawn(seed):
    "A table of genes, costs and plates, by chance; its text, and what it says."
    rng = random.Random(seed)
    delimiter = rng.choice(DELIMITERS)
    comma = delimiter != "," and rng.random() < 0.4
    columns = ["gene", "cost", "group", *rng.sample(OTHERS, rng.randrange(3))]
    rng.shuffle(columns)
    called = {"gene": rng.choice(NAMES), "cost": rng.choice(COSTS), "group": rng.choice(GROUPS)}
    genes = rng.sample(GENES, rng.randrange(3, len(GENES) + 1))
    costs = {g: rng.choice([1, 2.5, 10.25, 0.5]) for g in genes}
    groups = {g: rng.choice(["plate 1", "P2", "3"]) for g in genes}
    empty = set(rng.sample(genes, rng.randrange(2)))
    rows = [[called.get(o, o) for o in columns]]
    for g in genes:
        cost = "" if g in empty else str(costs[g]).replace(".", "," if comma else ".")
        fields = {"gene": g, "cost": cost, "group": groups[g]}
        rows.append([fields.get(o, "some words") for o in columns])
    if rng.random() < 0.3:
        rows = [[f'"{o}"' for o in row] for row in rows]
    end, mark = rng.choice(ENDS), rng.choice(["", "\ufeff"])
    text = mark + end.join(delimiter.join(row) for row in rows) + rng.choice(["", end, end + end])
    return text, genes, {g: costs[g] for g in genes if g not in empty}, groups


def outcome(read, *given):
    "What is read, or None where it is refused in one line."
    try:
        return read(*given)
    except GraphselError as e:
        assert "\n" not in str(e)
        return None


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_no_form_is_wrong_in_silence(first):
    read = 0
    for seed in range(first, first + 100):
        text, genes, costs, groups = drawn(seed)
        found = outcome(parse_genes, text)
        assert found in (None, genes), (seed, text)
        priced = outcome(parse_costs, text)
        assert priced in (None, costs), (seed, text)
        placed = outcome(parse_pairs, text, "group")
        assert placed in (None, groups), (seed, text)
        read += found is not None and priced is not None and placed is not None
    assert read >= 90


@pytest.mark.parametrize("seed", range(20))
def test_short_rows_are_told(seed, caplog):
    rng = random.Random(seed)
    delimiter = rng.choice(DELIMITERS)
    rows = [["note", "gene"], *([f"n{i}", g] for i, g in enumerate(GENES[:5]))]
    rows.insert(rng.randrange(1, 6), ["only a note"])
    assert parse_genes("\n".join(delimiter.join(o) for o in rows)) == GENES[:5]
    assert "1 row holds no gene" in caplog.text
