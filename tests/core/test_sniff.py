"What is told by the first lines of a text: delimiters, headers, kinds of columns; in many spellings of one table."

import gzip
import itertools

import pytest

from graphsel.core.errors import GraphselError
from graphsel.core.sniff import (
    column_kind,
    find_delimiter,
    first_lines,
    has_header,
    is_number,
    sniff,
)

ROWS = [
    ("TP53", "MDM2", "0.9"),
    ("TP53", "MYC", "0.75"),
    ("KLF1", "GATA1", "0.5"),
    ("JUN", "FOS", "1"),
]
DELIMITERS = ["\t", ",", ";", "|", " "]
SPELLINGS = [
    o for o in itertools.product(DELIMITERS, *[(True, False)] * 2) if o[::2] != (",", True)
]


def spelled(delimiter, header, comma, end):
    rows = [r[:2] + (r[2].replace(".", ","),) if comma else r for r in ROWS]
    rows = [("source", "target", "weight"), *rows] if header else rows
    return end.join(delimiter.join(r) for r in rows) + end


@pytest.mark.parametrize("delimiter,header,comma", SPELLINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_one_table_in_many_spellings(delimiter, header, comma, end, tmp_path):
    path = tmp_path / "t.dat"
    path.write_bytes(spelled(delimiter, header, comma, end).encode())
    layout = sniff(path)
    assert (layout.delimiter, layout.header, layout.comma) == (delimiter, header, comma)
    assert layout.kinds == ("text", "text", "number") and len(layout.rows) == len(ROWS)
    assert layout.names == (("source", "target", "weight") if header else ("1", "2", "3"))


@pytest.mark.parametrize(
    "first,rows,expected",
    [
        (["gene1", "gene2"], [["TP53", "MDM2"]], True),
        (["TP53", "MDM2"], [["MDM2", "MYC"]], False),
        (["A", "B"], [["B", "C"]], False),
        (["a", "b"], [["A", "B"]], True),
        (["ENSG00000000005", "ENSG00000099968"], [["ENSG00000000006", "ENSG00000104765"]], False),
        (["Regulator", "Target gene"], [["TP53", "CDKN1A"]], True),
        (["HUB", "MYC"], [["TSC", "FOS"]], None),
        (["7157", "4193"], [["672", "675"]], False),
    ],
    ids=str,
)
def test_headers(first, rows, expected):
    assert has_header(first, rows) is expected


@pytest.mark.parametrize(
    "values,kind",
    [
        (["1", "2", "3"], "rows"),
        (["0", "1"], "flag"),
        (["True", "False"], "flag"),
        (["5", "5", "900"], "integer"),
        (["1e-9", "-0.5", ".5"], "number"),
        (["-", "", "NA"], "empty"),
        (["https://a.org", "http://b.org/x"], "link"),
        (["9606.ENSP00000269305", "9606.ENSP00000258149"], "id"),
        (["HGNC:11998", "HGNC:7553"], "id"),
        (["R-HSA-69541"], "id"),
        (["P04637", "Q00987"], "id"),
        (["TP53", "MDM2"], "text"),
    ],
    ids=str,
)
def test_kinds_of_columns(values, kind):
    assert column_kind(values) == kind


def test_numbers():
    assert all(map(is_number, ("1", "-1.5e-3", ".5", "1.", "inf", "NaN")))
    assert not any(map(is_number, ("", "1,5", "1-2", "TP53", "1.2.3")))
    assert is_number("1,5", comma=True)


def test_comments_and_headers_behind_a_sign():
    layout = sniff(["# made by hand", "#node1\tnode2\tscore", "TP53\tMDM2\t0.5"])
    assert layout.names == ("node1", "node2", "score") and layout.comments == 1
    layout = sniff(["!version 2", "a\tb", "A\tB"])
    assert layout.names == ("a", "b") and layout.comments == 1


def test_quotes_protect_delimiters():
    layout = sniff(["gene,note", 'TP53,"a, b"', 'MYC,"c, d, e"'])
    assert layout.delimiter == "," and layout.column(1) == ["a, b", "c, d, e"]


def test_row_names_without_a_name():
    assert sniff([",gene,x", "0,TP53,1.5", "1,MYC,2.5"]).index
    layout = sniff(["x,y", "TP53,1.5,2", "MYC,2.5,1"])
    assert layout.index and layout.names == ("", "x", "y")


def test_files(tmp_path):
    text = "gene\tx\n" + "".join(f"G{i}\t{i}\n" for i in range(5000))
    (tmp_path / "a.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "b").write_bytes(text.encode("utf-16"))
    (tmp_path / "c").write_bytes(bytes(range(256)))
    (tmp_path / "d").write_bytes(b"")
    assert first_lines(tmp_path / "a.gz", 3) == ["gene\tx", "G0\t0", "G1\t1"]
    assert first_lines(tmp_path / "b", 2) == ["gene\tx", "G0\t0"]
    assert first_lines(tmp_path / "c") is None and first_lines(tmp_path / "d") == []
    assert sniff(tmp_path / "d").names == ()
    with pytest.raises(GraphselError, match="no text"):
        sniff(tmp_path / "c")
    with pytest.raises(GraphselError, match="no such file"):
        sniff(tmp_path / "e")
    assert find_delimiter(["just", "words"]) == ""
