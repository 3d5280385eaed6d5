"""API pages of the documentation: each public name with its signature, parameters (from docments) and methods."""
import ast
import html
import inspect
import re
import textwrap
from importlib import import_module

from build_docs import LIB, Page, inline
from fastcore.docments import docments
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

import graphsel

EMPTY = inspect.Parameter.empty


def documented_modules():
    "The modules of the package, in import order."
    return [o for o in graphsel._rooms if (LIB/f"{o}.py").exists()]


def definition(obj):
    "The syntax tree of a function or class, or None."
    try: source = textwrap.dedent(inspect.getsource(obj))
    except (OSError, TypeError): return None
    try: node = ast.parse(source).body[0]
    except (SyntaxError, IndexError): return None
    return node if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else None


def tidy(text): return re.sub(r"'([\w.\[\], |]+)'", r"\1", text).replace(" | ", "|")


def written_parameters(node):
    "(name as written, annotation, default) of each parameter of a function, as in the source."
    a, rows = node.args, []
    positional = [*a.posonlyargs, *a.args]
    defaults = [None]*(len(positional) - len(a.defaults)) + list(a.defaults)
    def row(o, default, stars=""): return stars + o.arg, tidy(ast.unparse(o.annotation)) if o.annotation else "", ast.unparse(default) if default is not None else None
    for o, d in zip(positional, defaults, strict=True): rows.append(row(o, d))
    if a.vararg: rows.append(row(a.vararg, None, "*"))
    elif a.kwonlyargs: rows.append(("*", "", None))
    for o, d in zip(a.kwonlyargs, a.kw_defaults, strict=True): rows.append(row(o, d))
    if a.kwarg: rows.append(row(a.kwarg, None, "**"))
    return [o for i, o in enumerate(rows) if not (i == 0 and o[0] in ("self", "cls"))]


def field_parameters(node):
    "The same for the fields of a dataclass or named tuple."
    rows = []
    for o in node.body:
        if not isinstance(o, ast.AnnAssign) or not isinstance(o.target, ast.Name) or "ClassVar" in ast.unparse(o.annotation): continue
        default = ast.unparse(o.value) if o.value is not None else None
        if default and (m := re.fullmatch(r"field\((?:.*default_factory=(\w+).*|.*)\)", default)):
            if "init=False" in default: continue
            default = f"{m[1]}()" if m[1] else "…"
        rows.append((o.target.id, tidy(ast.unparse(o.annotation)), default))
    return rows


def signature(name, rows, returns=""):
    "A signature as code, one parameter a line where it is long."
    shown = [n + (f": {a}" if a else "") + (("=" if not a else " = ") + d if d is not None else "") for n, a, d in rows]
    tail = f" -> {returns}" if returns else ""
    line = f"{name}({', '.join(shown)}){tail}"
    if len(line) > 90: line = f"{name}(\n    " + ",\n    ".join(shown) + f"\n){tail}"
    return highlight(line, PythonLexer(), HtmlFormatter(cssclass="highlight signature"))


def comments(obj):
    "{parameter: what it is} of a function or class; `return` for what comes back."
    try: return {k: " ".join(str(v).split()) for k, v in docments(obj, returns=True).items() if v}
    except Exception: return {}  # no source: an object made by a library


def table(rows, said, returns, page, site):
    "The table of parameters, where any of them is described."
    body = []
    for name, annotation, default in rows:
        if name == "*": continue
        what = said.get(name.lstrip("*"), "")
        body.append((name, annotation, default, what))
    if returns or said.get("return"): body.append(("returns", returns, None, said.get("return", "")))
    if not any(o[3] for o in body): return ""
    cells = [f"<tr><td><code>{html.escape(n)}</code></td><td><code>{html.escape(a)}</code></td><td>{f'<code>{html.escape(d)}</code>' if d is not None else ''}</td><td>{inline(w, page, site)}</td></tr>"
             if n != "returns" else f'<tr class="returns"><td>returns</td><td><code>{html.escape(a)}</code></td><td></td><td>{inline(w, page, site)}</td></tr>' for n, a, d, w in body]
    return ('<div class="table"><table class="parameters"><thead><tr><th>name</th><th>type</th><th>default</th><th>what it is</th></tr></thead><tbody>'
            + "".join(cells) + "</tbody></table></div>")


def docstring(obj, page, site):
    text = inspect.getdoc(obj) if isinstance(obj, (type, property)) or callable(obj) else ""
    if isinstance(obj, type) and (not obj.__doc__ or obj.__doc__.startswith(f"{obj.__name__}(")): text = ""  # what dataclass wrote by itself
    return f"<p>{inline(' '.join(text.split()), page, site)}</p>" if text else ""


def described_function(name, f, page, site):
    node = definition(f)
    if node is None or not isinstance(node, ast.FunctionDef): return docstring(f, page, site)
    rows, returns = written_parameters(node), tidy(ast.unparse(node.returns)) if node.returns else ""
    return signature(name, rows, returns) + docstring(f, page, site) + table(rows, comments(f), returns, page, site)


def described_class(name, cls, page, site):
    "A class: how it is made, its properties, its public methods."
    node = definition(cls)
    own = vars(cls).get("__init__")
    init = definition(own) if inspect.isfunction(own) else None
    rows = written_parameters(init) if init else field_parameters(node) if node else []
    parents = [(o.__name__, o.__module__.partition(".")[2]) for o in cls.__bases__ if not o.__name__.startswith("_")]
    links = ", ".join(f'<a href="{page.up(f"api/{room}.html")}#{parent}"><code>{parent}</code></a>' for parent, room in parents if room in site.documented)
    out = [signature(name, rows), docstring(cls, page, site), f"<p>With all that {links} has.</p>" if links else "",
           table(rows, comments(own if init else cls), "", page, site)]
    members = [(k, v) for k, v in vars(cls).items() if not k.startswith("_")]
    for k, v in members:
        f = v.__func__ if isinstance(v, (classmethod, staticmethod)) else v.fget if isinstance(v, property) else getattr(v, "func", v)
        if not inspect.isfunction(f): continue
        anchor = f"{name}.{k}"
        page.contents.append((3, k, anchor))
        value = isinstance(v, property) or f is not v and not isinstance(v, (classmethod, staticmethod))
        if value:
            method = definition(f)
            returns = tidy(ast.unparse(method.returns)) if method is not None and method.returns else ""
            line = highlight(f"{name.lower() if name.isupper() else name}.{k}" + (f": {returns}" if returns else ""), PythonLexer(), HtmlFormatter(cssclass="highlight signature"))
            said = comments(f).get("return", "")
            text = docstring(f, page, site) + (f"<p>{inline(said, page, site)}</p>" if said else "")
        else: line, text = "", described_function(f"{name}.{k}", f, page, site)
        out.append(f'<div class="member" id="{anchor}">{line}{text}</div>')
    return "".join(out)


def described_value(name, value):
    "A constant: its value where that is short, else its type."
    shown = repr(value)
    if isinstance(value, dict) and len(shown) > 300: shown = f"{type(value).__name__} with keys {', '.join(map(repr, list(value)[:12]))}{', …' if len(value) > 12 else ''}"
    elif len(shown) > 300 or " object at " in shown or " at 0x" in shown: shown = f"a {type(value).__name__}"
    return highlight(f"{name} = {shown}" if not shown.startswith("a ") else f"{name}  # {shown}", PythonLexer(), HtmlFormatter(cssclass="highlight signature"))


def api_page(module, site):
    "The page of a module."
    mod = import_module(f"graphsel.{module}")
    page = Page(f"api/{module}.html", f"graphsel.{module}", group="api")
    page.lead = inline((mod.__doc__ or "").strip(), page, site)
    notebook = next((o for o in site.pages if o.source and o.group == "modules" and re.sub(r"^\d+[a-z]?_", "", o.source.stem) == module), None)
    parts = [f'<p class="see">How it works, with examples: <a href="{page.up(notebook.url)}">{html.escape(notebook.title)}</a>.</p>'] if notebook else []
    for name in mod.__all__:
        obj = getattr(mod, name)
        page.contents.append((2, name, name))
        if inspect.isclass(obj) and getattr(obj, "__module__", "") == mod.__name__: body, kind = described_class(name, obj, page, site), "class"
        elif inspect.isfunction(inspect.unwrap(obj)) if callable(obj) else False: body, kind = described_function(name, inspect.unwrap(obj), page, site), "function"
        else: body, kind = described_value(name, obj), "value"
        parts.append(f'<section class="api"><h2 id="{name}">{html.escape(name)} <small>{kind}</small> <a class="anchor" href="#{name}" aria-label="link to this name">#</a></h2>{body}</section>')
    page.body = "\n".join(parts)
    return page
