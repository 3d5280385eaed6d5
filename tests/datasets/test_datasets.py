"""The registry, and a server that misbehaves in every way known: pages for data, refusals, cut and changed files,
broken connections. No test needs the internet."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphsel.datasets.download as downloads
import graphsel.datasets.load as datasets
from graphsel.cli.main import main
from graphsel.core.errors import GraphselError
from graphsel.datasets.download import (
    Remote,
    check_file,
    download,
    known_checksum,
    size_text,
    what_is_wrong,
)
from graphsel.datasets.load import fetch, load_graph, load_names, load_screen, read_pseudobulk
from graphsel.datasets.registry import (
    GRAPHS,
    SCREENS,
    Dataset,
    data_folders,
    find_dataset,
    find_file,
    list_datasets,
)

TABLE = b"source\ttarget\n" + b"".join(b"G%d\tG%d\n" % (i, i + 1) for i in range(20_000))
PAGE = b"<!DOCTYPE html>\n<html><head><title>Are you human?</title></head></html>"


class Server(ThreadingHTTPServer):
    "Sends `body`; what else it does is said by the other attributes."

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.reset()
        Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def reset(self):
        self.body, self.status, self.headers, self.etag, self.date = TABLE, 200, {}, '"one"', None
        self.ranges, self.announce, self.stop_at, self.asked, self.then = True, True, None, [], None

    def remote(self, file="edges.tsv", **options):
        return Remote(f"http://127.0.0.1:{self.server_port}/{file}", file, **options)

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        s, asked = self.server, self.headers.get("Range")
        s.asked.append(asked)
        status, start = s.status, 0
        if (
            asked
            and s.ranges
            and status == 200
            and self.headers.get("If-Range") in (s.etag, s.date)
        ):
            start = int(asked[6:-1])
            status = 206 if start < len(s.body) else 416
        body = s.body[start:] if status != 416 else b""
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(s.body) - 1}/{len(s.body)}")
        if s.etag:
            self.send_header("ETag", s.etag)
        if s.date:
            self.send_header("Last-Modified", s.date)
        if s.announce:
            self.send_header("Content-Length", str(len(body)))
        for k, v in s.headers.items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body if s.stop_at is None else body[: max(0, s.stop_at - start)])
        if s.then:
            s.then(s)  # e.g. behave from now on

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(
        downloads, "time", SimpleNamespace(sleep=lambda seconds: None, monotonic=monotonic)
    )
    s = Server()
    yield s
    s.shutdown()
    s.server_close()


def left(folder):
    return sorted(
        p.name for p in Path(folder).rglob("*") if p.is_file() and not p.name.endswith(".lock")
    )


def refused(server, folder, *words, **options):
    "The message with which a download is refused, all `words` in it."
    with pytest.raises(GraphselError) as e:
        download(server.remote(**options), folder)
    for w in words:
        assert w in str(e.value), str(e.value)
    return str(e.value)


def well(server):
    server.stop_at, server.status, server.then = None, 200, None


# ---- the registry ----


def test_registry_is_complete():
    for kind in ("screen", "graph", "names"):
        names = [d.name for d in (*SCREENS, *GRAPHS) if d.kind == kind]
        assert len(names) == len(set(names)) > 0
    addresses = {}
    for d in (*SCREENS, *GRAPHS):
        assert d.about and d.license and d.reader in datasets.READERS
        assert bool(d.doi) == bool(d.files)
        for r in d.files:
            assert r.url.startswith("https://") and addresses.setdefault(r.file, r.url) == r.url
            assert r.member is None or (
                r.file.endswith(".zip") and addresses.setdefault(r.member, r.url) == r.url
            )
            if r.checksum:
                algorithm, _, digest = r.checksum.partition(":")
                assert len(digest) == {"md5": 32, "sha256": 64}[algorithm] and set(digest) <= set(
                    "0123456789abcdef"
                )
    wanted = {
        "adamson",
        "norman",
        "dixit",
        "replogle-k562",
        "replogle-rpe1",
        "replogle-k562-genome",
    }
    assert wanted <= {d.name for d in SCREENS} and {
        "go-human",
        "string-human",
        "reactome-human",
    } <= {d.name for d in GRAPHS}


def test_unknown_names():
    with pytest.raises(GraphselError, match="did you mean 'norman'"):
        find_dataset("norma")
    with pytest.raises(GraphselError, match="unknown graph 'norman'"):
        find_dataset("norman", "graph")
    assert (
        find_dataset("simulated", "graph").kind == "graph"
        and find_dataset("simulated", "screen").kind == "screen"
    )


def test_sizes():
    assert [size_text(n) for n in (None, 0, 999, 1_500, 168_758_985, 2_228_610_012)] == [
        "?",
        "0 bytes",
        "999 bytes",
        "2 kB",
        "169 MB",
        "2.2 GB",
    ]


# ---- where files are ----


def test_folders_and_presence(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHSEL_DATA", str(tmp_path / "mine"))
    assert (
        data_folders()[0] == tmp_path / "mine"
        and len(data_folders()) == 2
        and data_folders(tmp_path) == [tmp_path]
    )
    monkeypatch.delenv("GRAPHSEL_DATA")
    assert len(data_folders()) == 1 and data_folders()[0].is_absolute()
    here = list_datasets(tmp_path).set_index(["name", "kind"])["here"]
    assert here["simulated", "screen"] == "yes" and set(here.drop("simulated", level="name")) == {
        "no"
    }
    for r in find_dataset("string-human").files[:1]:
        (tmp_path / r.file).touch()
    (tmp_path / "dixit").mkdir()
    (tmp_path / "dixit" / "perturb_processed.h5ad").touch()  # where GEARS keeps it
    here = list_datasets(tmp_path).set_index(["name", "kind"])["here"]
    assert here["string-human", "graph"] == "1 of 2 files" and here["dixit", "screen"] == "yes"


def test_found_in_order(tmp_path):
    remote, folders = (
        Remote("https://x.org/a.zip", "a.zip", member="a/b.tsv"),
        [tmp_path / "one", tmp_path / "two"],
    )
    assert find_file(remote, folders) is None
    for f in folders:
        f.mkdir()
    (folders[1] / "a.zip").touch()
    assert find_file(remote, folders) == folders[1] / "a.zip"
    (folders[0] / "a.zip").touch()
    assert find_file(remote, folders) == folders[0] / "a.zip"
    (folders[1] / "a").mkdir()
    (folders[1] / "a" / "b.tsv").touch()
    assert find_file(remote, folders) == folders[1] / "a" / "b.tsv"


def test_downloads_go_where_one_can_write(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GRAPHSEL_DATA", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        datasets, "data_folders", lambda folder=None: [tmp_path / "file", tmp_path / "cache"]
    )
    assert fetch(one(server))[0] == tmp_path / "cache" / "edges.tsv"
    monkeypatch.setattr(datasets, "data_folders", lambda folder=None: [tmp_path / "file"])
    with pytest.raises(GraphselError, match="cannot write to .*set GRAPHSEL_DATA"):
        fetch(one(server))


# ---- a download that goes well ----


def one(server, file="edges.tsv", **options):
    return Dataset(
        "mine", "graph", "a test", (server.remote(file, **options),), "10.1/x", "CC0", "edges"
    )


def test_download(server, tmp_path):
    path = download(server.remote(), tmp_path / "new" / "folder")
    assert path.read_bytes() == TABLE and server.asked == [None]
    assert left(tmp_path) == ["edges.tsv", "edges.tsv.json"]
    note = json.loads((path.parent / "edges.tsv.json").read_text())
    assert (
        note["size"] == len(TABLE)
        and note["sha256"] == hashlib.sha256(TABLE).hexdigest()
        and note["url"] == server.remote().url
    )
    assert download(server.remote(), path.parent) == path and len(server.asked) == 1  # it is here
    fetch(one(server), folder=path.parent)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "checksum",
    [f"md5:{hashlib.md5(TABLE).hexdigest()}", f"sha256:{hashlib.sha256(TABLE).hexdigest()}"],
)
def test_right_checksum(server, tmp_path, checksum):
    assert download(server.remote(checksum=checksum), tmp_path).read_bytes() == TABLE


def test_without_length_or_tag(server, tmp_path):
    server.announce, server.etag = False, None
    assert download(server.remote(), tmp_path).read_bytes() == TABLE


def test_compressed_on_the_way(server, tmp_path):
    server.body, server.headers = gzip.compress(TABLE), {"Content-Encoding": "gzip"}
    assert download(server.remote(), tmp_path).read_bytes() == TABLE


def test_nothing_is_said_on_standard_error(server, tmp_path, capfd):
    download(server.remote(), tmp_path)
    assert capfd.readouterr() == ("", "")


# ---- pages and refusals ----


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/html; charset=utf-8"},
        {"Content-Type": "application/octet-stream"},
    ],
)
@pytest.mark.parametrize("file", ["edges.tsv", "edges.tsv.gz", "screen.h5ad", "all.zip", "go.obo"])
def test_page_instead_of_data(server, tmp_path, headers, file):
    server.body, server.headers = PAGE, headers
    refused(server, tmp_path, "web page", "Are you human?", "save it as", file=file)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf\n <HTML>",
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        b"<",
    ],
)
def test_other_pages(server, tmp_path, body):
    server.body = body
    refused(server, tmp_path, "web page")
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "status, says",
    [
        (401, "login"),
        (403, "refuses"),
        (404, "no such file"),
        (410, "taken off"),
        (400, "HTTP 400"),
        (202, "browser"),
        (204, "HTTP 204"),
    ],
)
def test_refusals(server, tmp_path, status, says):
    server.status, server.body = status, b""
    refused(
        server, tmp_path, says, f"HTTP {status}", server.remote().url, str(tmp_path / "edges.tsv")
    )
    assert left(tmp_path) == [] and len(server.asked) == 1  # asking again would not help


@pytest.mark.parametrize("status", [500, 503, 429])
def test_server_in_trouble(server, tmp_path, status):
    server.status = status
    refused(server, tmp_path, f"HTTP {status}", "4 attempts")
    assert left(tmp_path) == [] and len(server.asked) == 4
    server.then = well
    assert download(server.remote(), tmp_path).read_bytes() == TABLE


def test_page_does_not_cost_what_came_before(server, tmp_path):
    server.stop_at = 100_000
    refused(server, tmp_path)
    well(server)
    server.status, server.headers = 403, {"Content-Type": "text/html"}
    refused(server, tmp_path, "HTTP 403")
    server.status, server.ranges, server.body = 200, False, PAGE
    refused(server, tmp_path, "web page")
    server.reset()
    assert download(server.remote(), tmp_path).read_bytes() == TABLE and server.asked == [
        "bytes=100000-"
    ]


# ---- cut short, broken off, resumed ----


def test_truncated_body(server, tmp_path):
    server.stop_at, server.ranges = 100_000, False
    refused(server, tmp_path, "4 attempts", "100 kB are kept")
    assert left(tmp_path) == ["edges.tsv.part", "edges.tsv.part.tag"]
    assert fetch_fails_offline(server, tmp_path)  # a part is not the file


def fetch_fails_offline(server, folder):
    with pytest.raises(GraphselError, match="not on this machine"):
        fetch(one(server), folder=folder, offline=True)
    return True


def test_resume_in_one_call(server, tmp_path):
    server.stop_at, server.then = 100_000, well
    assert download(server.remote(), tmp_path).read_bytes() == TABLE
    assert server.asked == [None, "bytes=100000-"] and left(tmp_path) == [
        "edges.tsv",
        "edges.tsv.json",
    ]


def test_resume_in_another_call(server, tmp_path):
    server.stop_at = 100_000
    refused(server, tmp_path, "kept")
    server.asked.clear()
    well(server)
    assert download(server.remote(), tmp_path).read_bytes() == TABLE and server.asked == [
        "bytes=100000-"
    ]


def test_resume_by_date(server, tmp_path):
    server.etag, server.date, server.stop_at, server.then = (
        'W/"weak"',
        formatdate(0, usegmt=True),
        100_000,
        well,
    )
    assert (
        download(server.remote(), tmp_path).read_bytes() == TABLE
        and server.asked[1] == "bytes=100000-"
    )


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_no_resume_without_a_tag(server, tmp_path, etag):
    server.etag, server.stop_at, server.then = etag, 100_000, well
    assert download(server.remote(), tmp_path).read_bytes() == TABLE and server.asked == [
        None,
        None,
    ]


def test_no_mixture_of_two_states(server, tmp_path):
    new = TABLE.replace(b"G1\t", b"G2\t")

    def release(s):
        s.body, s.etag = new, '"two"'
        well(s)

    server.stop_at, server.then = 100_000, release
    assert download(server.remote(), tmp_path).read_bytes() == new


def test_killed_in_the_middle(server, tmp_path):
    server.body = np.random.default_rng(0).bytes(3 << 20)
    server.stop_at, hang = (5 << 20) // 2, Event()
    server.then = lambda s: hang.wait(60)
    code = (
        "import sys; from graphsel.datasets.download import Remote, download\n"
        "download(Remote(sys.argv[1], 'x.bin'), sys.argv[2])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, server.remote("x.bin").url, str(tmp_path)]
    )
    part = tmp_path / "x.bin.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size >= 2 << 20:
            break
        sleep(0.05)
    process.kill()
    process.wait()
    hang.set()
    well(server)
    server.asked.clear()
    assert download(
        server.remote("x.bin"), tmp_path
    ).read_bytes() == server.body and server.asked == [f"bytes={2 << 20}-"]


def test_part_of_full_length(server, tmp_path):
    (tmp_path / "edges.tsv.part").write_bytes(TABLE)
    (tmp_path / "edges.tsv.part.tag").write_text('"one"')
    assert download(server.remote(), tmp_path).read_bytes() == TABLE


def test_wrong_part(server, tmp_path):
    class Confused(Handler):
        def do_GET(self):
            if "Range" in self.headers:
                self.headers.replace_header("Range", "bytes=5-")
            super().do_GET()

    server.RequestHandlerClass, server.stop_at = Confused, 100_000
    refused(server, tmp_path, "another part")


def test_a_part_that_is_a_lie(server, tmp_path):
    (tmp_path / "edges.tsv.part").write_bytes(b"x" * 1000)
    (tmp_path / "edges.tsv.part.tag").write_text('"one"')
    refused(
        server,
        tmp_path,
        "not the file that is known",
        checksum=f"md5:{hashlib.md5(TABLE).hexdigest()}",
    )
    assert left(tmp_path) == []
    assert download(server.remote(), tmp_path).read_bytes() == TABLE


@pytest.fixture(scope="module")
def h5ad(tmp_path_factory):
    path = tmp_path_factory.mktemp("h5ad") / "x.h5ad"
    ad.AnnData(np.random.default_rng(0).random((300, 40), np.float32)).write_h5ad(path)
    return path.read_bytes()


def zipped(**members):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(name.replace("__", "/") + ".tsv", content)
    return f.getvalue()


@pytest.mark.parametrize("file", ["x.tsv.gz", "x.zip", "x.h5ad"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_truncated_on_the_server(server, tmp_path, h5ad, file, damage):
    whole = {"x.tsv.gz": gzip.compress(TABLE), "x.zip": zipped(a=TABLE), "x.h5ad": h5ad}[file]
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    server.body = {
        "cut": whole[: len(whole) // 2],
        "flipped": bytes(flipped),
        "text": b"an error occurred\n",
    }[damage]
    if (file, damage) == ("x.h5ad", "flipped"):
        pytest.skip("HDF5 has no checksum of its values")
    refused(server, tmp_path, "not a" if damage == "text" else "damaged", file=file)
    assert left(tmp_path) == []
    server.body = whole
    assert download(server.remote(file), tmp_path).read_bytes() == whole


def test_empty_file(server, tmp_path):
    server.body = b""
    refused(server, tmp_path, "empty")
    assert left(tmp_path) == []


# ---- checksums, and files that change ----


@pytest.mark.parametrize("checksum", ["md5:" + "0" * 32, "sha256:" + "0" * 64])
def test_wrong_checksum(server, tmp_path, checksum):
    refused(server, tmp_path, "not the file that is known", checksum, checksum=checksum)
    assert left(tmp_path) == []
    with pytest.raises(GraphselError, match="not the file"):
        fetch(one(server, checksum=checksum), folder=tmp_path, update=True)
    assert left(tmp_path) == []  # a pinned checksum is not given up


def test_changed_on_this_machine(server, tmp_path):
    (path,) = fetch(one(server), folder=tmp_path)
    path.write_bytes(TABLE[:-1])
    with pytest.raises(
        GraphselError, match="edges.tsv has changed: its sha256 is .*edges.tsv.json"
    ):
        fetch(one(server), folder=tmp_path)
    (tmp_path / "edges.tsv.json").unlink()
    assert fetch(one(server), folder=tmp_path) == [path]  # the decision to keep it


def test_changed_on_the_server(server, tmp_path):
    (path,) = fetch(one(server), folder=tmp_path)
    server.body = new = TABLE.replace(b"G1\t", b"G2\t")
    path.unlink()
    with pytest.raises(GraphselError, match="update=True"):
        fetch(one(server), folder=tmp_path)
    assert not path.exists()
    assert fetch(one(server), folder=tmp_path, update=True) == [path] and path.read_bytes() == new
    assert known_checksum(path, one(server).files[0]) == f"sha256:{hashlib.sha256(new).hexdigest()}"
    assert fetch(one(server), folder=tmp_path, offline=True) == [path]


def test_failed_update_keeps_what_was_there(server, tmp_path):
    (path,) = fetch(one(server), folder=tmp_path)
    server.body = PAGE
    with pytest.raises(GraphselError, match="web page"):
        fetch(one(server), folder=tmp_path, update=True)
    assert path.read_bytes() == TABLE and left(tmp_path) == ["edges.tsv", "edges.tsv.json"]
    assert fetch(one(server), folder=tmp_path, offline=True) == [path]


def test_put_there_by_hand(server, tmp_path):
    (tmp_path / "edges.tsv").write_bytes(PAGE)
    with pytest.raises(GraphselError, match="web page"):
        fetch(one(server), folder=tmp_path)
    (tmp_path / "edges.tsv").write_bytes(TABLE)
    assert fetch(one(server), folder=tmp_path) and not server.asked
    with pytest.raises(GraphselError, match="has changed: its md5"):
        fetch(one(server, checksum="md5:" + "0" * 32), folder=tmp_path)


def test_unreadable_note_is_no_note(tmp_path):
    path, remote = tmp_path / "edges.tsv", Remote("https://x.org/edges.tsv", "edges.tsv")
    path.write_bytes(TABLE)
    for text in ("", "[]", "{}", '{"sha256": 5}'[:8]):
        (tmp_path / "edges.tsv.json").write_text(text)
        assert known_checksum(path, remote) is None and check_file(path, remote) == path


# ---- no server ----


def test_no_server(server, tmp_path):
    data = one(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(GraphselError, match="no connection to the server, in 4 attempts"):
        fetch(data, folder=tmp_path)
    assert left(tmp_path) == []


def test_offline(server, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHSEL_DATA", str(tmp_path))
    data = one(server)
    with pytest.raises(GraphselError) as e:
        fetch(data, offline=True)
    for w in (
        "'mine' is not on this machine",
        "edges.tsv",
        str(tmp_path),
        str(data_folders()[1]),
        data.files[0].url,
    ):
        assert w in str(e.value)
    assert not server.asked
    (tmp_path / "edges.tsv").write_bytes(TABLE)
    assert fetch(data, offline=True) == [tmp_path / "edges.tsv"] and not server.asked
    with pytest.raises(GraphselError, match="offline"):
        fetch(data, offline=True, update=True)
    assert fetch("simulated", offline=True) == []


# ---- archives ----


def test_archive(server, tmp_path):
    server.body, data = (
        zipped(norman__screen=TABLE, norman__other=b"x"),
        one(server, "norman.zip", member="norman/screen.tsv"),
    )
    (path,) = fetch(data, folder=tmp_path)
    assert path == tmp_path / "norman" / "screen.tsv" and path.read_bytes() == TABLE
    (tmp_path / "norman.zip").unlink()
    assert fetch(data, folder=tmp_path, offline=True) == [path] and len(server.asked) == 1
    path.write_bytes(b"x")
    with pytest.raises(GraphselError, match="has changed"):
        fetch(data, folder=tmp_path)
    server.body = zipped(norman__screen=TABLE[:100])
    (path,) = fetch(data, folder=tmp_path, update=True)
    assert path.read_bytes() == TABLE[:100]


def test_archive_put_there_by_hand(server, tmp_path):
    (tmp_path / "norman.zip").write_bytes(zipped(norman__screen=TABLE))
    assert (
        fetch(one(server, "norman.zip", member="norman/screen.tsv"), folder=tmp_path, offline=True)[
            0
        ].read_bytes()
        == TABLE
    )
    (tmp_path / "norman" / "screen.tsv").unlink()
    with pytest.raises(GraphselError, match="does not hold norman/nothing.tsv"):
        fetch(one(server, "norman.zip", member="norman/nothing.tsv"), folder=tmp_path)
    (tmp_path / "norman.zip").write_bytes(zipped(norman__screen=TABLE)[:500])
    with pytest.raises(GraphselError, match="damaged"):
        fetch(one(server, "norman.zip", member="norman/screen.tsv"), folder=tmp_path)
    assert not (tmp_path / "norman" / "screen.tsv").exists()


# ---- several at once ----


def test_two_processes(server, tmp_path):
    code = (
        "import sys; from graphsel.datasets.download import Remote, download\n"
        "print(download(Remote(sys.argv[1], 'edges.tsv'), sys.argv[2]).stat().st_size)"
    )
    run = [sys.executable, "-c", code, server.remote().url, str(tmp_path)]
    both = [
        subprocess.Popen(run, stdout=subprocess.PIPE, text=True, env=os.environ) for _ in range(2)
    ]
    assert [p.communicate()[0].strip() for p in both] == [str(len(TABLE))] * 2 and len(
        server.asked
    ) == 1


def test_cannot_write(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(GraphselError, match="cannot write"):
        download(server.remote(), tmp_path / "taken")


# ---- contents ----


def test_what_is_wrong(tmp_path, h5ad):
    f = tmp_path / "f"
    for name, content in [
        ("a.gz", gzip.compress(b"x")),
        ("a.zip", zipped(a=b"x")),
        ("a.h5ad", h5ad),
        ("a.tsv", b"x"),
        ("a.obo", b"format-version: 1.2"),
        ("a", b"x"),
    ]:
        f.write_bytes(content)
        assert what_is_wrong(f, name, whole=True) is None
        assert (what_is_wrong(f, name) is None) and what_is_wrong(
            f, "b.parquet"
        ) == "it is not a .parquet file"


# ---- reading what was fetched: every entry of the registry, from small files in the published formats ----

GAF = "!gaf-version: 2.2\n!date-generated: 2025-10-10\n" + "".join(
    f"UniProtKB\tP{i:05}\t{gene}\tinvolved_in\tGO:000000{term}\tPMID:1\tIDA\t\tP"
    f"\tprotein {gene}\t\tprotein\ttaxon:9606\t20250101\tUniProt\t\t\n"
    for i, (gene, term) in enumerate([("TP53", 2), ("MDM2", 2), ("KRAS", 3), ("MYC", 3)])
)
OBO = (
    "format-version: 1.2\nontology: go\n\n[Term]\nid: GO:0000001\nname: all\nnamespace: biological_process\n\n"
    "[Term]\nid: GO:0000002\nname: a\nnamespace: biological_process\n"
    "is_a: GO:0000001 ! all\n\n[Term]\nid: GO:0000003\nname: b\nnamespace: biological_process\nis_a: GO:0000001 ! all\n"
)
LINKS = (
    "protein1 protein2 combined_score\n"
    "9606.ENSP1 9606.ENSP2 900\n"
    "9606.ENSP2 9606.ENSP1 900\n"
    "9606.ENSP2 9606.ENSP3 200\n"
)
INFO = "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n" + "".join(
    f"9606.ENSP{i}\t{g}\t100\t{g}.\n" for i, g in enumerate(["TP53", "MDM2", "KRAS"], 1)
)
ALIASES = "#string_protein_id\talias\tsource\n9606.ENSP1\tP53\tUniProt_GN_Synonyms\n"
GMT = "Apoptosis\tR-HSA-109581\tTP53\tMDM2\nSignaling\tR-HSA-162582\tKRAS\tMDM2\n"
HGNC = (
    "hgnc_id\tsymbol\tname\tlocus_group\tstatus\talias_symbol\tprev_symbol\tensembl_gene_id\n"
    "HGNC:11998\tTP53\ttumor protein p53\tprotein-coding gene\tApproved\tp53|LFS1\t\tENSG00000141510\n"
)


def as_h5ad(adata, path):
    adata.write_h5ad(path)
    return path.read_bytes()


GENE_EFFECTS = (
    "ModelID,A1BG (1),MYC (4609),TP53 (7157)\nACH-000001,-0.1,-1.2,\nACH-000004,0.1,-0.9,0\n"
)
STRAINS = ["swd1-del vs. wt", "swd1-del-matA vs. wt-matA", "yil014c-a-del vs. wt", "wt vs. wt"]
DELETEOME = "\n".join(
    "\t".join(row)
    for row in (
        ["reporterId", "systematicName", "geneSymbol", *(s for s in STRAINS for _ in range(3))],
        [*["dataType"] * 3, *["M", "A", "p_value"] * 4],
        ["1", "YAL001C", "TFC3", *"1 9 .1 3 9 .1 -1 9 .1 0 9 1".split()],
        ["2", "YAL002W", "VPS8", *"0 9 .1 2 9 .1 4 9 .1 0 9 1".split()],
        ["3", "YAL003W", "EFB1", *"0 9 .1".split(), "", "", "", *"4 9 .1 0 9 1".split()],
    )
)


def gears_cells():
    condition = np.repeat(["ctrl", "TP53+ctrl", "KRAS+TP53"], 20)
    X = np.log1p(np.random.default_rng(0).poisson(2.0, (60, 5)) / 3).astype(np.float32)
    return ad.AnnData(
        X,
        obs=pd.DataFrame(
            {"condition": pd.Categorical(condition), "cell_type": "K562"},
            index=[f"c{i}" for i in range(60)],
        ),
        var=pd.DataFrame({"gene_name": list("abcde")}, index=[f"ENSG{i}" for i in range(5)]),
    )


def pseudobulk():
    rows = [
        "0_A1BG_P1_ENSG00000121410",
        "10742_non-targeting_non-targeting_non-targeting",
        "1_A1BG_P2_ENSG00000121410",
        "2_KRAS_P1P2_ENSG00000133703",
        "10743_non-targeting_non-targeting_non-targeting",
    ]
    X = np.array(
        [[1, 0, 1, 0], [0, 1, 0, 0], [4, 0, np.inf, 0], [0, -2, 1, 3], [0, 3, 0, 0]],
        dtype=np.float32,
    )
    obs = pd.DataFrame(
        {
            "num_cells_filtered": [20, 300, 10, np.nan, 100],
            "core_control": [False, True, False, False, True],
        },
        index=pd.Index(rows, name="gene_transcript"),
    )
    return ad.AnnData(
        X,
        obs=obs,
        var=pd.DataFrame(
            {"gene_name": ["TP53", "TBCE", "ACTB", "TBCE"]},
            index=pd.Index([f"ENSG{i}" for i in range(4)], name="gene_id"),
        ),
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    "A folder with a small file under the name of each file of the registry."
    folder = tmp_path_factory.mktemp("published")
    cells, bulk = (
        as_h5ad(gears_cells(), folder / "1.h5ad"),
        as_h5ad(pseudobulk(), folder / "2.h5ad"),
    )
    text = {
        "goa_human.gaf.gz": GAF,
        "go-basic.obo": OBO,
        "9606.protein.links.v12.0.txt.gz": LINKS,
        "9606.protein.info.v12.0.txt.gz": INFO,
        "9606.protein.aliases.v12.0.txt.gz": ALIASES,
        "hgnc_complete_set.txt": HGNC,
        "CRISPRGeneEffect.csv": GENE_EFFECTS,
        "deleteome_all_mutants_ex_wt_var_controls.txt": DELETEOME,
    }
    for d in (*SCREENS, *GRAPHS):
        for r in d.files:
            content = (
                text[r.file].encode()
                if r.file in text
                else GMT.encode()
                if r.file.startswith("Reactome")
                else cells
                if d.reader == "cells"
                else bulk
            )
            if r.file.endswith(".gz"):
                content = gzip.compress(content)
            if r.member:
                with zipfile.ZipFile(folder / r.file, "w") as z:
                    z.writestr(r.member, content)
            else:
                (folder / r.file).write_bytes(content)
    return folder


# reader -> perturbations, and the first two responses of the small files
READ = {
    "cells": (["KRAS+TP53", "TP53"], ["a", "b"]),
    "pseudobulk": (["A1BG", "KRAS"], ["TP53", "ENSG1"]),
    "gene effects": (["A1BG", "MYC"], ["ACH-000001", "ACH-000004"]),
    "deleteome": (["SWD1", "YIL014C-A"], ["YAL001C", "YAL002W"]),
}


def unpinned(dataset):
    return replace(dataset, files=tuple(replace(r, checksum=None) for r in dataset.files))


def test_gene_effects_and_knock_outs_by_hand(published, caplog):
    depmap, deleteome = (
        load_screen(unpinned(d), folder=published, offline=True)
        for d in SCREENS
        if d.name in ("depmap", "deleteome")
    )
    assert depmap.to_df().loc["MYC"].tolist() == pytest.approx([-1.2, -0.9])
    assert "1 of 3 genes hold infinite or missing values and are left out, e.g. TP53" in caplog.text
    assert deleteome.to_df().loc["SWD1"].tolist() == [2, 1]  # two strains, averaged
    assert "EFB1" not in deleteome.var_names and deleteome.shape == (2, 2)


@pytest.mark.parametrize(
    "file,text",
    [
        ("CRISPRGeneEffect.csv", "x,y\n1,2\n"),
        ("deleteome_all_mutants_ex_wt_var_controls.txt", DELETEOME.replace("-del", "")),
    ],
)
def test_other_tables_are_refused(file, text, tmp_path):
    (tmp_path / file).write_text(text)
    dataset = next(d for d in SCREENS if d.files and d.files[0].file == file)
    with pytest.raises(GraphselError, match=file):
        load_screen(unpinned(dataset), folder=tmp_path, offline=True)


@pytest.mark.parametrize(
    "dataset", [d for d in (*SCREENS, *GRAPHS) if d.files], ids=lambda d: d.name
)
def test_each_is_read(dataset, published):
    load = {"screen": load_screen, "graph": load_graph, "names": load_names}[dataset.kind]
    pinned = any(r.checksum for r in dataset.files)
    if pinned:  # the small file is not the published one, and that is noticed
        with pytest.raises(GraphselError, match="has changed"):
            load(dataset, folder=published, offline=True)
    found = load(unpinned(dataset), folder=published, offline=True)
    if dataset.kind == "screen":
        names, responses = READ[dataset.reader]
        assert list(found.obs_names) == names and list(found.var_names)[:2] == responses
    elif dataset.kind == "graph":
        assert {"TP53", "MDM2"} <= set(found.genes) and found.n_edges > 0
    else:
        assert found("P53" if dataset.name == "string-names" else "p53") == "TP53"


def test_options_reach_the_reader(published):
    string = load_graph("string-human", folder=published, offline=True, min_score=100)
    assert (
        list(string.genes) == ["KRAS", "MDM2", "TP53"]
        and len(load_graph("string-human", folder=published, offline=True)) == 2
    )
    assert load_screen("simulated", n_perturbations=10, n_responses=20, random_state=1).shape == (
        10,
        20,
    )
    assert len(load_graph("simulated", n_perturbations=12).graphs) == 2
    with pytest.raises(GraphselError, match="unknown screen 'string-human'"):
        load_screen("string-human")


def test_pseudobulk(tmp_path, caplog):
    pseudobulk().write_h5ad(tmp_path / "bulk.h5ad")
    screen = read_pseudobulk(tmp_path / "bulk.h5ad")
    assert "1 of 4 genes hold infinite or missing values" in caplog.text and "ENSG2" in caplog.text
    assert list(screen.var_names) == [
        "TP53",
        "ENSG1",
        "ENSG3",
    ]  # two columns called TBCE keep their identifiers
    assert np.allclose(screen.X, [[2, -1.5, 0], [0, -3.5, 3]]) and list(screen.obs["n_cells"]) == [
        30,
        1,
    ]
    assert np.allclose(screen.var["control_mean"], [0, 1.5, 0])


def test_pseudobulk_refused(tmp_path):
    path, bulk = tmp_path / "bulk.h5ad", pseudobulk()
    bulk[[0, 2, 3]].copy().write_h5ad(path)
    with pytest.raises(GraphselError, match="no row of 'non-targeting' guides"):
        read_pseudobulk(path)
    gears_cells().write_h5ad(path)
    with pytest.raises(GraphselError, match="the row 'c0' is not called like"):
        read_pseudobulk(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(GraphselError, match="is the file complete"):
        read_pseudobulk(path)


# ---- the command line ----


def test_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHSEL_DATA", str(tmp_path))
    (tmp_path / "hgnc_complete_set.txt").write_text(HGNC)
    done = CliRunner().invoke(main, ["list", "datasets"])
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert done.exit_code == 0 and lines["name"].split() == [
        "name",
        "kind",
        "size",
        "license",
        "here",
        "about",
    ]
    assert (
        " yes " in lines["hgnc"]
        and " CC0 1.0 " in lines["hgnc"]
        and " no " in lines["norman"]
        and " 169 MB " in lines["norman"]
    )
    assert str(tmp_path) in done.stderr


# ---- the tutorial ----


def test_tutorial_runs_without_public_files(tmp_path, monkeypatch):
    from test_notebooks import FLAGS, Runner, run

    monkeypatch.setenv("GRAPHSEL_DATA", str(tmp_path / "nothing"))
    runner = Runner()
    try:
        run(runner, "tutorials/04_your_own_screen.ipynb", tmp_path, FLAGS, timeout=300)
    finally:
        runner.close()
