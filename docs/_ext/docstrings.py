"""Docments, the comments beside parameters, as sections of a numpydoc docstring."""

import dataclasses
import inspect
import re

from fastcore.docments import docments

EMPTY = inspect.Parameter.empty
STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def type_name(annotation) -> str:  # empty where there is none
    "An annotation as it is read aloud: names without the modules they come from."
    if annotation is EMPTY or annotation is None:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def with_parameters(
    function,  # a function, method or class
) -> str:  # "" where neither docstring nor comment is there
    """The docstring, followed by `Parameters` and `Returns` made from the comments beside the parameters.

    A docstring that has a section of its own is left as it is. If one parameter has a comment, all are listed.
    """
    text = written(function)
    if "----" in text:
        return text
    comments = comments_of(function)
    parts = [text, *parameters(function, comments), *returns(function, comments)]
    return "\n\n".join(o for o in parts if o)


def written(function) -> str:
    "The docstring, unless it is one that a dataclass wrote by itself."
    own = function.__dict__.get("__doc__") if inspect.isclass(function) else function.__doc__
    if not own or own.startswith(f"{function.__name__}("):
        return ""
    return inspect.cleandoc(own)


def comments_of(function) -> dict:  # {parameter: comment}, `return` for what comes back
    "The comments beside the parameters; of a class, those of its own `__init__`, else of its fields."
    sources = [function]
    if inspect.isclass(function) and "__init__" in vars(function):
        sources.insert(0, function.__init__)
    for source in sources:
        try:
            found = docments(source, returns=not inspect.isclass(function), args_kwargs=True)
        except (OSError, TypeError, SyntaxError, AttributeError, ValueError):
            continue  # without source: made by a library
        said = {name: " ".join(str(o).split()) for name, o in found.items() if o}
        if said:
            return said
    return {}


def parameters(function, comments):
    "The lines of `Parameters`: name, type and default, then the comment."
    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    known = [o for o in known if o.name not in ("self", "cls")]
    if not any(o.name in comments for o in known):
        return []
    lines, made = ["Parameters", "----------"], factories(function)
    for o in known:
        default = (
            "" if o.default is EMPTY else f"default {made.get(o.name) or default_text(o.default)}"
        )
        about = ", ".join(filter(None, [type_name(o.annotation), default]))
        lines.append(STARS.get(o.kind, "") + o.name + (f" : {about}" if about else ""))
        if o.name in comments:
            lines.append(f"    {comments[o.name]}")
    return ["\n".join(lines)]


def factories(function) -> dict:  # {field: how its default is made}
    "Fields of a dataclass whose default is made anew for each object."
    if not dataclasses.is_dataclass(function):
        return {}
    made = {o.name: o.default_factory for o in dataclasses.fields(function)}
    names = {
        name: getattr(o, "__name__", "…")
        for name, o in made.items()
        if o is not dataclasses.MISSING
    }
    return {name: f"{o}()".replace("<lambda>", "…") for name, o in names.items()}


def default_text(value) -> str:
    "A default as it is shown: never an address in memory."
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    return f"a {type(value).__name__}" if " at 0x" in text else text


def returns(function, comments):
    "The lines of `Returns`."
    if "return" not in comments or inspect.isclass(function):
        return []
    annotation = type_name(inspect.signature(function).return_annotation)
    return ["\n".join(["Returns", "-------", annotation or "object", f"    {comments['return']}"])]
