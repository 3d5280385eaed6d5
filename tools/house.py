"""The measures of the house: long lines, functions and signatures, public names (`python tools/house.py`)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_LINE, LONG_LINE, PACKED_LINE = 120, 100, 80
MOST_STATEMENTS, MOST_POSITIONAL = 25, 6


def modules(root: Path = ROOT) -> list[Path]:
    "What is exported, the index aside."
    return [o for o in sorted((root / "graphsel").rglob("*.py")) if o.name != "_modidx.py"]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    "All functions of a module, methods and inner ones among them."
    return (o for o in ast.walk(tree) if isinstance(o, ast.FunctionDef | ast.AsyncFunctionDef))


def statements(function: ast.AST) -> int:
    "Statements in the body of a function, however deep; docstrings and inner functions' bodies are counted elsewhere."
    found, todo = 0, list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        found += isinstance(node, ast.stmt)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            todo += [
                o
                for o in ast.iter_child_nodes(node)
                if isinstance(o, ast.stmt | ast.excepthandler | ast.match_case)
            ]
    return found


def positional(function: ast.FunctionDef) -> int:
    "Parameters that may be given by position, self aside."
    names = [o.arg for o in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (bool(names) and names[0] in ("self", "cls"))


def is_compiled(function: ast.FunctionDef) -> bool:
    "Numba's loops: arrays in, arrays out, no keyword arguments."
    return any("njit" in ast.unparse(o) for o in function.decorator_list)


def long_functions(root: Path = ROOT) -> list[str]:
    "path:line name, statements - of the functions that do too much."
    return [
        f"{path.relative_to(root)}:{f.lineno} {f.name}: {n} statements"
        for path in modules(root)
        for f in functions(ast.parse(path.read_text(encoding="utf-8")))
        if (n := statements(f)) > MOST_STATEMENTS
    ]


def long_signatures(root: Path = ROOT) -> list[str]:
    "path:line name, parameters - of the functions that take too many by position."
    return [
        f"{path.relative_to(root)}:{f.lineno} {f.name}: {n} positional parameters"
        for path in modules(root)
        for f in functions(ast.parse(path.read_text(encoding="utf-8")))
        if (n := positional(f)) > MOST_POSITIONAL and not is_compiled(f)
    ]


def is_packed(node: ast.AST, text: list[str]) -> bool:
    """Several assignments in one that is long: a, b = f(x), g(y) over several lines, or a line of them that is wide.

    What has to happen at once, as in a swap, is none."""
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)):
        return False
    targets, values = node.targets[0], node.value.elts
    if not isinstance(targets, ast.Tuple) or len(targets.elts) != len(values):
        return False
    names = {ast.unparse(o) for o in targets.elts}
    used = {ast.unparse(o) for v in values for o in ast.walk(v) if isinstance(o, ast.expr)}
    wide = node.end_lineno > node.lineno or len(text[node.lineno - 1]) > PACKED_LINE
    plain = ast.Constant | ast.Name | ast.Attribute
    return wide and not names & used and sum(not isinstance(v, plain) for v in values) > 1


def packed_assignments(root: Path = ROOT) -> list[str]:
    "path:line of the lines that hold more than one statement in disguise."
    found = []
    for path in modules(root):
        text = path.read_text(encoding="utf-8").splitlines()
        nodes = ast.walk(ast.parse("\n".join(text)))
        found += [f"{path.relative_to(root)}:{o.lineno}" for o in nodes if is_packed(o, text)]
    return found


def lines(root: Path = ROOT) -> list[tuple[str, int]]:
    "(path:line, columns) of every line of the modules."
    return [
        (f"{path.relative_to(root)}:{i}", len(line))
        for path in modules(root)
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]


def public_names(root: Path = ROOT) -> list[str]:
    "What the wings offer, by their stubs."
    found = set()
    for stub in (root / "graphsel").glob("*/__init__.pyi"):
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if node.module:
                found |= {f"{stub.parent.name}.{o.name}" for o in node.names}
    return sorted(found)


def main() -> int:
    "Print the measures; 1 where one is not kept."
    every = lines()
    functions_ = long_functions()
    signatures = long_signatures()
    packed = packed_assignments()
    over = [where for where, n in every if n > LONGEST_LINE]
    print(*over, *functions_, *signatures, *packed, sep="\n")
    share = sum(n > LONG_LINE for _, n in every) / len(every)
    print(
        f"lines: {len(every):,}; over {LONGEST_LINE} columns: {len(over)}; over {LONG_LINE}: {share:.1%}"
    )
    print(f"functions over {MOST_STATEMENTS} statements: {len(functions_)}")
    print(f"functions with over {MOST_POSITIONAL} positional parameters: {len(signatures)}")
    print(f"assignments packed into one: {len(packed)}")
    print(f"public names: {len(public_names())}")
    return bool(over or functions_ or signatures or packed or share >= 0.05)


if __name__ == "__main__":
    sys.exit(main())
