"""Expressions: the small typed subset of Python's that `where` and `--where` are written in.

    sms_opt_in or email_opt_in
    status in ("lead", "active") and not blank(email)
    "vip" in tags or score * 2 >= 10.5
    signed_up >= "2024-01-31"

*Kinds*: every part has a kind, known before anything is evaluated: text, number, boolean, date, datetime, set,
consent; a mistake such as comparing a number with a text is refused when the expression is compiled.

*Truth*: a consent is true only when it is "in"; a text or a set when it is not blank; a number when it is neither
blank nor 0. A consent can be compared with "in", "out" and "unknown", its blank.

*Blank*: a blank operand makes a comparison false, `!=` and `not in` as well; arithmetic and functions of a blank are
blank. `blank(x)` asks for it. Nothing raises when it is evaluated: what cannot be computed (a division by zero) is
blank, and two values that do not compare make the comparison false.

The text is parsed by Python's own parser and becomes a tree of closures, of the nodes that `_Compiler` names and no
others: no attributes, subscripts, powers, loops, lambdas, or calls beyond `FUNCTIONS`. An evaluator that walks the
tree would keep its names in itself; a closure is a pure function, which any thread may call.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import operator
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

from datasyncd.reconcile.rules import CONSENT_IN, CONSENT_OUT, Value

from .problems import nearest

Kind: TypeAlias = Literal["text", "number", "boolean", "date", "datetime", "set", "consent", "any"]
Evaluate: TypeAlias = Callable[[Mapping[str, Value]], Any]
Where: TypeAlias = Callable[[Mapping[str, Value]], bool]

LONGEST = 2000
"""Characters of an expression."""
DEEPEST = 30
"""Levels of parts within parts."""
UNKNOWN = "unknown"
"""What the blank of a consent is called."""

_KIND_OF_TYPE: dict[str, Kind] = {
    "integer": "number",
    "decimal": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "set": "set",
    "consent": "consent",
    "any": "any",
}
_ORDERED: tuple[Kind, ...] = ("text", "number", "date", "datetime", "any")
_TEXT: tuple[Kind, ...] = ("text", "any")
_ALL: tuple[Kind, ...] = ("text", "number", "boolean", "date", "datetime", "set", "consent", "any")


class ExpressionInvalid(ValueError):
    """The expression cannot be compiled: why, and the known name that is most like an unknown one."""

    def __init__(self, text: str, near: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.nearest = near


class Function(NamedTuple):
    """A function of the language; of a blank it is blank, except `blank` itself."""

    call: Callable[..., Any]
    takes: tuple[tuple[Kind, ...], ...]
    """For each argument, the kinds that it may have."""
    gives: Kind
    doc: str


FUNCTIONS: Mapping[str, Function] = {
    "blank": Function(lambda value: value in (None, "", []), (_ALL,), "boolean", "true when it has no value"),
    "lower": Function(str.lower, (_TEXT,), "text", "the text in lower case"),
    "upper": Function(str.upper, (_TEXT,), "text", "the text in upper case"),
    "len": Function(len, (("set", *_TEXT),), "number", "how many characters or elements it has"),
    "starts": Function(str.startswith, (_TEXT, _TEXT), "boolean", "the first begins with the second"),
    "ends": Function(str.endswith, (_TEXT, _TEXT), "boolean", "the first ends with the second"),
}


def compile_where(text: str, names: Mapping[str, str], values: Mapping[str, Collection[str]] | None = None) -> Where:
    """The expression as a pure function of values by name; a name that is missing there is blank.

    `names` gives the type of each name: a field type, or "any" where it depends. `values` lists all texts that a
    name can have, so that another one in a comparison is found. Raises `ExpressionInvalid`.
    """
    compiler = _Compiler(text.strip(), names, values or {})
    return compiler.whole()


class _Part(NamedTuple):
    """A compiled part of an expression."""

    kind: Kind
    evaluate: Evaluate
    literal: bool = False
    name: str | None = None
    """Of the field, where it is nothing but a field."""
    test: bool = False
    """It gives true or false, and never a blank."""


class _Compiler:
    def __init__(self, text: str, names: Mapping[str, str], values: Mapping[str, Collection[str]]) -> None:
        self._text = text
        self._names = names
        self._values = values

    def whole(self) -> Where:
        return self.truth(self.part(_parse(self._text), 0))

    def part(self, node: ast.expr, depth: int) -> _Part:
        if depth > DEEPEST:
            raise ExpressionInvalid(f"more than {DEEPEST} levels deep")
        match node:
            case ast.Constant(value=value):
                return _literal(value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.BoolOp(op=op, values=nodes):
                truths = [self.truth(self.part(each, depth + 1)) for each in nodes]
                return _Part("boolean", (_all if isinstance(op, ast.And) else _any)(truths), test=True)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                truth = self.truth(self.part(inner, depth + 1))
                return _Part("boolean", lambda record: not truth(record), test=True)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return self._arithmetic("-", operator.neg, [self.part(inner, depth + 1)])
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
                sign, compute = _ARITHMETIC[type(op)]
                return self._arithmetic(sign, compute, [self.part(left, depth + 1), self.part(right, depth + 1)])
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, [self.part(arg, depth + 1) for arg in args])
        segment = ast.get_source_segment(self._text, node) or ""
        shown = segment if len(segment) <= 40 else f"{segment[:40]}..."
        raise ExpressionInvalid(f'"{shown}" is not part of the language')

    def truth(self, part: _Part) -> Where:
        evaluate = part.evaluate
        if part.kind == "consent":
            return lambda record: evaluate(record) == CONSENT_IN
        if part.test:
            return evaluate
        return lambda record: bool(evaluate(record))

    def _name(self, name: str) -> _Part:
        type_ = self._names.get(name)
        if type_ is None:
            known = [*self._names, "True", "False"]
            raise ExpressionInvalid(f'unknown name "{name}"', nearest(name, known))
        kind = _KIND_OF_TYPE.get(type_, "text")
        if type_ == "decimal":
            return _Part(kind, lambda record: _number(record.get(name)), name=name)
        if kind == "datetime":
            return _Part(kind, lambda record: _instant(record.get(name)), name=name)
        return _Part(kind, lambda record: record.get(name), name=name)

    def _arithmetic(self, sign: str, compute: Callable[..., Any], parts: Sequence[_Part]) -> _Part:
        kinds = {part.kind for part in parts} - {"any"}
        if kinds - {"number"} and not (sign == "+" and kinds == {"text"}):
            raise ExpressionInvalid(f'"{sign}" does not go with {_and(part.kind for part in parts)}')
        return _Part("text" if kinds == {"text"} else "number", _computed(compute, [p.evaluate for p in parts]))

    def _call(self, name: str, parts: Sequence[_Part]) -> _Part:
        function = FUNCTIONS.get(name)
        if function is None:
            raise ExpressionInvalid(f'unknown function "{name}"', nearest(name, FUNCTIONS))
        takes = len(function.takes)
        if len(parts) != takes:
            raise ExpressionInvalid(f"{name}() takes {takes} argument{'s' if takes > 1 else ''}, not {len(parts)}")
        for part, kinds in zip(parts, function.takes, strict=True):
            if part.kind not in kinds:
                raise ExpressionInvalid(f"{name}() does not go with a {part.kind}")
        evaluates = [part.evaluate for part in parts]
        if name == "blank":
            return _Part(function.gives, lambda record: function.call(evaluates[0](record)), test=True)
        return _Part(function.gives, _computed(function.call, evaluates))

    def _comparison(self, node: ast.Compare, depth: int) -> _Part:
        tests: list[Where] = []
        left = self.part(node.left, depth + 1)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                if len(node.ops) > 1:
                    raise ExpressionInvalid('"in" stands in no chain of comparisons; use "and"')
                member = self._membership(left, right_node, isinstance(op, ast.In), depth)
                return _Part("boolean", member, test=True)
            if type(op) not in _COMPARISONS:
                raise ExpressionInvalid('"is" is not part of the language; use "==" or blank()')
            sign, compare = _COMPARISONS[type(op)]
            right = self.part(right_node, depth + 1)
            tests.append(self._compared(sign, compare, left, right))
            left = right
        return _Part("boolean", tests[0] if len(tests) == 1 else _all(tests), test=True)

    def _compared(self, sign: str, compare: Callable[[Any, Any], bool], left: _Part, right: _Part) -> Where:
        left, right = _as_kind_of(left, right), _as_kind_of(right, left)
        self._check_pair(sign, left, right)
        self._check_choice(left, right)
        self._check_choice(right, left)
        if left.kind == "set" or right.kind == "set":
            raise ExpressionInvalid(f'a set does not go with "{sign}"; use "in", len() or blank()')
        if sign not in ("==", "!=") and not (left.kind in _ORDERED and right.kind in _ORDERED):
            raise ExpressionInvalid(f'a {left.kind} has no order, so "{sign}" does not go with it')
        return _compared(compare, _spelled(left), _spelled(right))

    def _check_pair(self, sign: str, left: _Part, right: _Part) -> None:
        if left.kind != right.kind and "any" not in (left.kind, right.kind):
            raise ExpressionInvalid(f'"{sign}" does not go with {_and((left.kind, right.kind))}')

    def _check_choice(self, part: _Part, other: _Part) -> None:
        """A literal beside a name with listed values is one of these."""
        listed = self._values.get(other.name or "")
        if listed and part.literal and part.kind == "text" and (value := part.evaluate({})) not in listed:
            raise ExpressionInvalid(f'"{other.name}" is never "{value}"', nearest(value, listed))

    def _membership(self, left: _Part, right: ast.expr, wanted: bool, depth: int) -> Where:
        sign = "in" if wanted else "not in"
        if isinstance(right, ast.Tuple | ast.List | ast.Set):
            items = [_as_kind_of(self.part(item, depth + 1), left) for item in right.elts]
            for item in items:
                self._check_pair(sign, left, item)
                self._check_choice(item, left)
            if not all(item.literal for item in items):
                raise ExpressionInvalid(f'a list after "{sign}" holds literals only')
            return _member(_spelled(left), _constant(frozenset(item.evaluate({}) for item in items)), wanted)
        container = self.part(right, depth + 1)
        if container.kind not in ("set", "text", "any") or left.kind not in ("text", "any"):
            raise ExpressionInvalid(f'"{sign}" does not go with {_and((left.kind, container.kind))}')
        return _member(left.evaluate, container.evaluate, wanted)


def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ExpressionInvalid(f"longer than {LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "\d" and the like
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExpressionInvalid(f"not an expression: {error.msg}") from None
    except (ValueError, MemoryError, RecursionError, Warning):
        raise ExpressionInvalid("not an expression") from None


def _literal(value: object) -> _Part:
    match value:
        case bool():
            return _Part("boolean", _constant(value), literal=True)
        case str():
            return _Part("text", _constant(value), literal=True)
        case int():
            return _Part("number", _constant(value), literal=True)
        case float() if value - value == 0:  # finite
            return _Part("number", _constant(Decimal(repr(value))), literal=True)
        case None:
            raise ExpressionInvalid("None is not part of the language; use blank()")
    raise ExpressionInvalid(f"a literal of type {type(value).__name__} is not part of the language")


def _as_kind_of(part: _Part, other: _Part) -> _Part:
    """A text literal beside a date, an instant or a consent is one, too."""
    if part.literal and part.kind == "text" and other.kind in ("date", "datetime", "consent"):
        return _Part(other.kind, _constant(_read_as(other.kind, part.evaluate({}))), literal=True)
    return part


def _read_as(kind: Kind, text: str) -> Value:
    """A text literal as the canonical value of another kind."""
    try:
        if kind == "date":
            return datetime.date.fromisoformat(text).isoformat()
        if kind == "datetime":
            moment = datetime.datetime.fromisoformat(text)
            moment = moment.astimezone(datetime.UTC) if moment.tzinfo else moment
            return _instant(moment.replace(tzinfo=None).isoformat() + "Z")
    except (ValueError, OverflowError):
        raise ExpressionInvalid(f'"{text}" is not a {kind}; write it as 2024-01-31 or 2024-01-31T18:00:00Z') from None
    choices = (CONSENT_IN, CONSENT_OUT, UNKNOWN)
    if text not in choices:
        raise ExpressionInvalid('a consent is "in", "out" or "unknown"', nearest(text, choices))
    return text


def _spelled(part: _Part) -> Evaluate:
    """What is compared: of a consent its word, also for its blank."""
    evaluate = part.evaluate
    return (lambda record: evaluate(record) or UNKNOWN) if part.kind == "consent" else evaluate


def _constant(value: Any) -> Evaluate:
    return lambda _record: value


def _all(tests: Sequence[Where]) -> Where:
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) and second(record)
    return lambda record: all(test(record) for test in tests)


def _any(tests: Sequence[Where]) -> Where:
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) or second(record)
    return lambda record: any(test(record) for test in tests)


def _compared(compare: Callable[[Any, Any], bool], left: Evaluate, right: Evaluate) -> Where:
    def compared(record: Mapping[str, Value]) -> bool:
        a, b = left(record), right(record)
        if a is None or b is None:
            return False
        try:
            return compare(a, b)
        except TypeError:
            return False

    return compared


def _member(left: Evaluate, container: Evaluate, wanted: bool) -> Where:
    def member(record: Mapping[str, Value]) -> bool:
        item, items = left(record), container(record)
        if item is None or items is None:
            return False
        try:
            return (item in items) is wanted
        except TypeError:
            return False

    return member


def _computed(compute: Callable[..., Any], parts: Sequence[Evaluate]) -> Evaluate:
    def computed(record: Mapping[str, Value]) -> Any:
        values = [part(record) for part in parts]
        if None in values:
            return None
        try:
            return compute(*values)
        except (ArithmeticError, TypeError):
            return None

    return computed


def _divided(left: int | Decimal, right: int | Decimal) -> Decimal:
    return Decimal(left) / right


def _number(value: Value) -> Decimal | None:
    """A decimal's canonical text as a number."""
    try:
        return None if value is None else Decimal(value)
    except (decimal.InvalidOperation, TypeError, ValueError):
        return None


def _instant(value: Value) -> str | None:
    """A canonical instant without its Z, so that moments with and without a fraction sort as texts."""
    return value.removesuffix("Z") if isinstance(value, str) else None


def _and(kinds: Any) -> str:
    return " and ".join(f"a {kind}" for kind in dict.fromkeys(kinds))


_ARITHMETIC: dict[type[ast.operator], tuple[str, Callable[..., Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", _divided),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}
