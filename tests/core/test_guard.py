"""Public functions that are given the wrong thing say so in one line, instead of failing somewhere inside."""

import inspect
import pickle
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

import graphsel as gs
from graphsel.core.guard import _column_lost, fits, kind_in_words
from graphsel.selection.plan import Selection

WINGS = sorted(n for n in gs.__all__ if inspect.ismodule(getattr(gs, n)) and n not in ("pl", "cli"))


def public():
    "Every function and class that the wings and the front door offer, each once."
    found = {}
    for home in (gs, *(import_module(f"graphsel.{wing}") for wing in WINGS)):
        rooms = {o.stem for o in Path(home.__file__).parent.iterdir()}
        for name in set(home.__all__) - rooms - {"GNN", "GEARS", "to_pyg"}:  # torch takes its time
            thing = getattr(home, name)
            if inspect.isfunction(thing) or inspect.isclass(thing):
                found.setdefault(id(thing), thing)
    return list(found.values())


class Stranger:
    "Nothing that anybody expects."


def first_of(thing):
    "The first parameter, where it can be given by its place and says what it takes; and what else has to be given."
    if not inspect.isfunction(thing) and "__init__" not in vars(thing):
        return None, []
    asked = [p for p in inspect.signature(thing).parameters.values() if p.kind <= 1]
    if not asked or asked[0].annotation is inspect.Parameter.empty:
        return None, []
    return asked[0], [p for p in asked[1:] if p.default is inspect.Parameter.empty]


@pytest.mark.parametrize(
    "wrong",
    [Stranger(), None, [Stranger()], {"a": Stranger()}],
    ids=["thing", "None", "list", "dict"],
)
def test_a_stranger_is_called_a_stranger(wrong):
    "No public function ends in an error of Python when its first argument is something else."
    bare, told = [], 0
    for thing in public():
        first, others = first_of(thing)
        if first is None or thing is gs.explore:
            continue
        try:
            thing(wrong, *(None for _ in others))
        except gs.GraphselError as e:
            assert str(e)
            told += 1
        except Exception as e:
            bare.append(f"{thing.__name__}: {type(e).__name__} {e}")
    assert not bare, "\n".join(bare)
    assert told > 60


def test_what_was_mixed_up_is_said_and_the_cause_kept():
    s = gs.simulated_screen(40, 20, n_genes=60, random_state=0)
    with pytest.raises(
        gs.GraphselError, match=r"^why: plan is a GraphSet; give a plan \(gs.select"
    ) as e:
        gs.why(s.graph, "TP53")
    assert isinstance(e.value.__cause__, AttributeError)
    with pytest.raises(gs.GraphselError, match="^GraphReach: graph is an AnnData; give a graph"):
        gs.criteria.GraphReach(s.screen)
    with pytest.raises(
        gs.GraphselError, match="^from_gene_sets: sets is a list with a str in it; give a dict"
    ):
        gs.graphs.from_gene_sets(["TP53"])
    with pytest.raises(gs.GraphselError, match="^summarize: results is a str; give a DataFrame"):
        gs.summarize("results.csv")
    told = "ratios has no column 'screen'; its columns: strategy, b"
    with pytest.raises(gs.GraphselError, match=told):
        gs.benchmark.average_ranks(pd.DataFrame({"strategy": ["x"], "b": [2]}))


@pytest.mark.parametrize("lost", ["screen", ["screen"], ["screen", "strategy"]])
def test_a_column_that_pandas_misses_is_named(lost):
    "Whether it is asked for alone or in a list, in the words of pandas 2 or 3."
    table = pd.DataFrame({"a": [1], "strategy": ["x"]})
    with pytest.raises(KeyError) as e:
        table[lost]
    assert _column_lost(e.value) == "screen"


def test_an_error_that_nothing_was_mixed_up_in_stays_as_it_is():
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        gs.why(Selection([], [], []))
    with pytest.raises(TypeError, match="unexpected keyword"):
        gs.budget_curve(Selection([], [], []), size=3)


def test_kinds_are_read_from_annotations():
    assert fits("a", "str | Path") and not fits(3, "str | Path")
    assert (
        fits(["a"], "Sequence[str]")
        and not fits("a", "Sequence[str]")
        and not fits([1], "Sequence[str]")
    )
    assert fits(pd.Series(["a"]), "Sequence[str]") and not fits(pd.DataFrame(), "Sequence[str]")
    assert fits({"a": 1}, "Mapping[str, float]") and not fits({"a": "b"}, "Mapping[str, float]")
    assert fits(3, "float") and not fits("3", "float | None") and fits(None, "float | None")
    assert fits(iter("ab"), "Iterable[str]") and fits(object(), "SomethingUnheardOf")
    assert fits(len, "Callable[[int], int]") and not fits(3, "Callable")
    assert (
        kind_in_words("Sequence[Graphs] | Mapping[str, Graphs] | None")
        == "a list of graphs or a dict"
    )


def test_one_function_of_a_name_so_that_processes_can_be_told_of_it():
    assert pickle.loads(pickle.dumps(gs.select)) is gs.select
    assert inspect.signature(gs.select).parameters["budget"]
    assert "Parameters\n" in gs.selection.plate_map.__doc__
