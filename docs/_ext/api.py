"""The pages of the API: the front door by task, then every module in the order of the notebooks; autodoc fills them."""

import ast
import inspect
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from citations import cite
from contents import Node, pages

from graphsel.core.docs import described

PACKAGE = "graphsel"
ROLE = ":cite:year:`%s`"


def module_of(
    path: Path,  # a notebook
) -> str:  # dotted name; "" for a page that exports nothing
    "The module that a notebook writes."
    found = re.search(r'"#\|\s*default_exp\s+([\w.]+)', path.read_text(encoding="utf-8"))
    return f"{PACKAGE}.{found[1]}" if found else ""


def chapters(
    book: list,  # of `Node`
) -> list:  # (title, modules): a chapter with an overview is one, and so is a folder without
    "The modules by chapter."
    out = []
    for part in book:
        single = [Node(part.title, None, [o for o in part.below if not o.below])]
        for o in [*single, *(o for o in part.below if o.below)]:
            found = [m for p in pages([o]) if (m := module_of(p.path))]
            if found:
                out.append((o.title, found))
    return out


@cache
def offered(
    package: str,  # of the front door, or a wing
) -> dict:  # {name: module}
    "What the stub of a package lists, by the module that each name comes from."
    stub = Path(find_spec(package).origin).with_suffix(".pyi")
    found = ast.parse(stub.read_text(encoding="utf-8")).body if stub.exists() else []
    return {
        o.name: f"{package}.{node.module}"
        for node in found
        if isinstance(node, ast.ImportFrom) and node.module
        for o in node.names
    }


def front_door(
    names: dict,  # {name: module}
    titles: dict,  # {wing: title}
) -> list:  # (title, names); names as autosummary takes them
    "What the package itself offers, by the wing that it comes from, in the order of the titles."
    tasks = {}
    for name, module in names.items():
        tasks.setdefault(module.split(".")[1], []).append(f"~{module}.{name}")
    order = [*titles, *(o for o in tasks if o not in titles)]
    return [(titles.get(o, o.capitalize()), tasks[o]) for o in order if o in tasks]


def table(names, *options):
    "An autosummary table."
    head = [".. autosummary::", "   :nosignatures:", *(f"   {o}" for o in options), ""]
    return "\n".join([*head, *(f"   {o}" for o in names)])


def heading(text, line):
    return f"{text}\n{line * len(text)}"


def api_index(book: list) -> str:  # reStructuredText
    "The page that opens the API: by task, by wing, by module."
    parts = [heading("API", "="), "Every public name, with its parameters."]
    groups = chapters(book)
    titles = {modules[0].split(".")[1]: title for title, modules in groups}
    parts += [heading("By task", "-"), f"What ``import {PACKAGE} as gs`` gives at once."]
    for title, names in front_door(offered(PACKAGE), titles):
        parts += [heading(title, "~"), table(names)]
    parts += [heading("By wing", "-"), "What ``gs.WING.NAME`` gives."]
    for wing, title in titles.items():
        if names := offered(f"{PACKAGE}.{wing}"):
            known = f"``gs.{'pl' if wing == 'plotting' else wing}``"
            listed = table([f"~{module}.{name}" for name, module in names.items()])
            parts += [heading(title, "~"), known, listed]
    parts.append(heading("Modules", "-"))
    for title, modules in groups:
        parts += [heading(title, "~"), table(modules, ":toctree: .", ":template: module.rst")]
    return "\n\n".join(parts) + "\n"


def kind(thing):
    "The directive that documents an object."
    if inspect.isclass(thing):
        return "autoexception" if issubclass(thing, BaseException) else "autoclass"
    return "autofunction" if inspect.isroutine(inspect.unwrap(thing)) else "autodata"


def options_of(thing, directive):
    "Options of the directive: the methods of a class; a long value, or one with an address in it, is not shown."
    if directive in ("autoclass", "autoexception"):
        return [":members:", ":undoc-members:"]
    shown = repr(thing) if directive == "autodata" else ""
    return [":no-value:"] if len(shown) > 300 or " at 0x" in shown or " object at " in shown else []


def members(
    module: str,  # dotted name
) -> list:  # (name, directive, options)
    "The public names of a module: what it exports, and what its wing or the front door offers of it."
    found = import_module(module)
    wing = ".".join(module.split(".")[:2])
    lists = (offered(PACKAGE), offered(wing))
    listed = [name for names in lists for name, home in names.items() if home == module]
    out = []
    for name in dict.fromkeys([*getattr(found, "__all__", ()), *listed]):
        thing = getattr(found, name)
        if inspect.ismodule(thing):
            continue
        directive = kind(thing)
        home = module if directive == "autodata" else getattr(thing, "__module__", module)
        if home == module:
            out.append((name, directive, options_of(thing, directive)))
    return out


# ---- docstrings: Markdown with docments becomes reStructuredText with numpydoc's sections ----

PARAMETER = re.compile(r"(\*{0,2}\w+)( : .*)?$")
MARKUP = re.compile(
    r"(``[^`]+``|`[^`]+`|(?<![\w*])(?:\*\*(?=\S)[^*`]+(?<=\S)\*\*|\*(?=\S)[^*`]+(?<=\S)\*)(?![\w*]))"
)


def escaped(text):
    "Markdown of one line as reStructuredText: `code` and *emphasis* stay, nothing else is markup."
    parts = MARKUP.split(text)
    out = [o if o.startswith("*") else f"``{o.strip('`')}``" for o in parts]
    out[::2] = [re.sub(r"([\\*|]|_(?!\w)|`)", r"\\\1", o) for o in parts[::2]]
    return "".join(
        o if i % 2 == 0 or re.match(r"[\W_]|$", out[i + 1]) else o + "\\ "
        for i, o in enumerate(out)
    )


def restructured(
    text: str,  # a docstring
    works: list,  # for the citations
) -> list:  # lines
    "A docstring as Sphinx reads it."
    lines = []
    for line in cite(text, works, "\0%s\0").split("\n"):
        named = PARAMETER.match(line)
        header = (
            named
            and lines
            and (lines[-1].startswith(("---", "    ")) or PARAMETER.match(lines[-1]))
        )
        if set(line) == {"-"}:
            lines.append(line)
        elif header:
            lines.append(named[1] + escaped(named[2] or ""))
        else:
            lines.append(re.match(r" *", line)[0] + escaped(line.lstrip()))
    return [re.sub("\0(.*?)\0", lambda m: ROLE % m[1], o) for o in lines]


def value_text(thing, lines):
    "What is said of a value: a comment of its own, of a command the first paragraph, never the docstring of its type."
    text = "\n".join(lines).strip()
    return "" if text == (inspect.getdoc(type(thing)) or "").strip() else text.split("\n\n")[0]


def process_docstring(app, what, name, thing, options, lines):
    "autodoc: the docstring with the docments."
    if what == "module":
        text = "\n".join(lines)
    elif what in ("data", "attribute"):
        text = value_text(thing, lines)
    elif isinstance(thing, property):
        text = described(thing.fget)
    else:
        text = described(inspect.unwrap(getattr(thing, "func", thing)))
    lines[:] = restructured(text, app.config.bib_works)


def skip_member(app, what, name, thing, skip, options):
    "autodoc: of a class, its own methods and properties; its fields are among the parameters."
    if what not in ("class", "exception") or skip:
        return None
    if isinstance(thing, property):
        return None
    method = (
        inspect.isroutine(thing)
        or isinstance(thing, (classmethod, staticmethod))
        or hasattr(thing, "func")
    )
    ours = str(getattr(thing, "__module__", PACKAGE)).startswith(PACKAGE)
    return None if method and ours else True


def process_signature(app, what, name, thing, options, signature, returns):
    "autodoc: a default that is made anew for each object is shown as such."
    return (
        (signature.replace("<factory>", "…"), returns)
        if signature and "<factory>" in signature
        else None
    )
