"""Parse: the text of an expression as a tree of Python's own parser, and where in the text a part of it stands."""

from __future__ import annotations

import ast
import io
import keyword
import tokenize
import warnings

LONGEST = 2000
"""Characters of an expression."""
IF = "if"
_STAND_IN = "If"
"""`if` is a word of Python's that cannot be called: while it is parsed, another one of its length stands for it."""


class ExpressionInvalid(ValueError):
    """The expression cannot be compiled: why, and the known name that is most like an unknown one.

    `position` counts characters of the text from 1; None where the text as a whole is meant.
    """

    def __init__(self, text: str, near: str | None = None, position: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.nearest = near
        self.position = position

    def __str__(self) -> str:
        return self.text if self.position is None else f"{self.text} (character {self.position})"


class Parsed:
    """The tree of one text. Raises `ExpressionInvalid`."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ExpressionInvalid(f"longer than {LONGEST} characters")
        self._indent = len(text) - len(text.lstrip())
        self._text = text.strip()
        self._starts = _line_starts(self._text)
        self._ifs = _calls_of_if(self._text, self._starts)
        self.root = self._tree()

    def position(self, node: ast.expr) -> int:
        """Of its first character, from 1."""
        return self._offset(node) + self._indent + 1

    def function(self, name: ast.Name) -> str:
        """The name that is called."""
        return IF if self._offset(name) in self._ifs else name.id

    def names(self) -> list[str]:
        """All names that are not called, each once, in the order of the tree."""
        called = {id(node.func) for node in ast.walk(self.root) if isinstance(node, ast.Call)}
        named = (node for node in ast.walk(self.root) if isinstance(node, ast.Name) and id(node) not in called)
        return list(dict.fromkeys(node.id for node in sorted(named, key=self._offset)))

    def shown(self, node: ast.expr) -> str:
        """The part of the text, shortened."""
        segment = ast.get_source_segment(self._text, node) or ""
        return segment if len(segment) <= 40 else f"{segment[:40]}..."

    def _offset(self, node: ast.expr) -> int:
        start = self._starts[node.lineno - 1]
        # The parser counts bytes.
        return start + len(self._text[start:].encode()[: node.col_offset].decode(errors="ignore"))

    def _tree(self) -> ast.expr:
        text = self._text
        for start in self._ifs:
            text = f"{text[:start]}{_STAND_IN}{text[start + len(IF) :]}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # "\d" and the like
                return ast.parse(text, mode="eval").body
        except SyntaxError as error:
            position = None
            if error.lineno and error.offset and error.lineno <= len(self._starts):
                position = self._starts[error.lineno - 1] + error.offset + self._indent
            raise ExpressionInvalid(f"not an expression: {error.msg}", position=position) from None
        except (ValueError, MemoryError, RecursionError, Warning):
            raise ExpressionInvalid("not an expression") from None


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in text.replace("\r\n", " \n").replace("\r", "\n").split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _calls_of_if(text: str, starts: list[int]) -> frozenset[int]:
    """Where `if` begins that is called, and so does not stand between two values."""
    found: set[int] = set()
    pending: int | None = None
    after_value = False
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
            if pending is not None and token.string == "(":
                found.add(pending)
            row, column = token.start
            pending = starts[row - 1] + column if token.string == IF and not after_value else None
            after_value = token.string in (")", "]", "}") or (
                token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.STRING) and not keyword.iskeyword(token.string)
            )
    except (tokenize.TokenError, SyntaxError, ValueError, IndexError):
        pass  # the parser says what is wrong
    return frozenset(found)
