"""Reading a student's cells: statements without what only IPython understands, and which of them only define.

Imports the standard library alone: it lies beside the worker in the jail.
"""

import ast
import builtins
import re


def parsed(source):
    """The statements of a cell; lines that only IPython understands are taken out."""
    lines = re.split("\r\n?|\n", source)  # not splitlines(): a comment may hold a U+2028
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines and lines[first].startswith("%%"):
        if lines[first].split()[0] not in ("%%time", "%%timeit", "%%capture", "%%prun"):
            return []  # another language
        lines[first] = ""
    while True:
        try:
            tree = ast.parse("\n".join(lines))
        except SyntaxError as error:
            place = (error.lineno or 0) - 1
            magic = MAGIC.match(lines[place]) if 0 <= place < len(lines) else None
            if magic is None:
                raise
            lines[place] = f"{magic['indent']}{magic['name'] or ''}{'None' if magic['name'] else 'pass'}"
            continue
        return [each for statement in tree.body for each in single(statement)]


# A line of IPython's: %magic, !command, ?help, help?, name = %magic, name = !command
MAGIC = re.compile(r"(?P<indent>\s*)(?:[%!?].*|[\w.]+\?\??\s*$|(?P<name>[\w, ]+=\s*)[%!].*)")


def single(statement):
    """`import a, b` as two statements: that a isn't here doesn't take b with it."""
    if not isinstance(statement, ast.Import):
        return [statement]
    return [ast.copy_location(ast.Import([alias]), statement) for alias in statement.names]


def names_imported(statement):
    """The names that an import binds."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    return set()


def bound(statement):
    """The names and attributes that an assignment binds."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    nodes = [node for target in targets for node in ast.walk(target)]
    return [
        node
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]


def is_plain(statement, imported):
    """Whether a statement only defines: imports, functions, classes, and assignments without own calls.

    setattr() is an assignment. One may call what is imported or built in, such as np.float32(1e-5); one that
    calls the student's own code may be a training run.
    """
    if isinstance(statement, ast.If | ast.Try):
        parts = [*statement.body, *statement.orelse]
        if isinstance(statement, ast.Try):
            parts += [each for handler in statement.handlers for each in handler.body] + statement.finalbody
        return all(isinstance(part, ast.Pass) or is_plain(part, imported) for part in parts)
    sets = (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and (isinstance(statement.value.func, ast.Name) and statement.value.func.id == "setattr")
    )
    if sets or isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        calls = [node for node in executed(statement) if isinstance(node, ast.Call)]
        return all(root_of(call.func) in imported or hasattr(builtins, root_of(call.func)) for call in calls)
    return isinstance(
        statement,
        ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Pass,
    )


def executed(node):
    """The nodes of a statement, without the bodies of lambdas, which it only defines."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Lambda) and child is node.body):
            yield from executed(child)


def root_of(expression):
    """The name that a chain of attributes and calls begins with, a constant's type; "" for anything else."""
    while isinstance(expression, ast.Attribute | ast.Call):
        expression = expression.value if isinstance(expression, ast.Attribute) else expression.func
    if isinstance(expression, ast.Constant):
        return type(expression.value).__name__
    return expression.id if isinstance(expression, ast.Name) else ""
