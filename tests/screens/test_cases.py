"""Screens in the form in which they are published: read rightly, or refused with a way out that leads there."""

import logging
import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from graphsel.core.errors import GraphselError
from graphsel.genes.lists import read_gene_list
from graphsel.screens.from_cells import screen_from_cells
from graphsel.screens.from_tables import screen_from_table
from graphsel.screens.read import read_screen
from graphsel.screens.screen import screen_report

# ---- the small files that were read wrongly ----


def test_row_numbers_are_no_response(shared_data, caplog):
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen = read_screen(shared_data / "cases" / "row_numbers.csv")
    assert list(screen.var_names) == ["r1", "r2", "r3", "r4"]
    assert "row names or numbers" in caplog.text


@pytest.mark.parametrize("options", [{}, {"control": "NT"}])
def test_levels_with_two_control_rows(shared_data, options):
    screen = read_screen(shared_data / "cases" / "bulk.csv", **options)
    assert screen.to_df().to_numpy().tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]] or set(
        screen.obs_names
    ) == {"TP53", "MYC", "KLF1"}
    assert screen["TP53"].X.tolist() == [[1, 0, 0, 0]]
    assert screen["MYC"].X.tolist() == [[0, 1, 0, 0]]
    assert "control rows" in screen.uns["graphsel"]["reference"]


def test_names_of_replogle(shared_data):
    screen = read_screen(shared_data / "cases" / "replogle.csv")
    assert sorted(screen.obs_names) == ["KLF1", "MYC", "TP53"]
    assert screen["KLF1"].X.tolist() == [[0, 0, 1, 0]]
    notes = screen_report(screen).set_index("what")["value"]["note"]
    assert "guides are pooled" in str(notes)


def test_the_download_of_hgnc(shared_data):
    found = read_gene_list(shared_data / "cases" / "hgnc_download.tsv")
    assert found == ["TP53", "MYC", "KLF1", "BRAF", "AKT1"]


# ---- tables ----

RESPONSES = ["HBA1", "HBB", "ALAS2"]
LEVELS = pd.DataFrame(
    [[5.0, 3.0, 8.0], [6.0, 3.0, 8.0], [5.0, 4.0, 8.5], [5.0, 1.0, 8.0]], columns=RESPONSES
)
DIFFERENCES = {"TP53": [1, 0, 0], "MYC": [0, 1, 0.5], "KLF1": [0, -2, 0]}
CONTROL_SPELLINGS = (
    "ctrl control Control NT NTC non-targeting non-targeting_00021 0_non-targeting_00001 DMSO NegCtrl0 "
    "sgNTC-1 safe-targeting_7 unperturbed WT scrambled mock negative_control"
).split()


def levels(control="ctrl", key="perturbation"):
    table = LEVELS.copy()
    table.insert(0, key, [control, "TP53", "MYC", "KLF1"])
    return table


def assert_read(screen):
    assert set(screen.obs_names) == set(DIFFERENCES) and list(screen.var_names) == RESPONSES
    for name, row in DIFFERENCES.items():
        np.testing.assert_allclose(screen[name].X[0], row, atol=1e-6)


@pytest.mark.parametrize("control", CONTROL_SPELLINGS)
def test_control_rows_by_all_their_names(control):
    screen = screen_from_table(levels(control))
    assert_read(screen)
    assert screen.uns["graphsel"]["control"] == control


@pytest.mark.parametrize("control", ["LacZ", "AAVS1", "CTRL", "GFP"])
def test_a_control_of_another_name_is_given(control, caplog):
    with caplog.at_level(logging.WARNING, "graphsel"):
        wrong = screen_from_table(levels(control))
    assert control in wrong.obs_names and "which rows are the control (control=" in caplog.text
    assert_read(screen_from_table(levels(control), control=control))


def test_a_control_that_is_not_there_is_refused():
    with pytest.raises(GraphselError, match="no row is called NOPE.*there are ctrl, TP53"):
        screen_from_table(levels(), control="NOPE")


def test_several_kinds_of_controls_are_asked_about():
    table = pd.concat([levels("NT"), levels("DMSO").iloc[:1]], ignore_index=True)
    with pytest.raises(GraphselError, match="several kinds of controls: NT, DMSO") as e:
        screen_from_table(table)
    advice = re.search(r"--control (\S+)\)", str(e.value))[1]
    assert_read(screen_from_table(table, control=advice))
    with pytest.raises(GraphselError, match="several kinds"):
        screen_from_table(table, control="NT")
    assert_read(screen_from_table(table, control="NT", where="perturbation!=DMSO"))
    numbered = pd.concat([levels("NT_1"), levels("NT_2").iloc[:1]], ignore_index=True)
    assert_read(screen_from_table(numbered))
    assert_read(screen_from_table(numbered, control="NT_*"))


@pytest.mark.parametrize(
    "key", ["perturbation", "condition", "target_gene", "Gene Symbol", "gene_transcript", "gene"]
)
def test_the_column_by_its_usual_names(key):
    assert_read(screen_from_table(levels(key=key)))
    assert_read(screen_from_table(levels(key=key), perturbation_key=key))


def test_what_cells_carry_is_no_response(caplog):
    table = levels().assign(
        nCount_RNA=[900, 800, 700, 600], **{"percent.mt": 1.5, "batch": [1, 2, 1, 2]}
    )
    with caplog.at_level(logging.WARNING, "graphsel"):
        assert_read(screen_from_table(table))
    assert "nCount_RNA, percent.mt, batch" in caplog.text


@pytest.mark.parametrize("column", ["dose", "time", "cell_line", "perturbation_2"])
def test_conditions_are_not_pooled_in_tables(column):
    table = pd.concat([levels().assign(**{column: v}) for v in (1, 2)], ignore_index=True)
    with pytest.raises(GraphselError, match=f"several values of '{column}'") as e:
        screen_from_table(table)
    where = re.search(r"where='([^']+)'", str(e.value))[1]
    for options in ({"covariate": column}, {"where": where}, {"pool": column}):
        assert_read(screen_from_table(table, **options))
    one_each = levels().assign(dose=[0, 1, 1, 1])
    assert_read(screen_from_table(one_each))


def test_a_transposed_table_is_noticed():
    table = levels("NT").set_index("perturbation").T.reset_index(names="gene")
    with pytest.raises(GraphselError, match="seem to be the columns, NT.*transpose=True"):
        screen_from_table(table)
    assert_read(screen_from_table(table, transpose=True))
    neither = table.drop(columns="NT")
    with pytest.raises(GraphselError, match="are the rows perturbations, or the columns") as e:
        screen_from_table(neither)
    key = re.search(r"perturbation_key='([^']+)'", str(e.value))[1]
    assert screen_from_table(neither, perturbation_key=key).shape == (3, 3)
    assert screen_from_table(table.drop(columns="NT"), transpose=True).shape == (3, 3)


def test_a_transposed_table_with_replicates(tmp_path):
    table = levels("NT").set_index("perturbation").T
    pd.concat([table, table], axis=1).to_csv(tmp_path / "t.csv", index_label="gene")
    assert_read(read_screen(tmp_path / "t.csv", transpose=True))


def test_numbers_as_names(caplog):
    table = levels().assign(perturbation=["ctrl", "7157", "4609", "10661"])
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen_from_table(table)
    assert "genes are numbers (7157" in caplog.text
    with pytest.raises(GraphselError, match="holds row numbers"):
        screen_from_table(levels().assign(perturbation=range(4)))


# ---- variants by a generator ----

ENDINGS = ("csv", "tsv", "txt", "dat", "csv.gz")
STYLES = [(",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ","), ("|", ".")]
KEYS = ("perturbation", "Condition", "target_gene", "")
ORDERS = ("first", "last", "middle")


def variants():
    "Name, text and options of a table in every style."
    for ending in ENDINGS:
        for sep, decimal in STYLES:
            for key in KEYS:
                for order in ORDERS:
                    for extra in (None, "rows"):
                        yield ending, sep, decimal, key, order, extra


@pytest.mark.parametrize("ending", ENDINGS)
def test_variants_are_read_rightly_or_refused(ending, tmp_path):
    wrong, refused, n = [], 0, 0
    for _, sep, decimal, key, order, extra in (v for v in variants() if v[0] == ending):
        if key == "" and order != "first":
            continue
        table = levels("NT", key or "Unnamed")
        at = {"first": 0, "last": 3, "middle": 1}[order]
        names = [c for c in table if c in RESPONSES]
        names.insert(at, key or "Unnamed")
        table = table[names].rename(columns={"Unnamed": ""})
        path = tmp_path / f"t{n}.{ending}"
        table.to_csv(path, sep=sep, decimal=decimal, index=extra == "rows")
        n += 1
        try:
            screen = read_screen(path)
        except GraphselError as e:
            refused += 1
            assert path.name in str(e), (path, e)
            continue
        try:
            assert_read(screen)
        except AssertionError:
            wrong.append((sep, decimal, key, order, extra))
    assert not wrong, wrong
    assert refused <= n // 20, f"{refused} of {n} refused"


def test_a_table_without_a_header_is_refused(tmp_path):
    for sep in ",;\t":
        path = tmp_path / "t.csv"
        levels("NT").to_csv(path, header=False, index=False, sep=sep)
        with pytest.raises(GraphselError, match="no header"):
            read_screen(path)


# ---- cells ----


def cells_of(labels, **obs):
    labels = list(labels)
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"perturbation": labels, **obs}, index=[f"c{i}" for i in range(len(labels))]
    )
    genes = ["TP53", "MYC", "KLF1", "MAP2K6", "HBB"]
    return ad.AnnData(
        np.log1p(rng.poisson(2.0, (len(labels), 5))).astype(np.float32),
        obs=table,
        var=pd.DataFrame(index=genes),
    )


CELL_LABELS = {
    "numbered controls": (["NegCtrl0", "NegCtrl1", "TP53", "MYC"], ["MYC", "TP53"]),
    "controls in pairs": (
        ["NegCtrl0_NegCtrl0", "KLF1_NegCtrl0", "NegCtrl10_MYC", "KLF1_MAP2K6"],
        ["KLF1", "KLF1+MAP2K6", "MYC"],
    ),
    "both positions, twice": (
        ["NegCtrl10_NegCtrl0__NegCtrl10_NegCtrl0", "KLF1_MAP2K6__KLF1_MAP2K6"],
        ["KLF1+MAP2K6"],
    ),
    "guides by number": (["non-targeting_1", "TP53_1", "TP53_2", "MYC_1"], ["MYC", "TP53"]),
    "guides of Weissman": (
        ["non-targeting_00021", "TP53_+_7590731.23-P1P2", "TP53_-_7590701.23-P1P2"],
        ["TP53"],
    ),
    "pairs of guides": (
        ["non-targeting_00021|non-targeting_00022", "TP53_+_7590731.23-P1P2|MYC_-_12.23-P1P2"],
        ["MYC+TP53"],
    ),
    "sg": (["sgNTC-1", "sgTP53-2", "sgTP53-3", "sgMYC"], ["MYC", "TP53"]),
    "vertical bars": (["control", "TP53|MYC", "TP53|control"], ["MYC+TP53", "TP53"]),
    "NT": (["NT", "TP53", "HLA-A", "NKX2-1"], ["HLA-A", "NKX2-1", "TP53"]),
}


@pytest.mark.parametrize("labels,expected", CELL_LABELS.values(), ids=CELL_LABELS)
def test_labels_of_cells(labels, expected, caplog):
    with caplog.at_level(logging.WARNING, "graphsel"):
        screen = screen_from_cells(cells_of(labels * 3))
    assert list(screen.obs_names) == expected
    pooled = any(
        "_" in o and o[-1].isdigit() and "Ctrl" not in o and "non-" not in o for o in labels
    )
    if any(o.startswith("sgTP53") or o.startswith("TP53_") for o in labels) and pooled:
        assert "guides are pooled to their genes" in caplog.text


@pytest.mark.parametrize(
    "column", ["cell_line", "celltype", "dose_value", "time", "perturbation_2"]
)
def test_conditions_are_not_pooled(column):
    cells = cells_of(["control", "control", "TP53", "TP53"] * 3, **{column: ["a", "b"] * 6})
    with pytest.raises(GraphselError, match=f"several values of '{column}'") as e:
        screen_from_cells(cells)
    where = re.search(r"where='([^']+)'", str(e.value))[1]
    assert screen_from_cells(cells, where=where).obs["n_cells"].tolist() == [3]
    assert screen_from_cells(cells, covariate=column).obs["n_cells"].tolist() == [6]
    assert screen_from_cells(cells, pool=column).obs["n_cells"].tolist() == [6]


@pytest.mark.parametrize(
    "labels,says,options",
    [
        (["NT", "DMSO", "TP53"], "several names of control cells", {"control": "NT,DMSO"}),
        (["control", "TP53-MYC"], "both sides of '-' are genes", {"separator": "-"}),
        (["control", "TP53-MYC"], "single genes", {"separator": "+"}),
        (["control", "FOO_1"], "guides=True", {"guides": True}),
        (["control", "FOO_BAR"], "one gene or a pair", {"separator": "_"}),
        (["LacZ", "TP53"], "control='LacZ'", {"control": "LacZ"}),
    ],
    ids=str,
)
def test_the_advice_leads_there(labels, says, options):
    cells = cells_of(labels * 3)
    with pytest.raises(GraphselError, match=says):
        screen_from_cells(cells)
    assert screen_from_cells(cells, **options).n_obs == 1


def test_the_gene_effects_of_depmap(tmp_path):
    table = pd.DataFrame(
        [[-0.1, -1.2], [0.05, -0.9]],
        index=["ACH-000001", "ACH-000004"],
        columns=["A1BG (1)", "MYC (4609)"],
    )
    table.to_csv(tmp_path / "CRISPRGeneEffect.csv")
    with pytest.raises(GraphselError, match="seem to be the columns, A1BG.*transpose=True"):
        read_screen(tmp_path / "CRISPRGeneEffect.csv")
    screen = read_screen(tmp_path / "CRISPRGeneEffect.csv", transpose=True)
    assert list(screen.obs_names) == ["A1BG", "MYC"] and list(screen.var_names) == list(table.index)


def test_row_names_without_a_control_are_asked_about(tmp_path):
    table = pd.DataFrame(np.eye(2), index=["TP53", "MYC"], columns=["HBB", "HBA1"])
    table.to_csv(tmp_path / "t.csv")
    with pytest.raises(GraphselError, match="are the rows perturbations") as e:
        read_screen(tmp_path / "t.csv")
    key = re.search(r"--perturbation-key '([^']+)'", str(e.value))[1]
    assert list(read_screen(tmp_path / "t.csv", key).obs_names) == ["TP53", "MYC"]
    table.set_axis(["d1", "d2"], axis=1).to_csv(tmp_path / "latent.csv")
    assert list(read_screen(tmp_path / "latent.csv").obs_names) == ["TP53", "MYC"]


def test_row_names_as_r_writes_them(tmp_path):
    lines = levels("NT").set_index("perturbation").to_csv(sep="\t", index_label="x").split("\n")
    lines[0] = lines[0].removeprefix("x\t")
    (tmp_path / "t.txt").write_text("\n".join(lines))
    assert_read(read_screen(tmp_path / "t.txt"))


def test_cells_of_one_table_a_row_each(tmp_path):
    adata = cells_of(["control", "TP53", "MYC"] * 5)
    table = adata.to_df().assign(perturbation=adata.obs["perturbation"], nCount_RNA=7.0)
    table.to_csv(tmp_path / "cells.csv")
    screen, expected = read_screen(tmp_path / "cells.csv"), screen_from_cells(adata)
    assert set(screen.var_names) == set(adata.var_names)
    np.testing.assert_allclose(
        screen[list(expected.obs_names), list(expected.var_names)].X, expected.X, atol=1e-6
    )
    assert screen.obs["n_cells"].tolist() == [5, 5]


def test_a_pseudobulk_is_named_by_its_rows():
    labels = ["10970_non-targeting_non-targeting_non-targeting", "8800_TP53_P1P2_ENSG00000141510"]
    adata = cells_of(labels)
    adata.obs_names = labels
    del adata.obs["perturbation"]
    assert list(screen_from_cells(adata).obs_names) == ["TP53"]


@pytest.mark.parametrize("label", ["unassigned", "Multiplet", "*", "Negative"])
def test_cells_without_a_guide_are_no_perturbation(label):
    cells = cells_of(["control", "TP53", label] * 3)
    with pytest.raises(GraphselError, match="have no perturbation") as e:
        screen_from_cells(cells)
    where = re.search(r"where='([^']+)'", str(e.value))[1]
    assert list(screen_from_cells(cells, where=where).obs_names) == ["TP53"]


def test_the_shell_takes_the_options(tmp_path):
    from click.testing import CliRunner

    from graphsel.cli.compare import compare_command
    from graphsel.cli.fit import fit_command

    names = {o for c in (compare_command, fit_command) for p in c.params for o in p.opts}
    wanted = "control separator guides where covariate pool layer raw labels transpose"
    assert {f"--{o}" for o in wanted.split()} <= names
    edges = tmp_path / "edges.tsv"
    edges.write_text("source\ttarget\nTP53\tMYC\nMYC\tKLF1\nKLF1\tHBB\n")
    both = pd.concat(
        [levels("NT").assign(cell_line=v) for v in ("K562", "RPE1")], ignore_index=True
    )
    both.to_csv(tmp_path / "t.csv", index=False)
    call = ["--screen", str(tmp_path / "t.csv"), "--graph", str(edges), "--model", "mean"]
    run = lambda *more: CliRunner().invoke(
        fit_command, [*call, "--out", str(tmp_path / "o"), *more]
    )
    refused = run()
    assert refused.exit_code == 1 or isinstance(refused.exception, GraphselError)
    assert run("--where", "cell_line=K562").exit_code == 0
    assert run("--covariate", "cell_line").exit_code == 0
    assert run("--pool", "cell_line").exit_code == 0


def test_patterns_in_must_and_exclude():
    from graphsel.graphs.build import from_edges
    from graphsel.selection.select import select

    genes = ["RPL3", "RPL10", "MYC", "TP53", "KLF1"]
    graph = from_edges(genes[:-1], genes[1:])
    assert set(select(graph, 2, "degree", exclude=["RPL*"]).genes) <= set(genes[2:])
    assert {"RPL3", "RPL10"} <= set(select(graph, 3, "graphreach", must=["RPL*"]).genes)
    with pytest.raises(GraphselError, match="exclude: no gene fits the pattern 'XYZ"):
        select(graph, 2, "degree", exclude=["XYZ*"])
