"""Cut, slow, changed and malicious answers: each ends in the right file or one error, and the next call succeeds."""

import gzip
import hashlib
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import zipfile
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pytest
import requests

import graphsel.datasets.download as downloads
from graphsel.core.errors import GraphselError
from graphsel.datasets.download import (
    Limits,
    Part,
    Remote,
    Watch,
    check_file,
    download,
    unpack,
    what_is_wrong,
)

TABLE = b"source\ttarget\n" + b"".join(b"G%d\tG%d\n" % (i, i + 1) for i in range(20_000))
NEW = TABLE.replace(b"G1\t", b"G2\t").replace(b"G19999\t", b"G19998\t")  # changed in both halves
HALF = 100_000  # within a line of the table
QUICK = Limits(rate=100_000, window=0.2)
MD5 = "md5:" + hashlib.md5(TABLE).hexdigest()


class Server(ThreadingHTTPServer):
    "Plays its script, one act for each request; the last act is played again and again."

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.asked, self.over = [reply()], [], Event()
        Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def remote(self, file="edges.tsv", **options):
        return Remote(f"http://127.0.0.1:{self.server_port}/{file}", file, **options)

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        script = self.server.script
        self.server.asked.append(self.headers.get("Range"))
        act = script[0] if len(script) == 1 else script.pop(0)
        act(self)

    def log_message(self, *_):
        pass

    def sleep(self, seconds):
        "Until the test is over, at most."
        return self.server.over.wait(seconds)


def reply(
    body=TABLE,
    status=200,
    etag='"one"',
    length=True,
    stop=None,
    ranges=True,
    hang_up=None,
    **headers,
):
    """A normal answer, with Range and If-Range, but for what is said: `length` announced; `stop` after so many bytes
    of the file; `hang_up(handler)` then."""

    def act(h):
        code, start, asked = status, 0, h.headers.get("Range")
        if (
            asked
            and ranges
            and status == 200
            and h.headers.get("If-Range") == (etag or headers.get("Last_Modified"))
        ):
            start = int(asked[6:-1])
            code = 206 if start < len(body) else 416
        rest = body[start:] if code != 416 else b""
        h.send_response(code)
        said = {
            "ETag": etag,
            "Content-Length": str(len(rest)) if length is True else length or None,
        }
        if code == 206:
            said["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        said |= {k.replace("_", "-"): v for k, v in headers.items()}
        for k, v in said.items():
            if v is not None:
                h.send_header(k, v)
        h.end_headers()
        h.wfile.write(rest if stop is None else rest[: max(0, stop - start)])
        if hang_up:
            hang_up(h)

    return act


def rest(content_range, body=TABLE[HALF:], **options):
    "The answer to a request for the rest, with a Content-Range of one's own."
    return reply(body, 206, Content_Range=content_range, **options)


def redirect(status, to):
    def act(h):
        h.send_response(status)
        h.send_header("Location", to)
        h.end_headers()

    return act


def chunked(body, end=True):
    "A body in chunks of HTTP/1.1; without `end` the last one is missing."

    def act(h):
        h.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(body), 50_000):
            chunk = body[i : i + 50_000]
            h.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if end:
            h.wfile.write(b"0\r\n\r\n")

    return act


def reset(h):
    "Break the connection the hard way."
    h.wfile.flush()
    h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(h.connection.detach())


def drip(head, what=None):
    "Send `head`, then `what`, or a byte of the table, 50 times a second."

    def act(h):
        h.wfile.write(head)
        for i in range(len(TABLE)):
            h.wfile.write(what or TABLE[i : i + 1])
            if h.sleep(0.02):
                break

    return act


def endless(h):
    h.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        h.wfile.write(TABLE)


def stall(h):
    h.sleep(60)


END = len(TABLE) - 1  # the last byte
FIRST = reply(stop=HALF)  # leaves HALF bytes and the tag "one"
HEAD = b'HTTP/1.0 200 OK\r\nContent-Length: %d\r\nETag: "one"\r\n\r\n' % len(TABLE)
GZ = gzip.compress(TABLE, mtime=0)
BOMB = gzip.compress(bytes(60_000_000), mtime=0)
PAGE = b"<!DOCTYPE html><title>Log in</title><form></form>"


def zipped(members):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(name, content)
    return f.getvalue()


ZIP = zipped({"a.tsv": TABLE})


def locked():
    "A .zip that says it is encrypted."
    raw = bytearray(ZIP)
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + flags] |= 1
    return bytes(raw)


def tarred():
    f = io.BytesIO()
    with tarfile.open(fileobj=f, mode="w") as t:
        t.addfile(tarfile.TarInfo("x.h5ad"))
    return f.getvalue()


# name: (script, words of the error or () for the right file, options: file, body when all goes well, of Remote)
SCENARIOS = {
    # whole and short
    "whole": ([reply()], ()),
    "short, then the rest": ([FIRST, reply()], ()),
    "short each time": ([reply(stop=HALF, ranges=False)], ("connection broke", "100 kB are kept")),
    "short without length": (
        [reply(stop=HALF, length=False)],
        ("ends within a line", "does not say how long"),
    ),
    "short without length, once": ([reply(stop=HALF, length=False), reply(length=False)], ()),
    "short without length, at the end of a line": (
        [reply(stop=TABLE.index(b"\n", HALF) + 1, length=False), reply(length=False)],
        (),
    ),
    "short without length, always elsewhere": (
        [reply(stop=HALF + i, length=False) for i in range(9)],
        ("no two attempts",),
    ),
    "short without length, checksum known": (
        [reply(stop=HALF, length=False)],
        ("not the file that is known",),
        {"checksum": MD5},
    ),
    "whole without length": ([reply(length=False)], ()),
    "whole without length, checksum known": ([reply(length=False)], (), {"checksum": MD5}),
    "chunks": ([chunked(TABLE)], ()),
    "chunks, cut": ([chunked(TABLE, end=False)], ("connection broke",)),
    "chunks, cut once": ([chunked(TABLE[:HALF], end=False), reply()], ()),
    "length is not a number": ([reply(length="many")], ()),
    "length is negative": ([reply(length="-1")], ()),
    "two lengths": ([reply(Content_length="5")], ("attempts",)),
    "empty": ([reply(b"")], ("it is empty",)),
    "empty without length": ([reply(b"", length=False)], ("it is empty",)),
    # the rest
    "206 as asked": ([FIRST, rest(f"bytes {HALF}-{END}/{len(TABLE)}")], ()),
    "206 of unknown total": ([FIRST, rest(f"bytes {HALF}-{END}/*")], ()),
    "206 without a tag": ([FIRST, rest(f"bytes {HALF}-{END}/{len(TABLE)}", etag=None)], ()),
    "206 in two pieces": (
        [FIRST, rest(f"bytes {HALF}-{HALF + 9}/{len(TABLE)}", TABLE[HALF : HALF + 10]), reply()],
        (),
    ),
    "206, wrong begin, then good": (
        [FIRST, rest(f"bytes {HALF - 5}-{END}/{len(TABLE)}", TABLE[HALF - 5 :]), reply()],
        (),
    ),
    "206, wrong begin, always": (
        [FIRST, rest(f"bytes 5-{END}/{len(TABLE)}", TABLE[5:])],
        ("another part",),
    ),
    "206, end beyond the total": (
        [FIRST, rest(f"bytes {HALF}-{len(TABLE)}/{len(TABLE)}", TABLE[HALF:] + b"x"), reply()],
        (),
    ),
    "206, end before the begin": ([FIRST, rest(f"bytes {HALF}-7/{len(TABLE)}"), reply()], ()),
    "206, another total": (
        [FIRST, rest(f"bytes {HALF}-{len(NEW)}/{len(NEW) + 1}", NEW[HALF:] + b"\n"), reply()],
        (),
    ),
    "206, length and range differ": (
        [FIRST, rest(f"bytes {HALF}-{END}/{len(TABLE)}", TABLE[HALF:-9]), reply()],
        (),
    ),
    "206, another tag": (
        [FIRST, rest(f"bytes {HALF}-{len(NEW) - 1}/{len(NEW)}", NEW[HALF:], etag='"two"'), reply()],
        (),
    ),
    "206, another tag, always": (
        [FIRST, rest(f"bytes {HALF}-{len(NEW) - 1}/{len(NEW)}", NEW[HALF:], etag='"two"')],
        ("another part",),
    ),
    "206, several parts": (
        [
            FIRST,
            reply(b"--x\r\n\r\nG1", 206, Content_Type="multipart/byteranges; boundary=x"),
            reply(),
        ],
        (),
    ),
    "206, compressed": (
        [
            FIRST,
            rest(
                f"bytes {HALF}-{HALF + len(GZ) - 1}/{HALF + len(GZ)}", GZ, Content_Encoding="gzip"
            ),
            reply(),
        ],
        (),
    ),
    "206 not asked for": ([rest(f"bytes 10-{END}/{len(TABLE)}", TABLE[10:])], ("another part",)),
    "416": ([FIRST, reply(b"", 416), reply()], ()),
    "416 always": ([reply(b"", 416)], ("HTTP 416",)),
    "Range ignored": ([FIRST, reply(ranges=False)], ()),
    "Accept-Ranges is a lie": (
        [reply(stop=HALF, Accept_Ranges="bytes"), reply(ranges=False, Accept_Ranges="bytes")],
        (),
    ),
    "changed before the rest": ([FIRST, reply(NEW, etag='"two"')], (), {"right": NEW}),
    # somewhere else
    "301 in a circle": ([redirect(301, "/edges.tsv")], ("from one address to the next",)),
    "302 in a circle": ([redirect(302, "/edges.tsv")], ("from one address to the next",)),
    "307 in a circle": ([redirect(307, "/edges.tsv")], ("from one address to the next",)),
    "308, then good": ([redirect(308, "/other.tsv"), reply()], ()),
    "to a file": ([redirect(302, "file:///etc/passwd")], ("the address cannot be asked",)),
    "to nowhere": ([redirect(302, "http://[nowhere/")], ("the address cannot be asked",)),
    "to a name that is none": (
        [redirect(302, "http://" + "a" * 70 + ".org/")],
        ("the address cannot be asked",),
    ),
    # refusals and pages
    "403": ([reply(PAGE, 403)], ("refuses",)),
    "404": ([reply(PAGE, 404)], ("no such file",)),
    "410": ([reply(PAGE, 410)], ("taken off",)),
    "304": ([reply(b"", 304)], ("HTTP 304",)),
    "429, then good": ([reply(b"", 429, Retry_After="7"), reply()], ()),
    "429, for an hour": ([reply(b"", 429, Retry_After="3600")], ("HTTP 429", "wait for 3600 s")),
    "429, until when is unclear": (
        [reply(b"", 429, Retry_After="soon")],
        ("HTTP 429", "4 attempts"),
    ),
    "500, then good": ([reply(b"", 500), reply()], ()),
    "503, then good": ([reply(b"", 503), reply(b"", 503), reply()], ()),
    "503 in the middle": ([FIRST, reply(b"", 503), reply()], ()),
    "page": ([reply(PAGE, Content_Type="text/html")], ("a web page came (Log in)",)),
    "page, called data": ([reply(PAGE, Content_Type="application/octet-stream")], ("web page",)),
    "page, long": ([reply(PAGE + b" " * 10_000_000, Content_Type="text/plain")], ("web page",)),
    "message": (
        [reply(b'{"status": "ERROR"}', Content_Type="application/json")],
        ("application/json", "ERROR"),
    ),
    "picture": ([reply(b"\x89PNG\r\n\x1a\n", Content_Type="image/png")], ("image/png",)),
    # compressed on the way
    "gzip on the way": ([reply(GZ, Content_Encoding="gzip")], ()),
    "gzip on the way, cut": (
        [reply(GZ[:-100], Content_Encoding="gzip")],
        ("cut short or damaged",),
    ),
    "gzip on the way, cut, no length": (
        [reply(GZ[:-100], length=False, Content_Encoding="gzip")],
        ("cut short or damaged",),
    ),
    "gzip on the way, broken off": ([reply(GZ, stop=20_000, Content_Encoding="gzip"), reply()], ()),
    "gzip on the way, a bomb": ([reply(BOMB, Content_Encoding="gzip")], ("which no data would",)),
    "gzip on the way, too much": (
        [reply(GZ, Content_Encoding="gzip")],
        ("more than this file has",),
        {"size": 20_000, "clean": {}},
    ),
    "gzip on the way, not true": ([reply(Content_Encoding="gzip")], ("cut short or damaged",)),
    "brotli on the way": ([reply(Content_Encoding="br")], ("packed as br",)),
    "gzip on the way, the file's own": (
        [reply(GZ, Content_Encoding="gzip")],
        (),
        {"file": "x.tsv.gz", "right": GZ},
    ),
    # not what its name says
    "gz, garbage behind": (
        [reply(GZ + b"garbage")],
        ("damaged",),
        {"file": "x.tsv.gz", "right": GZ},
    ),
    "gz, cut": ([reply(GZ[:-9])], ("damaged",), {"file": "x.tsv.gz", "right": GZ}),
    "gz, cut, no length": (
        [reply(GZ[:-9], length=False)],
        ("damaged",),
        {"file": "x.tsv.gz", "right": GZ},
    ),
    "gz, a bomb": ([reply(BOMB)], ("which no data would",), {"file": "x.tsv.gz", "right": GZ}),
    "zip, a bomb": (
        [reply(zipped({"a.tsv": bytes(60_000_000)}))],
        ("which no data would",),
        {"file": "x.zip", "right": ZIP},
    ),
    "zip, a bomb of many": (
        [reply(zipped({str(i): bytes(9_000_000) for i in range(5)}))],
        ("which no data would",),
        {"file": "x.zip", "right": ZIP},
    ),
    "zip, locked": ([reply(locked())], ("damaged", "encrypted"), {"file": "x.zip", "right": ZIP}),
    "zip, cut": ([reply(ZIP[:-9])], ("damaged",), {"file": "x.zip", "right": ZIP}),
    "h5ad that is a tar": ([reply(tarred())], ("not a .h5ad",), {"file": "x.h5ad", "right": None}),
    "parquet, cut": (
        [reply(b"PAR1" + TABLE)],
        ("last bytes are missing",),
        {"file": "x.parquet", "right": b"PAR1" + TABLE + b"PAR1"},
    ),
    "text that is a gz": ([reply(GZ)], ("not a text",)),
    "text with zeros": (
        [reply(TABLE[:HALF] + bytes(4096) + TABLE[HALF + 4096 :])],
        ("holds zeros",),
    ),
    # slow
    "headers, a byte at a time": (
        [drip(b"HTTP/1.0 200 OK\r\nX-Slow: ")],
        ("less than 100 kB a second",),
    ),
    "body, a byte at a time": ([drip(HEAD)], ("less than 100 kB a second",)),
    "chunks, a byte at a time": (
        [drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")],
        ("less than 100 kB a second",),
    ),
    "body without length, a byte at a time": (
        [drip(b"HTTP/1.0 200 OK\r\n\r\n")],
        ("less than 100 kB a second",),
    ),
    "slow once": ([drip(HEAD), reply(ranges=False)], ()),
    "too late": ([drip(HEAD)], ("it took too long",), {"limits": Limits(rate=0, total=0.3)}),
    "no answer": ([stall], ("less than 100 kB a second",)),
    "stalled": (
        [reply(stop=HALF, hang_up=stall)],
        ("less than 100 kB a second", "100 kB are kept"),
    ),
    "stalled once": ([reply(stop=HALF, hang_up=stall), reply()], ()),
    "reset": ([reply(stop=HALF, ranges=False, hang_up=reset)], ("attempts",)),
    "reset once": ([reply(stop=HALF, hang_up=reset), reply()], ()),
    "hangs up at once": ([reset, reply()], ()),
    "not HTTP": ([lambda h: h.wfile.write(b"hello\r\n\r\n")], ("attempts",)),
    # size and checksum
    "smaller than stated": (
        [reply()],
        ("not about 4 MB as the registry says",),
        {"size": 4_000_000, "clean": {}},
    ),
    "larger than stated": (
        [reply()],
        ("not about 9 kB as the registry says",),
        {"size": 9_000, "clean": {}},
    ),
    "smaller than stated, no length": (
        [reply(length=False)],
        ("not about 4 MB",),
        {"size": 4_000_000, "clean": {}},
    ),
    "larger than stated, no length": (
        [reply(length=False)],
        ("over 18 kB came",),
        {"size": 9_000, "clean": {}},
    ),
    "as stated, about": ([reply()], (), {"size": 300_000}),
    "without end": ([endless], ("over 600 kB came",), {"size": 300_000}),
    "without end, no size": ([endless], ("over 1 MB came",), {"limits": Limits(most=1_000_000)}),
    "another checksum": (
        [reply(NEW)],
        ("not the file that is known", MD5, "nothing was kept"),
        {"checksum": MD5},
    ),
}


@pytest.fixture
def server(monkeypatch):
    s = Server()
    s.slept = []
    monkeypatch.setattr(
        downloads, "time", SimpleNamespace(sleep=s.slept.append, monotonic=monotonic)
    )
    yield s
    s.over.set()
    s.shutdown()
    s.server_close()


@pytest.fixture(scope="module")
def h5ad(tmp_path_factory):
    path = tmp_path_factory.mktemp("h5ad") / "x.h5ad"
    ad.AnnData(np.random.default_rng(0).random((30, 4), np.float32)).write_h5ad(path)
    return path.read_bytes()


def left(folder):
    return sorted(
        p.name for p in Path(folder).rglob("*") if p.is_file() and not p.name.endswith(".lock")
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(server, tmp_path, name, h5ad):
    script, words, options = (*SCENARIOS[name], {})[:3]
    options = dict(options)
    file, limits, clean = (
        options.pop("file", "edges.tsv"),
        options.pop("limits", QUICK),
        options.pop("clean", None),
    )
    right = options.pop("right", TABLE) or h5ad
    server.script, remote = list(script), server.remote(file, **options)
    path = tmp_path / file
    if words:
        with pytest.raises(GraphselError) as e:
            download(remote, tmp_path, limits=limits)
        message = str(e.value)
        for w in (*words, remote.url):
            assert w in message, message
        assert set(left(tmp_path)) <= {f"{file}.part", f"{file}.part.tag"}
        server.script = [reply(right)]
        if clean is not None:
            remote = server.remote(file, **clean)
    assert download(remote, tmp_path, limits=limits) == path
    assert path.read_bytes() == right and left(tmp_path) == [file, f"{file}.json"]
    assert check_file(path, remote) == path


def test_many_scenarios():
    assert len(SCENARIOS) >= 38


def test_refused_at_its_beginning(server, tmp_path):
    server.script = [
        drip(b"HTTP/1.0 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + PAGE + b" " * (2 << 20))
    ]
    with pytest.raises(GraphselError, match="web page"):
        download(server.remote(), tmp_path)
    small = Limits(most=500_000_000)
    with pytest.raises(GraphselError, match="no more than 500 MB are taken"):
        download(server.remote(), tmp_path, limits=small)
    assert left(tmp_path) == [] and len(server.asked) == 2


def test_wrong_range_is_forgotten(server, tmp_path):
    server.script = [FIRST, rest("bytes 5-9/10", TABLE[5:10]), reply()]
    download(server.remote(), tmp_path)
    assert server.asked == [None, f"bytes={HALF}-", None]


def test_waits_as_long_as_asked(server, tmp_path):
    server.script = [reply(b"", 503, Retry_After="7"), reply(b"", 503, Retry_After="1"), reply()]
    download(server.remote(), tmp_path)
    assert server.slept == [7, 2]
    server.script = [reply(b"", 503, Retry_After="7")]
    with pytest.raises(GraphselError, match="the time is up"):
        download(server.remote(), tmp_path, update=True, limits=Limits(total=5))


def test_a_date_that_is_too_young(server, tmp_path):
    young, old = formatdate(usegmt=True), formatdate(0, usegmt=True)
    server.script = [
        reply(etag=None, stop=HALF, Last_Modified=young),
        reply(NEW, etag=None, Last_Modified=young),
    ]
    assert download(server.remote(), tmp_path).read_bytes() == NEW and server.asked == [None, None]
    server.script = [
        reply(etag=None, stop=HALF, Last_Modified=old),
        reply(etag=None, Last_Modified=old),
    ]
    server.asked.clear()
    assert download(server.remote("b.tsv"), tmp_path).read_bytes() == TABLE and server.asked == [
        None,
        f"bytes={HALF}-",
    ]


def test_from_safe_to_unsafe(server, tmp_path, monkeypatch):
    class Safe(requests.adapters.HTTPAdapter):
        "Answers for https, by sending to the server of this test."

        def send(self, request, **_):
            answer = requests.Response()
            answer.status_code, answer.url, answer.request, answer.raw = (
                302,
                request.url,
                request,
                io.BytesIO(),
            )
            answer.headers["Location"] = server.remote().url
            return answer

    usual = downloads._session

    def session(watch):
        s = usual(watch)
        s.mount("https://", Safe())
        return s

    monkeypatch.setattr(downloads, "_session", session)
    with pytest.raises(GraphselError, match="no safe connection"):
        download(Remote("https://x.org/a.tsv", "a.tsv"), tmp_path)
    assert server.asked == [] and left(tmp_path) == []


# ---- this machine ----

CODE = (
    "import sys; from graphsel.datasets.download import Remote, download\n"
    "download(Remote(sys.argv[1], sys.argv[2]), sys.argv[3])"
)


def other_process(server, folder, file, before="", **options):
    return subprocess.Popen(
        [sys.executable, "-c", before + CODE, server.remote(file).url, file, str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.skipif(
    not hasattr(signal, "SIGXFSZ"), reason="no limit on the size of files on this system"
)
def test_disk_full(server, tmp_path):
    body = np.random.default_rng(0).bytes(3 << 20)
    server.script = [reply(body)]
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000)); "
    error = other_process(server, tmp_path, "x.bin", limit).communicate()[1]
    assert (
        error.splitlines()[-1].startswith("graphsel.core.errors.GraphselError: cannot write")
        and "free space" in error
    )
    assert left(tmp_path) == ["x.bin.part", "x.bin.part.tag"]
    server.asked.clear()
    assert download(server.remote("x.bin"), tmp_path).read_bytes() == body
    assert int(server.asked[0][6:-1]) <= 2_000_000


def test_no_space(server, tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        m.setattr(downloads.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(GraphselError, match="258 kB are to come, and .* has 1 kB free"):
            download(server.remote(), tmp_path)
    assert left(tmp_path) == []
    assert download(server.remote(), tmp_path).read_bytes() == TABLE


def test_write_fails_in_the_end(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(downloads, "atomic_path", full)
        with pytest.raises(GraphselError, match="cannot write .*No space left"):
            download(server.remote(), tmp_path)
    assert not (tmp_path / "edges.tsv").exists()
    assert download(server.remote(), tmp_path).read_bytes() == TABLE


def test_folder_that_cannot_be_written(server, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        folder = Path("/proc/graphsel")  # root may write everywhere but here
    if os.name != "posix" or not Path("/proc").is_dir():
        pytest.skip("no folder that cannot be written")
    with pytest.raises(GraphselError, match="cannot write .*check the folder"):
        download(server.remote(), folder)
    assert server.asked == []


def test_two_processes_and_a_slow_server(server, tmp_path):
    server.script = [reply(stop=HALF, hang_up=lambda h: h.sleep(0.3)), reply()]
    both = [other_process(server, tmp_path, "edges.tsv") for _ in range(2)]
    assert [p.communicate()[1] for p in both] == ["", ""] and server.asked == [
        None,
        f"bytes={HALF}-",
    ]
    assert (tmp_path / "edges.tsv").read_bytes() == TABLE and left(tmp_path) == [
        "edges.tsv",
        "edges.tsv.json",
    ]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_terminated_and_resumed(server, tmp_path):
    body = np.random.default_rng(0).bytes(3 << 20)
    server.script = [reply(body, stop=5 << 19, hang_up=stall)]
    process, part = other_process(server, tmp_path, "x.bin"), tmp_path / "x.bin.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size >= 2 << 20:
            break
        sleep(0.05)
    process.terminate()
    process.communicate()
    assert process.returncode == -signal.SIGTERM and left(tmp_path) == [
        "x.bin.part",
        "x.bin.part.tag",
    ]
    server.script = [reply(body)]
    server.asked.clear()
    assert download(server.remote("x.bin"), tmp_path).read_bytes() == body and server.asked == [
        f"bytes={2 << 20}-"
    ]


# ---- what is remembered ----


def test_recorded_then_changed(server, tmp_path):
    remote = server.remote()
    path = download(remote, tmp_path)
    path.unlink()
    server.script = [reply(NEW, etag='"two"')]
    with pytest.raises(
        GraphselError, match="not the file that is known: .*use update=True; nothing was kept"
    ):
        download(remote, tmp_path)
    assert left(tmp_path) == ["edges.tsv.json"]
    assert download(remote, tmp_path, update=True).read_bytes() == NEW
    server.script = [reply(PAGE)]
    with pytest.raises(GraphselError, match="web page"):
        download(remote, tmp_path, update=True)
    assert path.read_bytes() == NEW and check_file(path, remote) == path
    with pytest.raises(GraphselError, match="has changed"):
        check_file(path, server.remote(checksum=MD5))


def test_what_is_here_is_checked(server, tmp_path):
    path = download(server.remote(), tmp_path)
    path.write_bytes(TABLE[:HALF])
    with pytest.raises(GraphselError, match="has changed"):
        download(server.remote(), tmp_path)
    path.write_bytes(b"")
    with pytest.raises(GraphselError, match="empty"):
        download(server.remote(), tmp_path)


@pytest.mark.parametrize("note", [b"", b"\xff\xfe\xff", b"\n12", b'"one"\nmany'])
def test_unreadable_tag(tmp_path, note):
    part = Part(tmp_path / "x")
    part.path.write_bytes(b"12345")
    part.note.write_bytes(note)
    assert part.known() == ((5, '"one"', None) if note.startswith(b'"') else (0, "", None))


# ---- names and archives ----


@pytest.mark.parametrize("name", ["../x.tsv", "a/../../x.tsv", "/x.tsv"])
def test_names_that_lead_out(name):
    with pytest.raises(GraphselError, match="leads out of the data folder"):
        Remote("https://x.org", name)
    with pytest.raises(GraphselError, match="leads out of the data folder"):
        Remote("https://x.org", "x.zip", member=name)


@pytest.mark.parametrize("checksum", ["0123", "crc:0123", "md5:XY", "md5:"])
def test_no_checksum(checksum):
    with pytest.raises(GraphselError, match="is no checksum"):
        Remote("https://x.org", "x.tsv", checksum=checksum)


def test_zip_with_paths_that_lead_out(server, tmp_path):
    server.script = [reply(zipped({"../evil.tsv": b"x", "/evil.tsv": b"x", "a/good.tsv": TABLE}))]
    folder = tmp_path / "data"
    remote = server.remote("x.zip", member="a/good.tsv")
    assert unpack(download(remote, folder), remote, folder).read_bytes() == TABLE
    assert left(tmp_path) == ["good.tsv", "good.tsv.json", "x.zip", "x.zip.json"]


@pytest.mark.parametrize(
    "content, says",
    [
        (bytes(60_000_000), "which no data would"),
        (PAGE, "web page"),
        (b"", "empty"),
        (None, "encrypted"),
    ],
)
def test_members_that_are_refused(tmp_path, content, says):
    archive = tmp_path / "x.zip"
    archive.write_bytes(locked() if content is None else zipped({"a.tsv": content}))
    with pytest.raises(GraphselError, match=says):
        unpack(archive, Remote("https://x.org", "x.zip", member="a.tsv"), tmp_path)
    assert left(tmp_path) == ["x.zip"]


def test_texts(tmp_path):
    f = tmp_path / "x.tsv"
    f.write_bytes("A\tB\n".encode("utf-16"))
    assert what_is_wrong(f, whole=True) is None
    f.write_bytes(TABLE + bytes(5))
    assert what_is_wrong(f) is None and "zeros" in what_is_wrong(f, whole=True)


def test_watch_lets_the_quick_pass():
    with Watch(Limits(rate=1000, window=0.05)) as watch:
        for _ in range(10):
            watch.arrived += 1000
            sleep(0.02)
    assert not watch.why
    # an error of another kind is not covered up
    with pytest.raises(KeyboardInterrupt), Watch(Limits(window=0.01)) as watch:
        sleep(0.1)
        raise KeyboardInterrupt
