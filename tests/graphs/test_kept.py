"""The graph of a large text is kept, and read anew whenever anything has changed."""

import logging

import numpy as np
import pytest

from graphsel.core.errors import GraphselError
from graphsel.graphs.readers import kept
from graphsel.graphs.readers.read import read_graph


@pytest.fixture
def folder(tmp_path, monkeypatch):
    "Where graphs are kept, with room for two, of files of any size."
    place = tmp_path / "kept"
    place.mkdir()
    monkeypatch.setattr(kept, "private_folder", lambda name: place)
    monkeypatch.setattr(kept, "LEAST", 0)
    monkeypatch.setattr(kept, "MOST", 2)
    return place


def edges(path, rows):
    path.write_text("source\ttarget\tweight\n" + "".join(f"{a}\t{b}\t{w}\n" for a, b, w in rows))
    return path


def not_called(*arguments):
    raise AssertionError("it is kept")


ROWS = [("A", "B", 0.5), ("B", "C", 0.25), ("C", "D", 0.125)]


def same(a, b):
    np.testing.assert_array_equal(a.genes, b.genes)
    assert abs(a.adjacency - b.adjacency).max() == 0 and a.source == b.source
    assert a.fingerprint == b.fingerprint and a.adjacency.dtype == b.adjacency.dtype
    assert a.genes.dtype == b.genes.dtype


def test_a_graph_is_read_once(folder, tmp_path, monkeypatch, caplog):
    path = edges(tmp_path / "g.tsv", ROWS)
    first = read_graph(path)
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr("graphsel.graphs.readers.read._read_text", not_called)
    with caplog.at_level(logging.INFO, logger="graphsel"):
        same(read_graph(path), first)
    assert "g.tsv: edges" in caplog.text, "what was read is said each time"


def test_whatever_changes_is_read_anew(folder, tmp_path):
    path = edges(tmp_path / "g.tsv", ROWS)
    assert read_graph(path).n_edges == 6
    assert read_graph(path, directed=True).n_edges == 3
    assert read_graph(path, genes=(g for g in "AB")).n_edges == 2
    edges(path, ROWS[:1])
    assert read_graph(path).n_edges == 2
    assert len(list(folder.iterdir())) == 2, "the others had to make room"


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", None])
def test_damage_costs_time_only(folder, tmp_path, damage):
    path = edges(tmp_path / "g.tsv", ROWS)
    first = read_graph(path)
    (one,) = folder.iterdir()
    whole = one.read_bytes()
    one.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    same(read_graph(path), first)


def test_what_is_told_is_told_again(folder, tmp_path, caplog):
    path = edges(tmp_path / "g.tsv", [*ROWS, ("A", "A", 1.0)])
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="graphsel"):
            read_graph(path)
        told = caplog.text
    assert bool(list(folder.iterdir())) == (len(told.splitlines()) == 1)


def test_no_folder_no_keeping(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "private_folder", lambda name: None)
    assert read_graph(edges(tmp_path / "g.tsv", ROWS)).n_edges == 6
    with pytest.raises(GraphselError):
        read_graph(tmp_path / "absent.tsv")


def test_what_is_kept_has_limits_in_bytes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "ROOM", 1)
    read_graph(edges(tmp_path / "g.tsv", ROWS))
    assert not list(folder.iterdir())
