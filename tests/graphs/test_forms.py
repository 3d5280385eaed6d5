"Public files in their published columns: read rightly, or refused with the way out."

import json

import pytest

from graphsel.core.errors import GraphselError
from graphsel.genes.symbols import make_aliases
from graphsel.graphs.build import from_edges
from graphsel.graphs.readers import formats, read
from graphsel.graphs.readers.read import read_graph

GENES = ["TP53", "MDM2", "KRAS", "BRAF", "EGFR", "MYC", "CDK4", "RB1"]
ENTREZ = dict(zip(GENES, ["7157", "4193", "3845", "673", "1956", "4609", "1019", "5925"]))
UNIPROT = dict(
    zip(GENES, ["P04637", "Q00987", "P01116", "P15056", "P00533", "P01106", "P11802", "P06400"])
)
ENSEMBL = {g: f"ENSG{int(n):011d}" for g, n in ENTREZ.items()}
STRING = {g: f"9606.ENSP{int(n):011d}" for g, n in ENTREZ.items()}
PAIRS = [
    ("TP53", "MDM2", 0.98),
    ("KRAS", "BRAF", 0.91),
    ("EGFR", "KRAS", 0.76),
    ("MYC", "CDK4", 0.99),
    ("CDK4", "RB1", 0.83),
    ("TP53", "MYC", 0.62),
]
EDGES = {frozenset(o[:2]) for o in PAIRS}
SETS = {f"process {i}": GENES[i : i + 3] for i in range(5)}


def table(head, rows, separator="\t"):
    return "".join(
        separator.join(map(str, row)) + "\n" for row in [*([head] if head else []), *rows]
    )


def words(text):
    return text.split()


def entries(a, b, score, taxa=("9606(human)", "9606(human)")):
    "A line of IntAct's MITAB."
    names = [f"psi-mi:{g.lower()}_x(display_long)|uniprotkb:{g}(gene name)" for g in (a, b)]
    return [
        *(f"uniprotkb:{UNIPROT.get(g.upper(), 'Q9Y6K9')}" for g in (a, b)),
        "intact:EBI-1",
        "intact:EBI-2",
        *names,
        'psi-mi:"MI:0018"(two hybrid)',
        "Smith et al. (2001)",
        "pubmed:11283351",
        *(f"taxid:{o}" for o in taxa),
        'psi-mi:"MI:0915"(physical association)',
        'psi-mi:"MI:0469"(IntAct)',
        "intact:EBI-3",
        f"intact-miscore:{score}",
    ]


def signor():
    head = words(
        "ENTITYA TYPEA IDA DATABASEA ENTITYB TYPEB IDB DATABASEB EFFECT MECHANISM RESIDUE SEQUENCE "
        "TAX_ID CELL_DATA TISSUE_DATA MODULATOR_COMPLEX TARGET_COMPLEX MODIFICATIONA MODASEQ "
        "MODIFICATIONB MODBSEQ PMID DIRECT NOTES ANNOTATOR SENTENCE SIGNOR_ID SCORE"
    )
    middle = ["up-regulates", "phosphorylation", "Ser10", "AAASBBB", "9606", *[""] * 8]
    end = ["11283351", "YES", "", "someone", "One binds the other.", "SIGNOR-1"]
    rows = [
        [a, "protein", UNIPROT[a], "UNIPROT", b, "protein", UNIPROT[b], "UNIPROT", *middle, *end, w]
        for a, b, w in PAIRS
    ]
    drug = ["AKT inhibitor", "chemical", "CID:1", "PUBCHEM", "EGFR", "protein", "P00533", "UNIPROT"]
    return table(head, [*rows, [*drug, *middle, *end, 0.8]])


def corum():
    head = (
        "ComplexID,ComplexName,Organism,Synonyms,Cell line,subunits(UniProt IDs),subunits(Entrez IDs),"
        "Protein complex purification method,GO ID,GO description,FunCat ID,FunCat description,"
        "subunits(Gene name),Subunits comment,PubMed ID"
    ).split(",")
    rows = [
        [
            n,
            f"{name} complex",
            "Human",
            "None",
            "None",
            ";".join(UNIPROT[g] for g in genes),
            ";".join(ENTREZ[g] for g in genes),
            "MI:0007-anti tag coimmunoprecipitation",
            "GO:0006265;GO:0045892",
            "DNA topological change;negative regulation",
            "10.01",
            "DNA processing",
            ";".join(genes),
            "None",
            "8662750",
        ]
        for n, (name, genes) in enumerate(SETS.items(), 1)
    ]
    return table(head, rows)


def msigdb():
    about = {"collection": "H", "systematicName": "M5890", "pmid": "26771021"}
    return json.dumps({k: about | {"geneSymbols": v} for k, v in SETS.items()})


def long(head, row, separator="\t"):
    "A line for each term and gene."
    return table(head, [row(k, g) for k, genes in SETS.items() for g in genes], separator)


HEADS = {  # of tables of edges: file -> columns, the row of an edge, what is said
    "BioPlex_293T.tsv": (
        [
            '"GeneA"',
            '"GeneB"',
            '"UniprotA"',
            '"UniprotB"',
            '"SymbolA"',
            '"SymbolB"',
            '"pW"',
            '"pNI"',
            '"pInt"',
        ],
        lambda a, b, w: [ENTREZ[a], ENTREZ[b], UNIPROT[a], UNIPROT[b], a, b, 1.3e-6, 1 - w, w],
        "SymbolA – SymbolB, weight: pInt",
    ),
    "dorothea.csv": (
        words("source confidence target weight"),
        lambda a, b, w: [a, "ABCDE"[len(a) % 5], b, w],
        "source – target, weight: weight",
    ),
    "GeneMANIA_report.txt": (
        ["Entity 1", "Entity 2", "Weight", "Network group", "Networks"],
        lambda a, b, w: [a, b, w / 100, "Physical Interactions", "BIOGRID-SMALL; IREF"],
        "Entity 1 – Entity 2, weight: Weight",
    ),
    "gephi.tsv": (
        words("Source Target Type Id Label Weight"),
        lambda a, b, w: [a, b, "Undirected", int(w * 999), "", w],
        "Source – Target, weight: Weight",
    ),
    "cellchat.tsv": (
        words("interaction_name pathway_name ligand receptor evidence annotation"),
        lambda a, b, w: [f"{a}_{b}", "TGFb", a, b, "KEGG: hsa04350", "Secreted Signaling"],
        "ligand – receptor, all count alike",
    ),
    "pyscenic.tsv": (
        words("TF target importance regulation"),
        lambda a, b, w: [a, b, w * 10, 1],
        "TF – target, weight: importance",
    ),
    "coessential.tsv": (
        words("gene1 gene2 pearson p_value fdr"),
        lambda a, b, w: [f"{a} ({ENTREZ[a]})", f"{b} ({ENTREZ[b]})", w, 1e-9, 1e-8],
        "weight: pearson; Entrez numbers behind the symbols are left out",
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_tables_of_edges(name, tmp_path):
    head, row, says = HEADS[name]
    path = tmp_path / name
    path.write_text(table(head, [row(*o) for o in PAIRS], "," if name.endswith(".csv") else "\t"))
    graph = read_graph(path)
    assert edges(graph) == EDGES
    assert says in graph.source["reading"]


def edges(graph):
    at = graph.adjacency.tocoo()
    return {frozenset((graph.genes[i], graph.genes[j])) for i, j in zip(at.row, at.col)}


def test_signor_keeps_proteins(tmp_path):
    path = tmp_path / "signor.tsv"
    path.write_text(signor())
    graph = read_graph(path)
    assert edges(graph) == EDGES
    assert "1 of 7 rows are not between two genes" in graph.source["reading"]


# ---- identifiers ----

NUMBERED = {
    "humannet.tsv": table(
        ["#EntrezGeneID1", "EntrezGeneID2", "LLS"],
        [[ENTREZ[a], ENTREZ[b], w * 4] for a, b, w in PAIRS],
    ),
    "HumanNet-FN.tsv": table(None, [[ENTREZ[a], ENTREZ[b], w * 4] for a, b, w in PAIRS]),
    "hetionet.sif": table(
        words("source metaedge target"),
        [
            *([f"Gene::{ENTREZ[a]}", "GiG", f"Gene::{ENTREZ[b]}"] for a, b, _ in PAIRS),
            ["Gene::9021", "GpBP", "Biological Process::GO:0071357"],
            ["Disease::DOID:10652", "DaG", "Gene::7157"],
        ],
    ),
    "edges_of_kegg.tsv": table(
        None, [[f"hsa:{ENTREZ[a]}", f"hsa:{ENTREZ[b]}"] for a, b, _ in PAIRS]
    ),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_numbers_are_told_and_bare(name, tmp_path, caplog):
    path = tmp_path / name
    path.write_text(NUMBERED[name])
    graph = read_graph(path)
    assert edges(graph) == {frozenset(ENTREZ[g] for g in pair) for pair in EDGES}
    assert "its genes are numbers" in caplog.text and "--aliases" in caplog.text


def test_a_fusion_is_no_kind_of_gene(tmp_path):
    path = tmp_path / "fusions.csv"
    path.write_text("source,target\nBCR::ABL1,ABL1\nABL1,CRK\nCRK,BCR\n")
    assert "BCR::ABL1" in read_graph(path)


# ---- species ----


def mixed(name):
    "Human pairs, two of the mouse, one of a human gene and a virus; as MITAB or as BioGRID's table."
    taxa = [("9606", "9606")] * 6 + [("10090", "10090")] * 2 + [("9606", "333760")]
    pairs = [*PAIRS, ("Trp53", "Mdm2", 0.5), ("Kras", "Braf", 0.5), ("TP53", "E6", 0.7)]
    if name == "intact.txt":
        rows = [entries(*o, [f"{t}(x)" for t in both]) for o, both in zip(pairs, taxa)]
        head = [f"column {i}" for i in range(13)] + ["id", "Confidence value(s)"]
        return table(["#ID(s) interactor A", "ID(s) interactor B", *head[2:]], rows)
    head = "#BioGRID Interaction ID,Official Symbol Interactor A,Official Symbol Interactor B"
    head = [*head.split(","), "Organism ID Interactor A", "Organism ID Interactor B"]
    return table(head, [[100, a, b, *both] for (a, b, _), both in zip(pairs, taxa)])


@pytest.mark.parametrize("name", ["intact.txt", "biogrid.tab3.txt"])
def test_species_are_told_and_one_is_kept(name, tmp_path, caplog):
    path = tmp_path / name
    path.write_text(mixed(name))
    graph = read_graph(path)
    assert len(edges(graph)) == 9
    assert "several species (9606 in 6 rows" in caplog.text and "taxon=9606" in caplog.text
    assert edges(read_graph(path, taxon=9606)) == EDGES
    with pytest.raises(GraphselError, match="no row of species 7227; it has"):
        read_graph(path, taxon=7227)


def test_a_species_that_no_column_says(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("source,target\nA,B\nB,C\n")
    with pytest.raises(GraphselError, match="no column says the species"):
        read_graph(path, taxon=9606)


# ---- gene sets ----

SET_FILES = {
    "h.all.v2024.1.Hs.json": (msigdb(), "gene sets in JSON: 5 sets"),
    "enrichr.json": (json.dumps(SETS), "gene sets in JSON"),
    "weights.json": (json.dumps({k: dict.fromkeys(v, 0.5) for k, v in SETS.items()}), "JSON"),
    "sets.gmx": (
        table(list(SETS), [["na"] * len(SETS), *zip(*SETS.values())]),
        "gene sets, a column each",
    ),
    "sets.txt": (
        table(list(SETS), [["na"] * len(SETS), *zip(*SETS.values())]),
        "gene sets, a column each",
    ),
    "coreComplexes.txt": (corum(), "terms (ComplexID) of genes (subunits(Gene name))"),
    "humap2.csv": (
        table(
            words("HuMAP2_ID Confidence Uniprot_ACCs genenames"),
            [
                [f"HuMAP2_{i:05d}", 1 + i % 3, " ".join(UNIPROT[g] for g in v), " ".join(v)]
                for i, v in enumerate(SETS.values())
            ],
            ",",
        ),
        "terms (HuMAP2_ID) of genes (genenames)",
    ),
    "mart_export.txt": (
        long(
            ["Gene stable ID", "Gene name", "GO term accession", "GO term name"],
            lambda k, g: [ENSEMBL[g], g, f"GO:000000{k[-1]}", k],
        ),
        "terms (GO term accession) of genes (Gene name)",
    ),
    "disgenet.tsv": (
        long(
            words("geneId geneSymbol DSI DPI diseaseId diseaseName diseaseType score"),
            lambda k, g: [ENTREZ[g], g, 0.5, 0.7, f"C000{k[-1]}", k, "disease", 0.4],
        ),
        "terms (diseaseId) of genes (geneSymbol)",
    ),
    "families.txt": (
        long(
            ["HGNC ID", "Approved symbol", "Approved name", "Group ID", "Group name"],
            lambda k, g: [f"HGNC:{ENTREZ[g]}", g, f"protein {g}", k[-1], k],
        ),
        "terms (Group ID) of genes (Approved symbol)",
    ),
    "metascape.txt": (
        table(
            [
                "GroupID",
                "Category",
                "Term",
                "Description",
                "LogP",
                "InTerm_InList",
                "Genes",
                "Symbols",
            ],
            [
                [
                    "1_Member",
                    "GO",
                    f"GO:000{i}",
                    k,
                    -8.2,
                    "3/100",
                    ",".join(ENTREZ[g] for g in v),
                    ",".join(v),
                ]
                for i, (k, v) in enumerate(SETS.items())
            ],
        ),
        "terms (Term) of genes (Symbols)",
    ),
    "clusterProfiler.csv": (
        table(
            [
                "",
                "ID",
                "Description",
                "GeneRatio",
                "BgRatio",
                "pvalue",
                "p.adjust",
                "geneID",
                "Count",
            ],
            [
                [f"GO:{i}", f"GO:000{i}", k, "3/8", "100/20000", 1e-5, 1e-3, "/".join(v), 3]
                for i, (k, v) in enumerate(SETS.items())
            ],
            ",",
        ),
        "terms (ID) of genes (geneID)",
    ),
}


@pytest.mark.parametrize("name", SET_FILES)
def test_gene_sets(name, tmp_path):
    text, says = SET_FILES[name]
    path = tmp_path / name
    path.write_text(text)
    graph = read_graph(path)
    (tmp_path / "plain.gmt").write_text(table(None, [[k, "x", *v] for k, v in SETS.items()]))
    assert graph.fingerprint == read_graph(tmp_path / "plain.gmt").fingerprint
    assert says in graph.source["reading"]


@pytest.mark.parametrize("flip", [False, True])
def test_pathways_of_kegg(flip, tmp_path, caplog):
    rows = [(f"path:hsa0410{k[-1]}", f"hsa:{ENTREZ[g]}") for k, v in SETS.items() for g in v]
    path = tmp_path / "link.txt"
    path.write_text(table(None, [row[::-1] for row in rows] if flip else rows))
    graph = read_graph(path)
    assert set(graph.genes) == {ENTREZ[g] for v in SETS.values() for g in v}
    assert "gene sets: 5 terms" in graph.source["reading"] and "numbers" in caplog.text


def test_entrez_numbers_in_gene_sets_are_told(tmp_path, caplog):
    path = tmp_path / "wikipathways.gmt"
    link = "https://www.wikipathways.org/instance/WP554"
    rows = [
        [f"{k}%WP55{k[-1]}%Homo sapiens", link, *(ENTREZ[g] for g in v)] for k, v in SETS.items()
    ]
    path.write_text(table(None, rows))
    assert len(read_graph(path)) == 7
    assert "its genes are numbers" in caplog.text


def test_columns_of_any_name_by_the_option(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(long(["Thing", "Where", "Note"], lambda k, g: [g, k, "seen twice"], ","))
    with pytest.raises(GraphselError) as e:
        read_graph(path, kind="terms")
    assert "--columns term=A,gene=B" in str(e.value)
    graph = read_graph(path, columns="term=Where,gene=Thing")
    assert graph.source["reading"].startswith("gene sets: 5 terms (Where) of genes (Thing)")
    with pytest.raises(GraphselError, match="one column"):
        read_graph(path, columns="term=Where,gene=Where")


# ---- what is no graph ----

REFUSED = {
    "9606.protein.aliases.v12.0.txt": (
        "#string_protein_id\talias\tsource\n",
        "leave this one beside it",
    ),
    "9606.protein.enrichment.terms.v12.0.txt": (
        "#string_protein_id\tcategory\tterm\tdescription\n",
        "give the file of links, or gene sets",
    ),
    "9606.clusters.proteins.v12.0.txt": ("#string_taxon_id\tcluster_id\tprotein_id\n", "gene sets"),
    "identifier_mappings.txt": ("Preferred_Name\tName\tSource\n", "give the file of weights"),
    "gene_attribute_edges.txt": (
        "source\tsource_desc\tsource_id\ttarget\ttarget_desc\ttarget_id\tweight\n",
        "gene_set_library_crisp.gmt",
    ),
    "goa_human.gpad": ("!gpa-version: 1.1\nUniProtKB\tP04637\n", "as .gaf"),
    "network.txt": ('<?xml version="1.0"?>\n<graphml>\n', "read_graphml"),
    "network.graphml": ('<?xml version="1.0"?>\n', "networkx.read_graphml"),
    "hgnc_complete_set.txt": ("hgnc_id\tsymbol\tname\tlocus_group\n", "--aliases"),
    "edges.csv": ("SUID,interaction,name,selected,shared name\n", "as SIF"),
    "perseus.txt": ("Source\tTarget\tScore\n#!{Type}C\tC\tN\nTP53\tMDM2\t0.5\n", "remove them"),
    "network.cx2": ("[{}]", "no graph is read from .cx2"),
    "network.json": ('{"elements": {"nodes": [], "edges": []}}', "SIF"),
    "half.json": ('{"A": ["TP53", "MD', "no whole JSON"),
    "twice.json": ('{"A": ["TP53", "MDM2"], "A": ["MYC", "MAX"]}', "stands twice"),
    "twice.gmx": ("A\tA\nna\tna\nTP53\tMDM2\n", "stands twice"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_graph_is_told(name, tmp_path):
    text, says = REFUSED[name]
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(GraphselError) as e:
        read_graph(path)
    assert says in str(e.value) and "\n" not in str(e.value)


def test_titles_above_the_header_are_passed_over(tmp_path, caplog):
    path = tmp_path / "S3.csv"
    path.write_text(
        "Supplementary Table 3: interactions,,\n,,\n"
        + table(["Gene A", "Gene B", "Score"], PAIRS, ",")
    )
    with caplog.at_level("INFO"):
        assert edges(read_graph(path)) == EDGES
    assert "titles above the table" in caplog.text


def test_a_graph_without_edges_is_told(tmp_path, caplog):
    path = tmp_path / "s.gmt"
    path.write_text("a\tx\tTP53\nb\tx\tMDM2\nc\tx\tMYC\n")
    read_graph(path)
    assert "no two of its 3 genes are joined" in caplog.text


def test_sets_as_columns_without_descriptions_are_no_lines_of_sets(tmp_path):
    path = tmp_path / "wide.txt"
    rows = [GENES[i : i + 4] for i in range(5)]
    path.write_text(table(["Cell cycle", "Apoptosis", "Hypoxia", "P53 targets"], rows))
    with pytest.raises(GraphselError):
        read_graph(path)


# ---- numbers become symbols by a table ----


@pytest.mark.parametrize("kind", [ENTREZ, UNIPROT, ENSEMBL])
def test_identifiers_become_symbols_by_a_table(kind, tmp_path, caplog):
    path = tmp_path / "e.tsv"
    path.write_text(
        table(["source", "target", "weight"], [[kind[a], kind[b], w] for a, b, w in PAIRS])
    )
    names = make_aliases([(kind[g], g) for g in GENES if g != "RB1"], (), "names.tsv")
    with caplog.at_level("INFO"):
        graph = read_graph(path, aliases=names)
    assert set(graph.genes) == {*GENES, kind["RB1"]} - {"RB1"}
    assert "7 of 8 genes translated by names.tsv" in caplog.text
    assert f"1 keep their name: {kind['RB1']}" in caplog.text
    part = read_graph(path, aliases=names, genes=["TP53", "MDM2", "MYC"])
    assert edges(part) == {frozenset(o) for o in (("TP53", "MDM2"), ("TP53", "MYC"))}


def test_a_graph_of_symbols_stays(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("source,target\nTP53,MDM2\nP53,MYC\n")
    names = make_aliases([("P53", "TP53")], ["MDM2", "MYC"])
    assert "P53" in read_graph(path, aliases=names)


# ---- kinds of one's own ----


def test_a_kind_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "FORMATS", dict(formats.FORMATS))
    monkeypatch.setattr(read, "FORMATS", formats.FORMATS)

    @formats.graph_format("arrows", lambda look: "->" in look.lines[0], settles=True)
    def read_arrows(look, *, genes=None, directed=False):
        pairs = [o.split("->") for o in look.path.read_text().split()]
        return from_edges(*zip(*pairs), genes=genes, directed=directed, name=look.name)

    path = tmp_path / "e.txt"
    path.write_text("TP53->MDM2\nMDM2->MYC\n")
    assert len(edges(read_graph(path))) == 2
    assert len(read_graph(path, genes=["TP53", "MDM2"], kind="arrows")) == 2
    with pytest.raises(GraphselError, match="know no option 'taxon'"):
        read_graph(path, taxon=9606)
    with pytest.raises(GraphselError, match="have no weights"):
        read_graph(path, weight="none")
