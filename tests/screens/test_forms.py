"Tables of other programs in their published columns: read rightly, or refused with a way out that leads there."

import numpy as np
import pandas as pd
import pytest

from graphsel.core.errors import GraphselError
from graphsel.screens.read import read_screen

GENES = ["TP53", "MDM2", "KRAS", "BRAF", "EGFR", "MYC", "CDK4", "RB1"]
PERTURBED = ["TP53", "KRAS", "MYC"]
EFFECTS = np.round(np.random.default_rng(0).normal(size=(len(PERTURBED), len(GENES))), 3)
ONE = np.round(np.random.default_rng(1).normal(size=len(GENES)), 3)


def written(folder, name, head, rows, separator="\t"):
    path = folder / name
    text = [separator.join(map(str, row)) for row in [head, *rows]]
    path.write_text("\n".join(text) + "\n")
    return path


def words(text):
    return text.split()


# ---- a gene a row ----

SCREENS = {
    "mageck.gene_summary.txt": (
        words(
            "id num neg|score neg|p-value neg|fdr neg|rank neg|goodsgrna neg|lfc pos|score pos|p-value "
            "pos|fdr pos|rank pos|goodsgrna pos|lfc"
        ),
        lambda i, g, x: [g, 4, 0.1, 0.01, 0.02, i + 1, 3, x, 0.9, 0.9, 0.99, 8 - i, 0, x],
        ["neg|lfc"],
    ),
    "mle.gene_summary.txt": (
        words("Gene sgRNA day21|beta day21|z day21|p-value day21|fdr day21|wald-fdr"),
        lambda i, g, x: [g, 4, x, x / 2, 0.01, 0.02, 0.03],
        ["day21|beta"],
    ),
    "sgrna_summary.txt": (
        words(
            "sgrna Gene control_count treatment_count control_mean treat_mean LFC p.low p.high FDR"
        ),
        lambda i, g, x: [f"{g}_1", g, 10, 20, 10.0, 20.0, x, 0.1, 0.9, 0.2],
        ["LFC"],
    ),
    "bagel.bf": (words("GENE BF STD NumObs"), lambda i, g, x: [g, x, 1.5, 4], ["BF"]),
    "drugz.txt": (
        words("GENE sumZ numObs normZ pval_synth rank_synth fdr_synth"),
        lambda i, g, x: [g, 2 * x, 4, x, 0.1, i + 1, 0.2],
        ["normZ"],
    ),
}


@pytest.mark.parametrize("name", SCREENS)
def test_results_of_pooled_screens(name, tmp_path, caplog):
    head, row, responses = SCREENS[name]
    rows = [row(i, g, x) for i, (g, x) in enumerate(zip(GENES, ONE))]
    with caplog.at_level("INFO"):
        screen = read_screen(written(tmp_path, name, head, rows))
    assert list(screen.var_names) == responses
    assert list(screen.obs_names) == GENES
    assert np.allclose(screen.X[:, 0], ONE)
    assert f"responses are {responses[0]}" in caplog.text


# ---- a perturbation and a gene a row ----

LONG = {
    "rank_genes_groups.csv": (
        words("group names scores logfoldchanges pvals pvals_adj"),
        lambda p, g, x: [p, g, 3 * x, x, 0.1, 0.2],
    ),
    "FindAllMarkers.csv": (
        ["", *words("p_val avg_log2FC pct.1 pct.2 p_val_adj cluster gene")],
        lambda p, g, x: [f"{g}.{p}", 0.1, x, 0.5, 0.2, 0.3, p, g],
    ),
    "sceptre.csv": (
        words(
            "response_id grna_target n_nonzero_trt pass_qc p_value log_2_fold_change significant"
        ),
        lambda p, g, x: [g, p, 10, "TRUE", 0.01, x, "TRUE"],
    ),
    "deseq2.csv": (
        words("perturbation gene baseMean log2FoldChange lfcSE stat pvalue padj"),
        lambda p, g, x: [p, g, 900.5, x, 0.2, 4.1, 0.01, 0.02],
    ),
    "lists.csv": (
        words("perturbed_gene gene logFC PValue FDR"),
        lambda p, g, x: [p, g, x, 0.01, 0.02],
    ),
}


def long_rows(row):
    return [row(p, g, EFFECTS[i, j]) for i, p in enumerate(PERTURBED) for j, g in enumerate(GENES)]


@pytest.mark.parametrize("name", LONG)
def test_long_tables_of_effects(name, tmp_path):
    head, row = LONG[name]
    screen = read_screen(written(tmp_path, name, head, long_rows(row), ","))
    assert list(screen.obs_names) == PERTURBED and list(screen.var_names) == GENES
    assert np.allclose(screen.X, EFFECTS)


def test_effects_that_are_not_listed_are_told(tmp_path, caplog):
    head, row = LONG["rank_genes_groups.csv"]
    screen = read_screen(written(tmp_path, "some.csv", head, long_rows(row)[:-2], ","))
    assert (screen["MYC", ["CDK4", "RB1"]].X == 0).all()
    assert "2 of 24 effects are not listed: taken as 0" in caplog.text


def test_a_pair_that_stands_twice(tmp_path):
    head, row = LONG["rank_genes_groups.csv"]
    rows = long_rows(row)
    with pytest.raises(GraphselError, match="1 pairs of 'group' and 'names' stand twice"):
        read_screen(written(tmp_path, "twice.csv", head, [*rows, rows[0]], ","))


def test_cell_lines_are_no_perturbations(tmp_path):
    head = words("condition gene LFC FDR")
    rows = [[c, g, x, 0.1] for c in ("K562", "RPE1") for g, x in zip(GENES, ONE)]
    path = written(tmp_path, "lines.csv", head, rows, ",")
    with pytest.raises(GraphselError, match="are the values of 'condition' .* perturbations"):
        read_screen(path)
    screen = read_screen(path, "gene", where="condition=K562")
    assert list(screen.obs_names) == GENES and list(screen.var_names) == ["LFC"]
    screen = read_screen(path, "condition")
    assert list(screen.obs_names) == ["K562", "RPE1"]


COMPARISONS = {
    "deseq2": words("baseMean log2FoldChange lfcSE stat pvalue padj"),
    "limma": words("AveExpr logFC t P.Value adj.P.Val B"),
    "edger": words("logCPM logFC F PValue FDR"),
}


@pytest.mark.parametrize("program", COMPARISONS)
def test_a_single_comparison_is_no_screen(program, tmp_path):
    names = COMPARISONS[program]
    chance = [o for o in names if o.lower().startswith(("p", "adj", "fdr"))]
    rows = [[g, *(0.01 if o in chance else x for o in names)] for g, x in zip(GENES, ONE)]
    path = written(tmp_path, "one.csv", ["", *names], rows, ",")
    with pytest.raises(GraphselError, match="the result of one comparison") as e:
        read_screen(path)
    assert "--perturbation-key 'Unnamed: 0'" in str(e.value)
    screen = read_screen(path, "Unnamed: 0")
    assert len(screen.var_names) == 1 and "og" in screen.var_names[0]


# ---- what is no response ----


@pytest.mark.parametrize(
    "column, value",
    [
        *(("pvalue", 0.01), ("adj.P.Val", 0.2), ("FDR", 0.5), ("q-value", 0.1), ("rep1_padj", 1.0)),
        *(("Entrez ID", 7157), ("Ensembl ID", "ENSG00000141510"), ("HGNC ID", "HGNC:11998")),
        *(("Metadata_Count_Cells", 812), ("Metadata_Plate", "P1"), ("description", "a gene")),
    ],
)
def test_what_is_no_response_is_left_out(column, value, tmp_path, caplog):
    rows = [[g, value, x, -x] for g, x in zip(GENES, ONE)]
    screen = read_screen(
        written(tmp_path, "t.csv", ["perturbation", column, "r1", "r2"], rows, ",")
    )
    assert list(screen.var_names) == ["r1", "r2"]
    assert f"no responses, left out: {column}" in caplog.text


def test_effects_near_zero_are_no_p_values(tmp_path):
    rows = [[g, x, 1 + x] for g, x in zip(GENES, ONE)]
    screen = read_screen(written(tmp_path, "t.csv", words("perturbation PVALB FDR"), rows, ","))
    assert list(screen.var_names) == ["PVALB", "FDR"]  # values outside 0..1


def test_places_are_left_out_beside_a_chromosome(tmp_path):
    rows = [[g, 17, 100 * i, 100 * i + 50, x] for i, (g, x) in enumerate(zip(GENES, ONE))]
    path = written(tmp_path, "t.csv", words("perturbation chromosome start end r1"), rows, ",")
    assert list(read_screen(path).var_names) == ["r1"]


def test_profiles_of_cellprofiler(tmp_path):
    head = words("Metadata_Plate Metadata_Well Metadata_Gene Cells_AreaShape_Area Nuclei_Texture")
    rows = [["P1", f"A{i}", g, x, -x] for i, (g, x) in enumerate(zip(["ctrl", *GENES], [0, *ONE]))]
    screen = read_screen(written(tmp_path, "profiles.csv", head, rows, ","))
    assert list(screen.obs_names) == GENES and screen.shape[1] == 2


# ---- names ----


def test_names_of_depmap_on_either_side(tmp_path):
    names = [f"{g} ({n})" for n, g in enumerate(GENES, 600)]
    rows = [[f"ACH-00000{i}", *EFFECTS[i]] for i in range(3)]
    path = written(tmp_path, "CRISPRGeneEffect.csv", ["ModelID", *names], rows, ",")
    with pytest.raises(GraphselError, match="--transpose"):
        read_screen(path)
    screen = read_screen(path, transpose=True)
    assert list(screen.obs_names) == GENES and np.allclose(screen.X, EFFECTS.T)
    other = written(
        tmp_path, "turned.csv", ["Gene", "a", "b"], [[o, 1.5, -0.5] for o in names], ","
    )
    assert list(read_screen(other, "Gene").obs_names) == GENES


@pytest.mark.parametrize("assay", ["RNA", "SCT", "g"])
def test_averages_of_seurat(assay, tmp_path):
    head = ["", *(f"{assay}.{o}" for o in ["NT", *PERTURBED])]
    rows = [[g, 1.0, *(1.0 + EFFECTS[:, j])] for j, g in enumerate(GENES)]
    path = written(tmp_path, "averages.csv", head, rows, ",")
    with pytest.raises(GraphselError, match="NT among them; turn the table by transpose=True"):
        read_screen(path)
    screen = read_screen(path, transpose=True)
    assert list(screen.obs_names) == PERTURBED and np.allclose(screen.X, EFFECTS)


@pytest.mark.parametrize("key", ["gene", "perturbation"])
def test_entrez_numbers_as_names(key, tmp_path, caplog):
    rows = [[n, x, -x] for n, x in zip([7157, 4193, 3845, 673, 1956, 4609, 1019, 5925], ONE)]
    screen = read_screen(written(tmp_path, "t.csv", [key, "r1", "r2"], rows, ","))
    assert screen.obs_names[0] == "7157" and "--aliases hgnc" in caplog.text


def test_row_numbers_are_no_names(tmp_path):
    rows = [[n, x, -x] for n, x in enumerate(ONE)]
    with pytest.raises(GraphselError):
        read_screen(written(tmp_path, "t.csv", ["gene", "r1", "r2"], rows, ","))


# ---- other files ----


def test_titles_above_the_header(tmp_path, caplog):
    table = pd.DataFrame({"perturbation": GENES, "r1": ONE, "r2": -ONE})
    path = tmp_path / "S2.csv"
    path.write_text("Supplementary Table 2. Effects,,\n,,\n" + table.to_csv(index=False))
    with caplog.at_level("INFO"):
        assert np.allclose(read_screen(path).X[:, 0], ONE)
    assert "titles above the table" in caplog.text


@pytest.mark.parametrize(
    "text, says",
    [
        ("#1.2\n8\t3\nName\tDescription\tTP53\n", "remove its first two lines"),
        ("perturbation\ta\n#!{Type}T\tE\nTP53\t0.5\n", "begin with #!{"),
    ],
)
def test_tables_that_are_told_how_to_mend(text, says, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text(text)
    with pytest.raises(GraphselError) as e:
        read_screen(path)
    assert says in str(e.value)
