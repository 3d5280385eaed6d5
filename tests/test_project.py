"""The house rules: notebooks and modules in step, imports one way, small cells, nothing of one machine in any file."""

import ast
import configparser
import filecmp
import importlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path

import heavy
import house
import pytest
import render_readme
from conftest import ROOT

import graphsel

NBS, LIB = ROOT / "nbs", ROOT / "graphsel"
ALL_NOTEBOOKS = [
    o
    for o in sorted(NBS.rglob("*.ipynb"))
    if not any(p.startswith((".", "_")) for p in o.relative_to(NBS).parts)
]


def dotted_name(path):
    "`graphsel/graphs/readers/edges.py` -> graphs.readers.edges"
    return ".".join(path.relative_to(LIB).with_suffix("").parts)


MODULES = {dotted_name(o): o for o in sorted(LIB.rglob("*.py")) if not o.name.startswith("_")}


@cache
def tree_of(module):
    "The syntax of a module."
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


WINGS = sorted(o.parent.name for o in LIB.glob("*/__init__.py"))
# What choosing needs is loaded in a moment: none of these comes with a wing below `models`, unless it is asked for.
PLANNING = ("core", "genes", "screens", "graphs", "datasets", "criteria", "selection")
HEAVY = (
    "torch",
    "torch_geometric",
    "scanpy",
    "anndata",
    "matplotlib",
    "seaborn",
    "pandas",
    "sklearn",
    "pyarrow",
    "IPython",
    "fastcore",
)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def read(path):
    return path.read_text(encoding="utf-8")


# ---- notebooks and their cells ----


def cells(path):
    return heavy.nbformat.read(path, as_version=4).cells


def directives(cell):
    return render_readme.split_directives(cell.source)[0]


def is_exported(cell):
    return cell.cell_type == "code" and any(
        o in directives(cell) for o in ("export", "exports", "exporti")
    )


def code_lines(cell):
    return [o for o in render_readme.split_directives(cell.source)[1].split("\n") if o.strip()]


def module_of(path):
    "The module that a notebook exports, or None."
    found = re.search(r"#\| *default_exp ([\w.]+)", read(path))
    return found and found[1]


def is_hidden(cell):
    return "hide" in directives(cell)


EXPORTING = {m: o for o in ALL_NOTEBOOKS if (m := module_of(o))}


# ---- in step ----

COPIED = shutil.ignore_patterns(
    ".venv",
    ".git",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    ".ipynb_checkpoints",
    "*.egg-info",
    "build",
    "dist",
    "demo",
    "_docs",
    "_proc",
)


def changed(one, other):
    "Files that two folders do not share byte for byte."
    paths = {
        o.relative_to(top)
        for top in (one, other)
        for o in top.rglob("*")
        if o.is_file() and "__pycache__" not in o.parts
    }
    return sorted(
        o.as_posix()
        for o in paths
        if not (
            (one / o).exists()
            and (other / o).exists()
            and filecmp.cmp(one / o, other / o, shallow=False)
        )
    )


@pytest.mark.parametrize(
    "command,mend", [("nbdev_export", "make export"), ("nbdev_clean", "make clean-nbs")]
)
def test_in_step(command, mend, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(ROOT, before, ignore=COPIED)
    shutil.copytree(before, after)
    where = "nbdev.doclinks" if command == "nbdev_export" else "nbdev.clean"
    subprocess.run(
        [sys.executable, "-c", f"from {where} import {command}; {command}()"],
        cwd=after,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert not (diff := changed(before, after)), f"run `{mend}`: it changes {diff}"


def test_each_module_has_its_notebook():
    assert set(MODULES) == set(EXPORTING), (
        "a module without a notebook, or a notebook that was not exported"
    )
    for module, path in EXPORTING.items():
        parts = path.relative_to(NBS).with_suffix("").parts
        told = ".".join(re.sub(r"^\d+[a-z]?_", "", o) for o in parts)
        assert told == module, f"{name_of(path)} exports {module}"
        assert f"../{name_of(path)}" in read(MODULES[module]), (
            f"{module} was exported from another notebook than {name_of(path)}"
        )


def test_each_wing_opens_with_a_page_and_a_table():
    "A chapter has an overview that exports nothing; a wing has an __init__ and a stub with its public names."
    for wing in WINGS:
        (chapter,) = NBS.glob(f"[0-9][0-9]_{wing}")
        overview = chapter / "00_overview.ipynb"
        assert overview.exists() and module_of(overview) is None, f"no overview of {wing}"
        assert (LIB / wing / "__init__.pyi").exists()


# ---- one way: wings by import-linter (contracts in pyproject.toml), rooms by the numbers of their notebooks ----

ORDER = {module: i for i, module in enumerate(EXPORTING)}  # as the chapters read


def absolute(node, module):
    "What `from … import` names, in full: a relative import is read from `module`."
    package = ["graphsel", *module.split(".")]
    base = package[: len(package) - node.level] if node.level else []
    return ".".join([*base, *filter(None, [node.module])])


def rooms_imported(tree, module):
    "(room, line) of each import of a room of graphsel in a module, inside functions too, not for type checkers only."
    for_types = {
        id(o)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for branch in node.body
        for o in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        found = []
        if isinstance(node, ast.Import):
            found = [o.name for o in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module)
            within = [f"{base}.{o.name}" for o in node.names]
            found = [o if o.removeprefix("graphsel.") in MODULES else base for o in within]
        for o in found:
            package, _, rest = o.partition(".")
            if package == "graphsel" and rest:
                yield rest, node.lineno


def outermost_imports(tree):
    "Top-level packages that a module imports as it is loaded (not inside functions, nor for type checkers only)."
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (o.name.split(".")[0] for o in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            todo += ast.iter_child_nodes(node)


def test_reading_imports():
    tree = ast.parse(
        "import numpy\nif TYPE_CHECKING:\n    from .coverage import Covered\n"
        "from ..core.errors import x\nfrom .. import models, __version__\nfrom . import base\n"
        "def f():\n    from graphsel.cli.main import main\n    import graphsel.genes.lists as d\n    import torch"
    )
    found = {o for o, _ in rooms_imported(tree, "criteria.design")}
    assert found == {"core.errors", "criteria.base", "cli.main", "genes.lists"}
    assert set(outermost_imports(tree)) == {"numpy"}


def test_rooms_of_a_wing_import_one_way():
    wrong = [
        f"{name_of(path)}, line {line}: {room}"
        for module, path in MODULES.items()
        for room, line in rooms_imported(tree_of(module), module)
        if room.split(".")[0] == module.split(".")[0]
        and ORDER.get(room, len(ORDER)) >= ORDER[module]
    ]
    assert not wrong, f"a room may import only rooms before it: {wrong}"


def test_wings_import_one_way():
    "The contracts of import-linter: layers of wings, where torch and matplotlib belong."
    program = shutil.which("lint-imports", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("import-linter is not installed (it comes with the dev extra)")
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts:") :] + done.stderr


def test_every_wing_is_in_the_contract():
    contracts = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(o["layers"] for o in contracts if o["type"] == "layers")
    assert sorted(o for layer in layers for o in layer.split(" | ")) == WINGS


TELL_LOADED = """
import importlib, json, sys
rooms, packages = json.loads(sys.argv[1])
brought = {}
for room in rooms:
    importlib.import_module(room)
    brought.update({o: brought.get(o, room) for o in packages if o in sys.modules})
print(json.dumps(brought))
"""


def brought_by(rooms, packages):
    "package -> the first of the rooms, loaded in this order in a fresh process, with which it came."
    told = json.dumps([list(rooms), list(packages)])
    done = subprocess.run(
        [sys.executable, "-c", TELL_LOADED, told], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rooms_of(wings):
    return [f"graphsel.{o}" for o in EXPORTING if o.split(".")[0] in wings]


def test_package_is_light():
    assert not brought_by(["graphsel"], ["numpy", "scipy", "numba", *HEAVY])


def test_planning_is_light():
    assert not brought_by(["graphsel.selection.select"], [*HEAVY, "numba"])
    assert not brought_by(rooms_of(PLANNING), HEAVY)


def test_rooms_are_light():
    planning = [o for o in MODULES if o.split(".")[0] in PLANNING]
    found = {o: set(outermost_imports(tree_of(o))) & set(HEAVY) for o in planning}
    heavy_rooms = {o: sorted(packages) for o, packages in found.items() if packages}
    assert not heavy_rooms, f"import these where they are used: {heavy_rooms}"


def test_command_line_is_light():
    "Help and tab completion wait for no library."
    assert not brought_by(["graphsel.cli.main"], ["scipy", "numba", *HEAVY])


# ---- the front door ----

STUBS = {wing: ast.parse(read(LIB / wing / "__init__.pyi")) for wing in WINGS}


def offered(tree):
    "name -> the room it comes from, of a stub."
    return {
        o.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for o in node.names
    }


FRONT = offered(ast.parse(read(LIB / "__init__.pyi")))


def test_front_door():
    assert dir(graphsel) == sorted({*FRONT, *WINGS, "pl", "__version__"})
    assert graphsel.pl is graphsel.plotting
    with pytest.raises(AttributeError):
        _ = graphsel.nothing
    for name, room in FRONT.items():
        home = importlib.import_module(f"graphsel.{room}")
        assert getattr(graphsel, name) is getattr(home, name)


@pytest.mark.parametrize("name", [o for o in FRONT if o[0].islower()])
def test_help_tells_every_parameter(name):
    thing = getattr(graphsel, name)
    text = inspect.getdoc(thing)
    entries = {line.partition(" : ")[0] for line in text.splitlines()}  # a type need not be told
    parameters = [
        f"{'*' * (p.kind is p.VAR_POSITIONAL)}{'**' * (p.kind is p.VAR_KEYWORD)}{p.name}"
        for p in inspect.signature(thing).parameters.values()
    ]
    assert "\nParameters\n-----" in text and not [p for p in parameters if p not in entries]


@pytest.mark.parametrize("wing", WINGS)
def test_wings_offer_what_their_stub_says(wing):
    module = importlib.import_module(f"graphsel.{wing}")
    rooms = {o.split(".")[1] for o in MODULES if o.startswith(f"{wing}.")}
    names = offered(STUBS[wing])
    assert set(dir(module)) == {*rooms, *names}
    for name in names:
        assert getattr(module, name) is not None


def exported_names(tree):
    "`__all__` of a module."
    return next(
        (
            ast.literal_eval(o.value)
            for o in tree.body
            if isinstance(o, ast.Assign) and dotted(o.targets[0]) == "__all__"
        ),
        [],
    )


def test_what_is_exported_is_offered():
    "`#| export` is for public functions and classes, `#| exporti` for what only other rooms use."
    public = {(f"{wing}.{room}", o) for wing in WINGS for o, room in offered(STUBS[wing]).items()}
    public |= {(room, o) for o, room in FRONT.items()}
    found = {
        (module, node.name)
        for module in MODULES
        for node in tree_of(module).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name in exported_names(tree_of(module))
    }
    assert not (hidden := sorted(found - public)), (
        f"list these in the stub of their wing, or mark their cells `#| exporti`: {hidden}"
    )


def test_a_public_name_means_one_thing():
    homes = Counter(o for wing in WINGS for o in offered(STUBS[wing]))
    assert not {o: n for o, n in homes.items() if n > 1}
    assert len(homes) <= 155


# ---- metadata and README ----


def test_one_version():
    settings = configparser.ConfigParser(delimiters=["="])
    settings.read(ROOT / "settings.ini", encoding="utf-8")
    assert graphsel.__version__ == settings["DEFAULT"]["version"]
    assert f"\nversion: {graphsel.__version__}\n" in read(ROOT / "CITATION.cff")


BUILD = (
    "from setuptools import build_meta as b; print(b.build_sdist('dist'), b.build_wheel('dist'))"
)


def package_files(names):
    "What of a distribution belongs to the package."
    return {o for o in names if o.startswith("graphsel/") and not o.endswith("/")}


def test_what_is_built_holds_the_package(tmp_path):
    "Wheel and sdist, from a folder with blanks and umlauts, hold every module and stub; the wheel's command starts."
    source, installed = tmp_path / "ein schöner Ordner", tmp_path / "là bas"
    shutil.copytree(LIB, source / "graphsel", ignore=COPIED)
    for o in ROOT.iterdir():
        if o.is_file():
            shutil.copy(o, source)
    run = {"capture_output": True, "text": True, "check": True}
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=source, **run)
    sdist, wheel = (source / "dist" / o for o in done.stdout.split()[-2:])
    expected = {o.relative_to(source).as_posix() for o in (source / "graphsel").rglob("*.*")}
    with zipfile.ZipFile(wheel) as held, tarfile.open(sdist) as also_held:
        assert package_files(held.namelist()) == expected
        assert package_files(o.partition("/")[2] for o in also_held.getnames()) >= expected
        held.extractall(installed)
    told = subprocess.run([sys.executable, "-m", "graphsel", "--version"], cwd=installed, **run)
    assert told.stdout == f"graphsel, version {graphsel.__version__}\n"


def test_render():
    from nbformat import v4 as new

    table = new.new_output("display_data", data={"text/html": "<b>1</b>", "text/plain": "one"})
    figure = new.new_output("display_data", data={"image/png": "AAAA", "text/plain": "<Figure>"})
    page = [
        new.new_markdown_cell(
            "# title\n\n[a](tutorials/a.ipynb) ![b](../b.png) [c](https://c.org) [d](#d)"
        ),
        new.new_code_cell("#| hide\nsecret = 1"),
        new.new_code_cell("#| eval: false\nshown = 1", outputs=[table, figure]),
        new.new_code_cell(
            "#| echo: false\nunseen = 1",
            outputs=[new.new_output("stream", name="stderr", text="3%")],
        ),
        new.new_code_cell(
            "print(2)", outputs=[new.new_output("stream", name="stdout", text="two\n")]
        ),
    ]
    text = render_readme.render(io.StringIO(heavy.nbformat.writes(new.new_notebook(cells=page))))
    assert text.startswith(render_readme.NOTE + "# title\n")
    for o in (
        "[a](nbs/tutorials/a.ipynb)",
        "![b](b.png)",
        "[c](https://c.org)",
        "[d](#d)",
        "```python\nshown = 1\n```",
        "    one\n",
        "    two\n",
    ):
        assert o in text
    for o in ("secret", "unseen", "#|", "<b>", "Figure", "3%"):
        assert o not in text


@pytest.fixture
def index():
    path = NBS / "index.ipynb"
    if not path.exists():
        pytest.skip("nbs/index.ipynb does not exist yet")
    return path


def test_readme_is_rendered_from_index(index):
    assert read(ROOT / "README.md") == render_readme.render(index), "run `make readme`"


def test_readme(index):
    text = read(ROOT / "README.md")
    assert "make demo" in text and "make test" in text
    links = [
        m[2].split("#")[0]
        for m in render_readme.LINK.finditer(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    ]
    missing = [o for o in links if not (ROOT / o).exists()]
    assert not missing, f"README links to files that do not exist: {missing}"


# ---- how a notebook reads ----


@pytest.mark.parametrize("path", ALL_NOTEBOOKS, ids=name_of)
def test_notebook_is_small(path):
    page = cells(path)
    assert path.stat().st_size <= 300_000, "over 300 KB: save smaller figures"
    assert len(page) <= 70, "over 70 cells: split the notebook"
    assert (
        page[0].cell_type == "markdown"
        and page[0].source.startswith("# ")
        and "\n> " in page[0].source
    ), "open with `# title` and a `>` line"
    long = {c.id: n for c in page if is_exported(c) and (n := statements(c)) > 60}
    assert not long, f"exported cells of more than 60 statements: {long}"


def statements(cell):
    "How many statements a cell holds, docstrings aside: its measure, however long or short its lines."
    tree = ast.parse("\n".join(o for o in cell.source.splitlines() if not o.startswith(("%", "!"))))
    return sum(
        isinstance(o, ast.stmt)
        and not (isinstance(o, ast.Expr) and isinstance(o.value, ast.Constant))
        for o in ast.walk(tree)
    )


def test_rhythm():
    count, prose, shown = {}, {}, {}
    for module, path in EXPORTING.items():
        page = cells(path)
        count[module] = [statements(c) for c in page if is_exported(c)]
        prose[module] = sum(c.cell_type == "markdown" for c in page)
        shown[module] = sum(
            c.cell_type == "code"
            and not is_exported(c)
            and not is_hidden(c)
            and bool(code_lines(c))
            for c in page
        )
    exported = sum(map(len, count.values()))
    each = {
        m: (round(sum(n) / len(n), 1), round(prose[m] / len(n), 2), round(shown[m] / len(n), 2))
        for m, n in count.items()
        if n
    }
    assert sum(map(sum, count.values())) <= 15 * exported, (
        f"exported cells are too long; statements, prose cells and examples per exported cell: {each}"
    )
    assert sum(prose.values()) >= 0.8 * exported, (
        f"too little prose; statements, prose cells and examples per exported cell: {each}"
    )
    assert sum(shown.values()) >= 0.6 * exported, (
        f"too few examples; statements, prose cells and examples per exported cell: {each}"
    )


# ---- how its code reads ----


def test_lines():
    every = house.lines()
    over = [where for where, n in every if n > house.LONGEST_LINE]
    assert not over, f"lines of more than {house.LONGEST_LINE} columns: {over}"
    assert sum(n > house.LONG_LINE for _, n in every) < 0.05 * len(every)


def test_functions_do_one_thing():
    assert not house.long_functions()
    assert not house.long_signatures()


# ---- nothing of one machine ----

ONE_MACHINE = re.compile(r"(?<![\w.:/~-])/(?:home|root|work|Users)/\w")
TEMPORARY = re.compile(r"(?<![\w.:/~-])/(?:tmp|var/folders)/\w")
REGISTRY = re.compile(r"index-url|find-links|trusted-host|pypi\.\w", re.IGNORECASE)
BINARY = {".png", ".h5ad", ".parquet", ".gz", ".npz", ".ico", ".gif", ".jpg"}


def output_text(output):
    "The text of an output, images aside."
    data = {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
    return json.dumps([output.get("text", ""), output.get("traceback", ""), data])


@pytest.mark.parametrize("path", ALL_NOTEBOOKS, ids=name_of)
def test_notebook_names_no_machine(path):
    for c in cells(path):
        assert not ONE_MACHINE.search(c.source), f"cell {c.id} holds a path of one machine"
        for o in c.get("outputs", []):
            text = output_text(o)
            if found := ONE_MACHINE.search(text) or TEMPORARY.search(text):
                around = text[max(found.start() - 30, 0) : found.end() + 30]
                pytest.fail(f"the output of cell {c.id} holds a path of one machine: …{around}…")


def tracked():
    "Text files of the project, notebooks aside."
    skip = {
        ".venv",
        ".git",
        "__pycache__",
        ".hypothesis",
        "build",
        "dist",
        "demo",
        "_docs",
        "_proc",
        ".ipynb_checkpoints",
    }
    for top, folders, names in os.walk(ROOT):
        folders[:] = [
            o for o in folders if o not in skip and not o.endswith(("_cache", ".egg-info"))
        ]
        yield from (p for n in names if (p := Path(top, n)).suffix not in BINARY | {".ipynb"})


def test_files_name_no_machine():
    bad = [name_of(o) for o in tracked() if ONE_MACHINE.search(read(o))]
    assert not bad, f"paths of one machine in {bad}"
    set_up = [
        ROOT / o
        for o in (
            "Makefile",
            "constraints.txt",
            "settings.ini",
            "setup.py",
            "pyproject.toml",
            ".ci/run",
        )
    ]
    bad = [
        name_of(o)
        for o in [*set_up, *(ROOT / "tools").glob("*.py"), *(ROOT / ".github").rglob("*.yml")]
        if REGISTRY.search(read(o))
    ]
    assert not bad, (
        f"the address of a registry in {bad}: it belongs to the machine's own pip settings"
    )


# ---- how a module behaves ----


def dotted(node):
    "`a.b.c` of a chain of attributes, or an empty string."
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def calls(node, within=""):
    "(name, line, source of the enclosing function) of each call."
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield dotted(child.func), child.lineno, within
        yield from calls(
            child,
            ast.unparse(child) if isinstance(child, ast.FunctionDef) and not within else within,
        )


GENERATORS = {
    "default_rng",
    "Generator",
    "SeedSequence",
    "BitGenerator",
    "PCG64",
    "PCG64DXSM",
    "Philox",
    "SFC64",
    "MT19937",
}


def global_randomness(tree):
    "Calls that set a global seed, or draw from a global generator of NumPy or of the standard library."
    for name, line, within in calls(tree):
        head, _, last = name.rpartition(".")
        numpy = head in ("np.random", "numpy.random") and last not in GENERATORS
        standard = head == "random" and last not in ("Random", "SystemRandom")
        torch = last in (
            "manual_seed",
            "manual_seed_all",
            "set_rng_state",
            "seed_everything",
        ) and not (head and head.endswith(("gen", "generator", "rng")))
        if (
            numpy
            or standard
            or last == "seed_everything"
            or (torch and "Generator(" not in within and "fork_rng" not in within)
        ):
            yield f"line {line}: {name}"


def test_finding_global_randomness():
    good = "def f():\n    with torch.random.fork_rng(devices=[]):\n        torch.manual_seed(1)\n"
    good += "np.random.default_rng(1)\nrng.random()\ngen.manual_seed(2)"
    bad = "np.random.seed(1)\nnp.random.rand(3)\nrandom.seed(1)\ndef f(): torch.manual_seed(1)"
    assert not list(global_randomness(ast.parse(good)))
    assert len(list(global_randomness(ast.parse(bad)))) == 4


def test_no_global_randomness():
    found = {o: list(global_randomness(tree_of(o))) for o in MODULES}
    assert not {o: lines for o, lines in found.items() if lines}


def test_modules_do_not_print():
    silent = [o for o in MODULES if not o.startswith("cli.")]
    found = [
        f"{name_of(MODULES[o])}, line {line}"
        for o in silent
        for name, line, _ in calls(tree_of(o))
        if name == "print"
    ]
    assert not found, f"use the logger, not print: {found}"


def test_public_names_are_documented():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    bare = [
        f"{module}.{o.name}"
        for module in MODULES
        for o in tree_of(module).body
        if isinstance(o, kinds)
        and o.name in exported_names(tree_of(module))
        and not ast.get_docstring(o)
    ]
    assert not bare, f"no docstring: {bare}"
    untitled = [o for o in MODULES if not ast.get_docstring(tree_of(o))]
    assert not untitled, f"open the notebook with `# title` and a `>` line: {untitled}"


PROPERTY = """
from hypothesis import given, strategies as st

@given(st.integers(0, 10**9))
def test_drawn(n): print("drawn", n)
"""


def drawn_examples(folder, profile, *options):
    "The examples of one property in a run of its own, and the seed that its header tells."
    (folder / "conftest.py").write_text(read(ROOT / "tests" / "conftest.py"))
    (folder / "test_drawn.py").write_text(PROPERTY)
    env = {k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"} | {
        "HYPOTHESIS_PROFILE": profile
    }
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-s",
            *("-p", "no:cacheprovider", "-p", "no:zarr", "-p", "no:anyio"),
            *("-c", os.devnull),
            "--rootdir",
            ".",
            *options,
            ".",
        ],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    told = re.search(r"--hypothesis-seed=(\d+)", run.stdout)
    return re.findall(r"drawn (\d+)", run.stdout), told and told[1]


def test_property_tests_can_draw_anew(tmp_path):
    "The same examples in every run; others in each with HYPOTHESIS_PROFILE=random, whose seed brings them back."
    fixed, no_seed = drawn_examples(tmp_path, "")
    assert (
        len(set(fixed)) > 50
        and no_seed is None
        and drawn_examples(tmp_path, "graphsel")[0] == fixed
    )
    first, seed = drawn_examples(tmp_path, "random")
    other, _ = drawn_examples(tmp_path, "random")
    assert seed and first != fixed and first != other
    assert drawn_examples(tmp_path, "random", f"--hypothesis-seed={seed}")[0] == first
