"""Values are told apart by all of their content, never by how they print; what cannot be told apart is refused."""

import collections
import dataclasses
import datetime
import enum
import functools
import pathlib
import random
import sys
import textwrap
import threading

import anndata as ad
import heavy
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import printed_under

from graphsel.active.queries import hidden, query
from graphsel.core.errors import GraphselError
from graphsel.core.identity import fingerprint, sha1
from graphsel.criteria.base import CRITERIA
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine
from graphsel.graphs.priors import make_prior
from graphsel.models.additive import Additive
from graphsel.models.base import MeanModel
from graphsel.models.gp import GaussianProcess
from graphsel.models.registry import MODELS
from graphsel.selection.strategies import STRATEGIES

BIG = np.arange(5000.0)


def changed(at=2500):
    other = BIG.copy()
    other[at] += 1e-9
    return other


def screen_of(X, **more):
    return ad.AnnData(np.reshape(X, (50, 100)), **more)


def table_of(X):
    return pd.DataFrame({"a": X, "b": "x"})


def prior_of(X):
    return make_prior(
        pd.DataFrame(np.reshape(X, (500, 10)), index=[f"g{i:03}" for i in range(500)]), "p"
    )


@dataclasses.dataclass
class Holder:
    inside: object


WRAPPERS = {
    "array": lambda X: X,
    "list": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "sparse": lambda X: sp.csr_matrix(X.reshape(50, 100)),
    "sparse array": lambda X: sp.coo_array(X.reshape(50, 100)),
    "series": pd.Series,
    "table": table_of,
    "index": pd.Index,
    "screen": screen_of,
    "sparse screen": lambda X: ad.AnnData(sp.csr_matrix(X.reshape(50, 100))),
    "layer": lambda X: screen_of(0 * X, layers={"m2": X.reshape(50, 100)}),
    "uns": lambda X: screen_of(0 * X, uns={"deep": {"er": X}}),
    "obsm": lambda X: screen_of(0 * X, obsm={"x": X.reshape(50, 100)}),
    "prior": prior_of,
    "graph with prior": lambda X: combine([from_edges(["g000"], ["g001"])], [prior_of(X)]),
    "dataclass": Holder,
    "nested": lambda X: {"params": [("kernel", {"of": X})]},
    "bytes": lambda X: X.tobytes(),
    "text": lambda X: str(X.tolist()),
    "tensor": lambda X: heavy.torch.tensor(X),
    "set": lambda X: set(X.tolist()),
    "partial": lambda X: functools.partial(max, X),
    "deque of dict": lambda X: collections.OrderedDict(x=X),
    "masked": lambda X: np.ma.masked_less(X, 10),
    "categories": lambda X: pd.Categorical(X),
    "default": lambda X: lambda a=X: a,
    "structured": lambda X: np.rec.fromarrays([X, X], names="a,b"),
    "strings": lambda X: X.astype(str),
    "nullable": lambda X: pd.array(X, dtype="Float64"),
    "names": lambda X: pd.Index(X.astype(str)),
    "estimator": lambda X: Additive(base=GaussianProcess(noise=X)),
    "method": lambda X: Holder(X).__repr__,
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_one_number_in_the_middle_of_many_counts(kind):
    wrap = WRAPPERS[kind]
    assert fingerprint(wrap(BIG)) == fingerprint(wrap(BIG.copy()))  # content, not address
    assert fingerprint(wrap(BIG)) != fingerprint(wrap(changed()))


def test_different_kinds_of_equal_content_differ():
    E = enum.Enum("E", "a b")
    found = [
        1,
        1.0,
        True,
        "1",
        b"1",
        None,
        ...,
        [1],
        [[1]],
        {1: 1},
        {1},
        np.array(1.5),
        np.array([1.5]),
        np.array([[1.5]]),
        np.array([1.5], dtype=np.float32),
        1j,
        range(1),
        slice(1),
        E.a,
        E.b,
        E,
        int,
        max,
        min,
        np,
        np.sum,
        np.mean,
        np.add,
        float("nan"),
        -0.0,
        0.0,
        float("inf"),
        datetime.date(2020, 1, 1),
        datetime.timedelta(1),
        pathlib.Path("1"),
        "",
        [],
        {},
        set(),
        pd.NA,
        pd.NaT,
        Holder(1),
        Holder(1.0),
        np.dtype("f4"),
        heavy.torch.float32,
        "a\0b",
        ["a", "b"],
        ["a\0b"],
        [["a"], "b"],
    ]
    marks = [fingerprint(o) for o in found]
    assert len(set(marks)) == len(found), [
        (a, b) for i, a in enumerate(found) for j, b in enumerate(found[:i]) if marks[i] == marks[j]
    ]


def test_what_is_equal_is_equal_however_it_is_stored():
    X = np.arange(6.0).reshape(2, 3)
    assert (
        fingerprint(X)
        == fingerprint(np.asfortranarray(X))
        == fingerprint(np.repeat(X, 2, axis=1)[:, ::2])
    )
    assert (
        fingerprint(sp.csr_matrix(X))
        == fingerprint(sp.coo_matrix(X))
        == fingerprint(sp.csc_matrix(X))
    )
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": np.int64(2), "a": 1}) and fingerprint(
        {"x", "y", "z"}
    ) == fingerprint({"z", "y", "x"})
    assert (
        fingerprint(np.array(["a", "bcd"]))
        == fingerprint(np.array(["a", "bcd"], dtype="U9"))
        == fingerprint(np.array(["a", "bcd"], dtype=object))
    )
    assert fingerprint((1, 2)) == fingerprint([1, 2]) and fingerprint(
        np.float64(0.1)
    ) == fingerprint(0.1)


def test_a_path_counts_by_what_the_file_holds(tmp_path):
    f, g = tmp_path / "a.txt", tmp_path / "b.txt"
    f.write_text("one")
    g.write_text("one")
    assert fingerprint(f) == fingerprint(g) != fingerprint(tmp_path / "c.txt")
    g.write_text("two")
    assert fingerprint(f) != fingerprint(g)


def test_a_screen_counts_but_for_where_it_was_read():
    X = np.zeros((2, 2))
    one, other = (
        ad.AnnData(X, uns={"graphsel": {"kind": "screen", "source": s}}) for s in ("a.csv", "b.csv")
    )
    assert fingerprint(one) == fingerprint(other)
    other.var_names = ["0", "2"]
    assert fingerprint(one) != fingerprint(other)


def test_priors_that_lack_other_genes_differ():
    "A row of zeros that was measured, and one that stands for a missing gene."
    p = make_prior(pd.DataFrame({"x": [-1.0, 0.0, 1.0]}, index=["A", "B", "C"]))
    q = dataclasses.replace(p, missing=("B",))
    assert np.array_equal(p.features, q.features) and p.fingerprint != q.fingerprint


@pytest.mark.parametrize(
    "o,says",
    [
        (np.random.default_rng(0), "random generator"),
        (random.Random(0), "random generator"),
        (np.random.RandomState(0), "random generator"),
        (iter([1]), "list_iterator"),
        (threading.Lock(), "lock"),
        ((i for i in "ab"), "generator"),
        (object(), "object"),
        ({"a": [open] * 2 + [sys.stdin]}, r"it\[a\]\[2\]"),
    ],
    ids=lambda o: o if isinstance(o, str) else type(o).__name__,
)
def test_what_is_not_known_is_refused_with_advice(o, says):
    with pytest.raises(GraphselError, match=says) as e:
        fingerprint(o, "it")
    assert "give" in str(e.value)


def test_an_object_of_your_own_says_what_it_is():
    class Mine:
        def __init__(self, name):
            self.fingerprint = name

    class Yours:
        def fingerprint(self):
            return "yours"

    class Wrong:
        fingerprint = 3

    assert fingerprint(Mine("a")) == fingerprint(Mine("a")) != fingerprint(
        Mine("b")
    ) and fingerprint(Yours()) == fingerprint(Yours())
    with pytest.raises(GraphselError, match="make it a text"):
        fingerprint(Wrong())


def test_lists_that_hold_themselves_are_refused():
    a = [1]
    a.append(a)
    with pytest.raises(GraphselError, match="contains itself"):
        fingerprint(a)


def test_no_hash_of_what_prints_shortened():
    "`sha1` took an array within a list, or an array of objects, by how it prints or by its addresses."
    for o in ([BIG], np.array([1, "a"], dtype=object), {"a": 1}, None, Holder(1)):
        with pytest.raises(GraphselError, match="use fingerprint"):
            sha1(o)


# ---- code ----


def functions_of(text, name="f"):
    "A function from text, as typed in a notebook."
    space = {"__name__": "__main__", "np": np}
    exec(textwrap.dedent(text), space)
    return space[name]


@pytest.mark.parametrize(
    "one,other",
    [
        ("def f(x): return x + 1", "def f(x): return x + 2"),
        ("def f(x): return x + 1", "def f(x): return x - 1"),
        ("def f(x, a=1): return a", "def f(x, a=2): return a"),
        ("def f(x): return np.sum(x)", "def f(x): return np.max(x)"),
        ("def g(x): return 1\ndef f(x): return g(x)", "def g(x): return 2\ndef f(x): return g(x)"),
        ("k = 1\ndef f(x): return k", "k = 2\ndef f(x): return k"),
        (
            "def f(x): return [(lambda: i + 1)() for i in x]",
            "def f(x): return [(lambda: i + 2)() for i in x]",
        ),
        ("class f:\n    a = 1", "class f:\n    a = 2"),
        ("class f:\n    def m(self): return 1", "class f:\n    def m(self): return 2"),
        (
            "class f:\n    @property\n    def m(self): return 1",
            "class f:\n    @property\n    def m(self): return 2",
        ),
        (
            "class B:\n    def m(self): return 1\nclass f(B): pass",
            "class B:\n    def m(self): return 2\nclass f(B): pass",
        ),
        (
            "def f(x):\n    try: return 1\n    except KeyError: return 2",
            "def f(x):\n    try: return 1\n    except ValueError: return 2",
        ),
        (
            "import functools\n@functools.lru_cache\ndef f(x): return 1",
            "import functools\n@functools.lru_cache\ndef f(x): return 2",
        ),
        (
            "from dataclasses import dataclass, field\n@dataclass\nclass f:\n    a: list = field(default_factory=list)",
            "from dataclasses import dataclass, field\n@dataclass\nclass f:\n    a: list = field(default_factory=dict)",
        ),
        ("def f(x): return x.real", "def f(x): return x.imag"),
        ("def f(*, a=1): pass", "def f(*, a=2): pass"),
        (
            "def e(x): return f(x)\ndef f(x): return e(x) + 1",
            "def e(x): return f(x)\ndef f(x): return e(x) + 2",
        ),
    ],
)
def test_code_counts(one, other):
    assert (
        fingerprint(functions_of(one))
        == fingerprint(functions_of(one))
        == fingerprint(functions_of("\n\n" + one))
        != fingerprint(functions_of(other))
    )


def test_whatever_is_registered_has_a_fingerprint():
    "Those of the package by their name, so that a session does not have to load a line of them."
    for registry in (STRATEGIES, MODELS, CRITERIA):
        marks = {n: fingerprint(getattr(o, "pick", o)) for n, o in registry.items()}
        assert len(set(marks.values())) == len(marks)


def test_classes_and_rules_of_your_own(monkeypatch):
    def rule(step):
        class Mine(MeanModel):
            "A model."

            name = "mine"

            def _predict(self, names):
                return super()._predict(names)[0] + step, {}

        def choose(X, L, n, rng=None):
            return list(range(step, n + step))

        query("active:mine", hidden)(choose)
        return fingerprint(Mine), fingerprint(STRATEGIES["active:mine"])

    try:
        a, b, c = rule(1), rule(1), rule(2)
        assert a == b and a[0] != c[0] and a[1] != c[1]
    finally:
        del STRATEGIES["active:mine"]


def test_every_process_finds_the_same():
    code = """
from graphsel.core import fingerprint
import numpy as np, pandas as pd
def f(x): return x in {"a", "b", "c", "d"}
class K:
    def g(self): return {"u", "v", "w"} & {1, 2, 3}
print(fingerprint([f, K, {"x", "y", "z"}, {"b": 1, "a": 2}, pd.DataFrame({"a": ["x", "y"]}), np.array(["q", "r"])]))"""
    found = set(printed_under(code))
    assert len(found) == 1 and len(found.pop()) == 41
