"""Docstrings: what a struct's source says of each of its fields.

    path: str
    \"\"\"The database file.\"\"\"

Python forgets such texts; they are read from the source, so that a reference, a schema and the code say the same.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache

import msgspec


@cache
def field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """By field name, on one line; a field without a text is left out, and so is all whose source is not there."""
    docs: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            docs.update(_own_docs(base))
    return docs


def summary(struct: type[msgspec.Struct]) -> str:
    """The first paragraph of the struct's own docstring, on one line."""
    return _one_line((struct.__doc__ or "").partition("\n\n")[0])


def _own_docs(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    try:
        source = textwrap.dedent(inspect.getsource(struct))
        [declared] = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return
    if not isinstance(declared, ast.ClassDef):
        return
    name = None
    for statement in declared.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=known)):
                name = known
            case ast.Expr(value=ast.Constant(value=str(text))) if name is not None:
                yield name, _one_line(inspect.cleandoc(text))
                name = None
            case _:
                name = None


def _one_line(text: str) -> str:
    return " ".join(text.split())
