"""Docments, the comments beside parameters, as sections of a numpydoc docstring."""
import inspect
import re

from fastcore.docments import docments

EMPTY = inspect.Parameter.empty
STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def type_name(annotation) -> str: # empty where there is none
    "An annotation as it is read aloud: names without the modules they come from."
    if annotation is EMPTY or annotation is None: return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def with_parameters(function # a function, method or class
                   ) -> str: # "" where neither docstring nor comment is there
    """The docstring, followed by `Parameters` and `Returns` made from the comments beside the parameters.

    A docstring that has a section of its own is left as it is. Parameters without a comment are listed where any has one.
    """
    text = written(function)
    if "----" in text: return text
    comments = comments_of(function)
    parts = [text, *parameters(function, comments), *returns(function, comments)]
    return "\n\n".join(o for o in parts if o)


def written(function) -> str:
    "The docstring, unless it is one that a dataclass wrote by itself."
    own = function.__dict__.get("__doc__") if inspect.isclass(function) else function.__doc__
    if not own or own.startswith(f"{function.__name__}("): return ""
    return inspect.cleandoc(own)


def comments_of(function) -> dict: # {parameter: comment}, `return` for what comes back
    "The comments beside the parameters; of a class, those of `__init__` or of the fields."
    own_init = inspect.isclass(function) and inspect.isfunction(function.__dict__.get("__init__"))
    source = function.__init__ if own_init and hasattr(function.__init__, "__code__") else function
    try:
        found = docments(source, returns=not inspect.isclass(function))
        if not any(found.values()): found = docments(function)
    except (OSError, TypeError, SyntaxError, AttributeError, ValueError): return {}  # no source: made by a library
    return {name: " ".join(str(o).split()) for name, o in found.items() if o}


def parameters(function, comments):
    "The lines of `Parameters`: name, type and default, then the comment."
    try: known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError): return []
    known = [o for o in known if o.name not in ("self", "cls")]
    if not any(o.name in comments for o in known): return []
    lines = ["Parameters", "----------"]
    for o in known:
        default = "" if o.default is EMPTY else f"default {default_text(o.default)}"
        about = ", ".join(filter(None, [type_name(o.annotation), default]))
        lines.append(STARS.get(o.kind, "") + o.name + (f" : {about}" if about else ""))
        if o.name in comments: lines.append(f"    {comments[o.name]}")
    return ["\n".join(lines)]


def default_text(value) -> str:
    "A default as it is shown: never an address in memory."
    if callable(value): return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    return f"a {type(value).__name__}" if " at 0x" in text or "<factory>" in text else text


def returns(function, comments):
    "The lines of `Returns`."
    if "return" not in comments or inspect.isclass(function): return []
    annotation = type_name(inspect.signature(function).return_annotation)
    return ["\n".join(["Returns", "-------", annotation or "object", f"    {comments['return']}"])]
