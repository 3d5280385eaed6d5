"""Lists as people have them: every spelling gives the same genes; what cannot be known is refused."""

import csv
import datetime
import gzip
import io
import logging
import zipfile

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.core.files import read_text
from graphsel.genes.lists import (
    cost_currency,
    GENE_COLUMNS,
    expand_patterns,
    find_rows,
    list_text,
    parse_costs,
    parse_genes,
    parse_pairs,
    read_costs,
    read_gene_list,
    read_pairs,
    split_rows,
)

SYMBOLS = st.from_regex(
    r"[A-Za-z][A-Za-z0-9.-]{0,6}[0-9](\+[A-Z]{2,4}[0-9])?", fullmatch=True
)  # a number at the end: no name of a column
GENES = st.lists(SYMBOLS, min_size=1, max_size=8, unique=True)
HEADERS = st.sampled_from(
    [
        "gene",
        "Gene",
        "GENES",
        "Symbol",
        "gene_symbol",
        "Gene Symbol",
        "GeneSymbol",
        "gene name",
        "Gene.Name",
        "target",
        "perturbation",
    ]
)
ENDS, SEPARATORS, MARK = (
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["", "\ufeff"]),
)
TEXT = st.text(st.sampled_from("abc XYZ,;\t#\"'0.5é"), max_size=8)
COSTS = st.integers(1, 10**6).map(lambda n: n / 1000)


def table(head, rows, separator, end, quoting=csv.QUOTE_MINIMAL):
    "A CSV as programs write it; what a reader could take for a comment is quoted."
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=separator,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if any("#" in str(f) for row in rows for f in row) else quoting,
    )
    writer.writerows([head, *rows])
    return out.getvalue()


# ---- one list, many spellings ----


@given(
    genes=GENES,
    head=HEADERS,
    separator=SEPARATORS,
    end=ENDS,
    mark=MARK,
    quote=st.booleans(),
    notes=st.lists(TEXT, min_size=8, max_size=8),
    first=st.booleans(),
)
def test_a_table_of_genes(genes, head, separator, end, mark, quote, notes, first):
    order = (lambda a, b: (a, b)) if first else (lambda a, b: (b, a))
    text = mark + table(
        order(head, "comment, in words"),
        [order(g, n) for g, n in zip(genes, notes)],
        separator,
        end,
        csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL,
    )
    assert parse_genes(text) == genes


@given(
    genes=GENES,
    head=st.one_of(st.none(), HEADERS),
    end=ENDS,
    mark=MARK,
    quote=st.booleans(),
    comment=st.booleans(),
    blank=st.booleans(),
)
def test_one_name_a_line(genes, head, end, mark, quote, comment, blank):
    lines = [f'"{g}"' if quote else g for g in ([head] if head else []) + genes]
    if comment:
        lines = ["# my list, of today", *(f"{line}  # why not" for line in lines)]
    if blank:
        lines = [o for line in lines for o in (f" {line} ", "", "  ")]
    assert parse_genes(mark + end.join(lines) + end * blank) == genes


@given(
    genes=GENES,
    between=st.sampled_from([" ", "  ", ",", ", ", ";", "; ", "\t", " ,\t"]),
    mark=MARK,
    last=st.sampled_from(["", ",", "\n", " "]),
)
def test_names_on_one_line(genes, between, mark, last):
    assert parse_genes(mark + between.join(genes) + last) == genes


@given(
    genes=st.lists(SYMBOLS, min_size=3, max_size=12, unique=True), width=st.integers(1, 5), end=ENDS
)
def test_names_in_a_paragraph(genes, width, end):
    rows = [genes[i : i + width] for i in range(0, len(genes), width)]
    assert parse_genes(f",{end}".join(", ".join(row) for row in rows)) == genes


@given(
    costs=st.dictionaries(SYMBOLS, COSTS, min_size=1, max_size=8),
    head=st.one_of(st.none(), HEADERS),
    separator=st.sampled_from([",", ";", "\t", " "]),
    end=ENDS,
    mark=MARK,
    quote=st.booleans(),
    comma=st.booleans(),
)
def test_costs(costs, head, separator, end, mark, quote, comma):
    number = lambda c: str(c).replace(".", ",") if comma and separator != "," else str(c)
    rows = [(g, number(c)) for g, c in costs.items()]
    head = head.replace(" ", "_") if head and separator == " " else head
    text = table(
        (head, "Cost"), rows, separator, end, csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL
    )
    if head is None:
        text = end.join(text.split(end)[1:])
    assert parse_costs(mark + text) == costs
    assert parse_pairs(mark + text, "cost") == dict(rows)


@given(
    rows=st.lists(st.lists(TEXT, min_size=2, max_size=4), max_size=6),
    separator=st.sampled_from([",", ";", "\t"]),
)
def test_quoted_fields_are_those_of_the_csv_module(rows, separator):
    text = table(["a", "b"], rows, separator, "\n", csv.QUOTE_ALL)
    expected = [
        [f.strip() for f in row] for row in csv.reader(io.StringIO(text), delimiter=separator)
    ]
    assert [fields for _, fields in split_rows(text, separator)] == [
        row for row in expected if any(row)
    ]


@given(text=st.text(st.sampled_from('ab ,;\t#\n"1.+\ufeff'), max_size=40))
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text):
    for read in (parse_genes, parse_costs, lambda t: parse_pairs(t, "group")):
        try:
            found = read(text)
        except GraphselError as e:
            assert "\n" not in str(e) and len(str(e)) < 300
        else:
            assert found is None or all(n and n == n.strip() for n in found)
    for separator in ("", "\t", ";", ",", " ", "\t,;"):
        unquoted = text.replace('"', "")
        assert (
            list(split_rows(unquoted, separator))
            == list(split_rows(unquoted + '\n"', separator))[:-1]
        ), "with a quote somewhere another path is taken"


# ---- what is meant ----


@pytest.mark.parametrize(
    "text,genes",
    [
        ("gene\tcomment\nKRAS\ta, b; c\nMYC\n", ["KRAS", "MYC"]),
        ("A + B, C", ["A+B", "C"]),
        ("gene\nA + B\nmy construct\n", ["A+B", "my construct"]),
        ("guide,gene,symbol\ng1,ENSG1,KRAS", ["ENSG1"]),
        ("perturbation,x,y\nKRAS,0.1,2\nA+B,0.3,1", ["KRAS", "A+B"]),
        ("gene,cost\nKRAS,2\n,3\n", ["KRAS"]),
        ('"gene" "score"\n"1" "KRAS" 2\n"2" "MYC" 1\n', ["KRAS", "MYC"]),
        ("7157\n4609", ["7157", "4609"]),
        ("KRAS\n4609", ["KRAS", "4609"]),
        ('"KRAS","MYC"', ["KRAS", "MYC"]),
        ("gene;;\nKRAS;;\n", ["KRAS"]),
        ("KRAS;\nMYC;\n", ["KRAS", "MYC"]),
        ("", []),
        ("\n# nothing\n", []),
        ("gene\n", []),
        ("KRAS\u2028MYC\x0bTP53", ["KRAS", "MYC", "TP53"]),
        ('gene,note\n"KRAS","two\nlines # here"\nMYC,x', ["KRAS", "MYC"]),
        ('gene,note\nKRAS,5" long\nMYC,x', ["KRAS", "MYC"]),
        ("gene\nKRAS, MYC\nTP53", ["KRAS", "MYC", "TP53"]),
    ],
)
def test_what_is_meant(text, genes):
    assert parse_genes(text) == genes


def test_duplicates_are_told_once(caplog):
    with caplog.at_level(logging.INFO, "graphsel"):
        assert parse_genes("A\nB\nA\nA", "mine.txt") == ["A", "B"] and parse_genes(
            "A B A B", "other"
        ) == ["A", "B"]
    assert [r.getMessage() for r in caplog.records] == [
        "mine.txt: 1 name stands twice; taken once: A",
        "other: 2 names stand twice; taken once: A, B",
    ]


# ---- what is refused ----


@pytest.mark.parametrize(
    "text",
    [
        "KRAS,2\nMYC,1.5",
        "KRAS\tgood\nMYC\tbad",
        "KRAS, my favorite\nMYC, another one",
        "Supplement 1\nx;y\nKRAS;2",
        "hit,score\nKRAS,1\nMYC,2",
        "a b\nc d",
        "KRAS\tx\nMYC",
        "KRAS,\nMYC,2",
    ],
)
def test_tables_need_a_column_of_genes(text):
    with pytest.raises(
        GraphselError, match="mine.csv has 2 columns and no column 'gene' .*name the column"
    ):
        parse_genes(text, "mine.csv")


@pytest.mark.parametrize(
    "text,says",
    [
        ("MYC;2\nTP53;dear", "costs, line 2: the cost 'dear' of TP53 is not a number"),
        ("gene,cost\nMYC,1,5", "line 2: 3 fields for 2 columns"),
        ("MYC,1,5", "line 1: 3 fields"),
        ('gene,cost\nMYC,"1,5"', "'1,5' of MYC"),
        (
            "Gene;Weight\nMYC;2",
            "costs has the columns Gene, Weight; name the column of genes 'gene' and that of the values 'cost'",
        ),
        ("Hits\tCost\nMYC\t2", "the columns Hits, Cost; name the column of genes 'gene'"),
        ("gene\nMYC", "the columns gene"),
        ("MYC,2\n\n# x\nMYC,3", "line 4: MYC stands twice, with '2' and '3'"),
        ("gene,cost\n,2", "line 2: no gene"),
        ("MYC", "line 1: the cost '' of MYC"),
        ("gene\tcost\nMYC\t1.23,5", "line 2"),
        ("x" * 2000 + ",y", "…' of|of xxx"),
    ],
)
def test_costs_that_are_refused(text, says):
    with pytest.raises(GraphselError, match=says) as e:
        parse_costs(text)
    assert len(str(e.value)) < 300


def test_a_long_line_is_cut_in_messages():
    with pytest.raises(GraphselError) as e:
        parse_genes("a b\n" + "x" * 3000 + " " + "y" * 3000)
    assert len(str(e.value)) < 300
    with pytest.raises(GraphselError) as e:
        parse_genes("x" * 3000 + " 1\n" + "y" * 3000 + " 2")
    assert len(str(e.value)) < 300


# ---- files ----


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with mark", "utf-16-be with mark"]
)
@pytest.mark.parametrize("name", ["mine.csv", "mine.txt", "mine", "mine.csv.gz"])
def test_encodings(tmp_path, encoding, name):
    text = "Gène;Gene;Cost\r\nx;MYC;1,5\r\ny;A+B;2\r\n"
    plain, _, marked = encoding.partition(" ")
    content = ("\ufeff" * bool(marked) + text).encode(plain)
    path = write(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    assert (
        read_gene_list(path) == ["MYC", "A+B"]
        and read_costs(path) == {"MYC": 1.5, "A+B": 2.0}
        and read_pairs(path, "cost") == {"MYC": "1,5", "A+B": "2"}
    )
    assert read_text(path) == text.replace("\r\n", "\n")


def sheet(path, *sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for i, rows in enumerate(sheets):
        page = book.create_sheet(f"sheet {i}")
        for row in rows:
            page.append(row)
    book.save(path)
    return path


@given(
    genes=GENES,
    head=st.one_of(st.none(), HEADERS),
    empty=st.integers(0, 2),
    costs=st.lists(COSTS, min_size=8, max_size=8),
    notes=st.lists(TEXT, min_size=8, max_size=8),
)
@settings(max_examples=25)
def test_excel(tmp_path_factory, genes, head, empty, costs, notes):
    folder = tmp_path_factory.mktemp("excel")
    rows = [(None,) * empty + (g,) for g in genes]
    assert (
        read_gene_list(
            sheet(folder / "list.xlsx", [(None,) * empty + (head,), (), *rows] if head else rows)
        )
        == genes
    )
    if head:
        path = sheet(folder / "table.xlsx", [("note", head, "Cost"), *zip(notes, genes, costs)])
        assert read_gene_list(path) == genes and read_costs(path) == dict(zip(genes, costs))


def test_excel_in_particular(tmp_path, caplog):
    path = sheet(
        tmp_path / "a.xlsx",
        [("Gene", "Cost"), ("MYC", 2), (7157, 1.5), (datetime.datetime(2026, 9, 2), "1,5")],
        [("other",)],
    )
    assert (
        read_costs(path) == {"MYC": 2.0, "7157": 1.5, "2-Sep": 1.5}
        and "a.xlsx has 2 sheets" in caplog.text
    )
    path.rename(tmp_path / "a.txt")
    assert read_gene_list(tmp_path / "a.txt") == ["MYC", "7157", "2-Sep"], (
        "the content tells, not the name"
    )
    with pytest.raises(GraphselError, match="no column 'gene'"):
        read_gene_list(sheet(tmp_path / "b.xlsx", [("MYC", 2), ("TP53", 3)]))
    with pytest.raises(GraphselError, match="holds no gene"):
        read_gene_list(sheet(tmp_path / "c.xlsx", []))


@pytest.mark.parametrize(
    "name,content,says",
    [
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 more", "old kind"),
        ("cut.xlsx", b"PK\x03\x04 and no more", "as an Excel sheet"),
        ("utf16.txt", "KRAS\nMYC".encode("utf-16-le"), "not text"),
        ("latin.csv", b"gene;caf\xe9\nKRAS;x", "UTF-8"),
        ("binary.csv", bytes(range(256)) * 4, "cannot read"),
        ("empty.txt", b"", "holds no gene"),
        ("half.txt", b"\xff\xfeK", "cannot read"),
        ("head.csv", b"gene,cost\n", "holds no gene"),
    ],
)
def test_hostile_files(tmp_path, name, content, says):
    path = write(tmp_path / name, content)
    for read in (read_gene_list, read_costs, lambda p: read_pairs(p, "group")):
        with pytest.raises(GraphselError) as e:
            read(path)
        assert "\n" not in str(e.value) and name in str(e.value)
    with pytest.raises(GraphselError, match=says):
        read_gene_list(path)


def test_what_is_no_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "words.docx", "w") as z:
        z.writestr("word/document.xml", "<x/>")
    with pytest.raises(GraphselError, match="as an Excel sheet"):
        list_text(tmp_path / "words.docx")
    with pytest.raises(GraphselError, match="no such file"):
        list_text(tmp_path / "absent.txt")
    with pytest.raises(GraphselError, match="is a folder; give a file"):
        list_text(tmp_path)


def test_what_a_column_may_be_called():
    for name in GENE_COLUMNS:
        for spelled in (name, name.upper(), f" {name.title()} ", f"{name[:4]}_{name[4:]}"):
            assert find_rows(f"{spelled},x\nA,1").gene() == 0
    assert find_rows("id,x\nA,1").head == [] and str(find_rows("id,x\nA,1")) == "no header"


@pytest.mark.parametrize(
    "head",
    ["Approved symbol", "Annotated Gene Symbol", "Target gene name", "HGNC symbol", "Gene (human)"],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_headers_with_blanks(head, separator, at):
    row, names = ["HGNC:1", "12,5" if separator != "," else "12.5"], ["HGNC ID", "Price (EUR)"]
    names.insert(at, head)
    text = separator.join(names) + "\n"
    for gene in ("TP53", "MYC"):
        text += separator.join([*row[:at], gene, *row[at:]]) + "\n"
    assert parse_genes(text) == ["TP53", "MYC"]
    assert parse_costs(text) == {"TP53": 12.5, "MYC": 12.5}


def test_previous_symbols_are_not_gone_by():
    text = "Previous symbol,Alias symbol,Approved symbol\nA,B,TP53\n"
    assert parse_genes(text) == ["TP53"]


def test_plates():
    text = "Gene symbol;Plate;Well\nTP53;P 1;A01\nMYC;;A02\n"
    assert parse_pairs(text, "group") == {"TP53": "P 1"}


def test_empty_cells_and_short_rows_are_told(caplog):
    text = "Plate,Gene symbol,Price\nP1,TP53,2\nP1\nP2,MYC,\nP2,,3\n"
    with caplog.at_level(logging.WARNING, "graphsel"):
        assert parse_genes(text, "mine.csv") == ["TP53", "MYC"]
    assert "2 rows hold no gene, the first is line 3" in caplog.text
    with caplog.at_level(logging.WARNING, "graphsel"):
        assert parse_costs("gene,cost\nTP53,2\nMYC,\n") == {"TP53": 2.0}
    assert "no cost for MYC; they cost as much as the median of the others" in caplog.text


@pytest.mark.parametrize(
    "date", ["2-Sep", "2-SEP", "2024-09-02", "01.Sep.2024", "Sep-02", "02.09.2024", "9/2/2024"]
)
def test_dates_are_told(date, caplog):
    with caplog.at_level(logging.WARNING, "graphsel"):
        parse_genes(f"gene\nTP53\n{date}\n", "mine.csv")
        parse_pairs(f"gene,group\nTP53,1\n{date},2\n", "group", "plates.csv")
    assert caplog.text.count("is a date that a spreadsheet made") == 2


def test_patterns():
    known = ["RPL3", "RPL10", "RPS6", "MYC", "HLA-A*02"]
    assert expand_patterns(["RPL*", "MYC", "HLA-A*02"], known) == [
        "RPL3",
        "RPL10",
        "MYC",
        "HLA-A*02",
    ]
    assert expand_patterns(["rps?"], known) == ["RPS6"]
    with pytest.raises(GraphselError, match="--must: no gene fits the pattern 'XYZ"):
        expand_patterns(["XYZ*"], known, "--must")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gene,Price (EUR)\nMYC,12\n", "EUR"),
        ("gene,cost_usd\nMYC,12\n", "USD"),
        ("gene;price\nMYC;49,59 €\nTP53;3 €\n", "EUR"),
        ("gene,price\nMYC,£12.5\n", "GBP"),
        ("gene,cost\nMYC,12\nEURL,3\n", ""),
        ("MYC,2\nTP53,3\n", ""),
    ],
)
def test_the_currency_of_costs(tmp_path, text, says):
    path = tmp_path / "prices.csv"
    path.write_text(text, encoding="utf-8")
    assert cost_currency(path) == says
    path.write_text("gene,cost\nMYC,12 EUR\nTP53,$5\n", encoding="utf-8")
    with pytest.raises(GraphselError, match="EUR, USD"):
        cost_currency(path)


def test_a_price_list_in_other_words(tmp_path):
    path = tmp_path / "preise.csv"
    path.write_text("Nr.;Gen;Preis (EUR)\n1;MYC;12,50\n2;TP53;1.250,00\n", encoding="utf-8")
    with path.open("a", encoding="utf-8") as f:
        f.write("3;MYC;12,50\n")  # as in a list of guides
    assert read_costs(path) == {"MYC": 12.5, "TP53": 1250.0} and cost_currency(path) == "EUR"
    assert read_gene_list(path) == ["MYC", "TP53"]


def test_a_list_that_is_no_file():
    with pytest.raises(GraphselError, match="no such file: MYC,TP53; a list is a file, with one"):
        read_gene_list("MYC,TP53")


@pytest.mark.parametrize(
    "text",
    [
        "gene;price\nTP53;61,50\nMYC;40,00\nSumme;101,50",
        "gene\tprice\nTP53\t61.5\nMYC\t40\n合計\t101.5",
        "gene,price\nTP53,61.5\nMYC,40\nGrand total:,101.5",
        "gene;Preis\nTP53;61,50 EUR\nMYC;40,00 EUR\n;101,50 EUR",
        "TP53 61.5\nMYC 40\nTotal 101.5",
    ],
)
def test_the_sum_at_the_end_of_a_price_list_is_no_gene(text, caplog):
    caplog.set_level("INFO")
    assert parse_costs(text) == {"TP53": 61.5, "MYC": 40.0}
    assert "is the sum of the others; left out" in caplog.text


def test_a_last_row_that_only_looks_like_a_sum_stays():
    assert parse_costs("gene,cost\nA,1\nB,2\nC,3") == {"A": 1.0, "B": 2.0, "C": 3.0}  # a gene
    assert "Total" in parse_costs("gene,cost\nA,1\nB,2\nTotal,4")  # no sum: the graph refuses it
    with pytest.raises(GraphselError, match="no gene; fill or remove the line"):
        parse_costs("gene,cost\nA,1\nB,2\n,4")


def test_a_title_above_the_header_of_a_sheet_is_passed_over(tmp_path):
    "As a laboratory has it: a title over all columns, a row of merged headings, prices with commas, a sum."
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["A1"], sheet["A2"], sheet["C2"] = "Bibliothek, Stand 12.3.2025", "Zielgen", "Bestellung"
    for cells in ("A1:D1", "A2:B2", "C2:D2"):
        sheet.merge_cells(cells)
    sheet.append(["Symbol", "Name", "Preis (EUR)", "Bemerkung"])
    sheet.append(["TP53", "tumor protein", "61,50", ""])
    sheet.append(["MYC", "", "1.040,00", "teuer"])
    sheet.append(["Summe", None, "1.101,50", None])
    book.save(tmp_path / "bibliothek.xlsx")
    assert read_costs(tmp_path / "bibliothek.xlsx") == {"TP53": 61.5, "MYC": 1040.0}
    assert read_gene_list(tmp_path / "bibliothek.xlsx")[:2] == ["TP53", "MYC"]


def test_a_row_of_data_is_no_header():
    assert parse_costs("A,1\nB,2\nC,4") == {"A": 1.0, "B": 2.0, "C": 4.0}
    assert parse_genes("TP53\nMYC\ngene") == ["TP53", "MYC", "gene"]  # one column: no table
    assert parse_costs("gene,cost\nA,1\nB,2") == {"A": 1.0, "B": 2.0}
