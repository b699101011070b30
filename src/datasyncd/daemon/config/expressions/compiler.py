"""Compiler: the tree of an expression becomes a tree of closures, of the nodes that are named here and no others.

There are no attributes, subscripts, powers, loops, lambdas, or calls beyond `FUNCTIONS`. An evaluator that walks the
tree would keep its names in itself; a closure is a pure function, which any thread may call.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from datasyncd.reconcile.rules import Value

from ..problems import nearest
from .evaluate import Where, all_, any_, chosen, compared, computed, first, member, spelled, truth
from .functions import FUNCTIONS, MOST_PLACES, Function, add, divide, multiply, negate, subtract
from .kinds import ORDERED, Evaluate, Kind, Part, and_, constant, given, joint, kind_of, literal, read_as, taken
from .parse import ExpressionInvalid, Parsed

DEEPEST = 30
"""Levels of parts within parts."""

Names: TypeAlias = Mapping[str, str]
"""The type of each name: a field type, or "any" where it depends."""
Choices: TypeAlias = Mapping[str, Collection[str]]
"""All texts that a name can have, so that another one in a comparison is found."""


class Expression(NamedTuple):
    """A compiled expression: pure, and safe in any thread."""

    names: frozenset[str]
    """The fields that it reads."""
    type: Kind
    """Of its value: text, integer, decimal, boolean, date, datetime, set, consent; any where that depends."""
    evaluate: Callable[[Mapping[str, Value]], Value]
    """Canonical values by name to a canonical value, None being blank, also of a name that is missing. Never raises."""


def compile(text: str, names: Names, values: Choices | None = None) -> Expression:
    """Raises `ExpressionInvalid`."""
    compiler = _Compiler(text, names, values or {})
    part = compiler.whole()
    return Expression(frozenset(compiler.used), part.kind, _canonical(part))


def compile_where(text: str, names: Names, values: Choices | None = None) -> Where:
    """The expression as true or false, of values by name; a name that is missing there is blank.

    Raises `ExpressionInvalid`.
    """
    return truth(_Compiler(text, names, values or {}).whole())


class _Compiler:
    def __init__(self, text: str, names: Names, values: Choices) -> None:
        self._parsed = Parsed(text)
        self._names = names
        self._values = values
        self.used: set[str] = set()

    def whole(self) -> Part:
        return self.part(self._parsed.root, 0)

    def part(self, node: ast.expr, depth: int) -> Part:
        try:
            if depth > DEEPEST:
                raise ExpressionInvalid(f"more than {DEEPEST} levels deep")
            return self._part(node, depth + 1)
        except ExpressionInvalid as invalid:
            if invalid.position is None:
                invalid.position = self._parsed.position(node)
            raise

    def _part(self, node: ast.expr, depth: int) -> Part:
        match node:
            case ast.Constant(value=value):
                return literal(value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.BoolOp(op=op, values=nodes):
                truths = [truth(self.part(each, depth)) for each in nodes]
                return Part("boolean", (all_ if isinstance(op, ast.And) else any_)(truths), test=True)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                holds = truth(self.part(inner, depth))
                return Part("boolean", lambda record: not holds(record), test=True)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return self._arithmetic("-", negate, [self.part(inner, depth)])
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
                sign, compute = _ARITHMETIC[type(op)]
                return self._arithmetic(sign, compute, [self.part(left, depth), self.part(right, depth)])
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Call(func=ast.Name() as name, args=args, keywords=[]):
                return self._call(self._parsed.function(name), args, depth)
        raise ExpressionInvalid(f'"{self._parsed.shown(node)}" is not part of the language')

    def _name(self, name: str) -> Part:
        type_ = self._names.get(name)
        if type_ is None:
            raise self._unknown(name)
        self.used.add(name)
        kind = kind_of(type_)
        return Part(kind, lambda record: taken(kind, record.get(name)), name=name)

    def _unknown(self, name: str) -> ExpressionInvalid:
        """Of the first name that is not known; others are told with it."""
        known = [*self._names, "True", "False"]
        others = [other for other in self._parsed.names() if other != name and other not in self._names]
        if not others:
            return ExpressionInvalid(f'unknown name "{name}"', nearest(name, known))
        nearby = {each: nearest(each, known) for each in (name, *others)}
        told = [f'"{each}"' + (f' (did you mean "{near}"?)' if near else "") for each, near in nearby.items()]
        return ExpressionInvalid(f"unknown names {', '.join(told[:-1])} and {told[-1]}")

    def _arithmetic(self, sign: str, compute: Callable[..., Any], parts: Sequence[Part]) -> Part:
        families = {part.family for part in parts} - {"any"}
        if families - {"number"} and not (sign == "+" and families == {"text"}):
            raise ExpressionInvalid(f'"{sign}" does not go with {and_(part.family for part in parts)}')
        whole = sign != "/" and all(part.kind == "integer" for part in parts)
        kind: Kind = "text" if families == {"text"} else "integer" if whole else "decimal"
        evaluate = computed(compute, [part.evaluate for part in parts])
        if sign == "-" and len(parts) == 1 and parts[0].literal:
            return Part(kind, constant(evaluate({})), literal=True)
        return Part(kind, evaluate)

    def _call(self, name: str, nodes: list[ast.expr], depth: int) -> Part:
        function = FUNCTIONS.get(name)
        if function is None:
            raise ExpressionInvalid(f'unknown function "{name}"', nearest(name, FUNCTIONS))
        parts = [self.part(node, depth) for node in nodes]
        _check_count(name, function, len(parts))
        for place, part in enumerate(parts):
            if part.family not in function.takes[min(place, len(function.takes) - 1)]:
                raise ExpressionInvalid(f"{name}() does not go with a {part.family}")
        if function.call is None:
            return _choice(name, parts)
        if name == "round":
            return _rounded(function.call, parts)
        assert function.gives is not None
        evaluates = [_canonical(part) if name == "concat" else part.evaluate for part in parts]
        evaluate = computed(function.call, evaluates, blanks=function.takes_blanks)
        return Part(function.gives, evaluate, test=name == "blank")

    def _comparison(self, node: ast.Compare, depth: int) -> Part:
        tests: list[Where] = []
        left = self.part(node.left, depth)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                if len(node.ops) > 1:
                    raise ExpressionInvalid('"in" stands in no chain of comparisons; use "and"')
                return Part("boolean", self._membership(left, right_node, isinstance(op, ast.In), depth), test=True)
            if type(op) not in _COMPARISONS:
                raise ExpressionInvalid('"is" is not part of the language; use "==" or blank()')
            right = self.part(right_node, depth)
            tests.append(self._compared(_COMPARISONS[type(op)], left, right))
            left = right
        return Part("boolean", tests[0] if len(tests) == 1 else all_(tests), test=True)

    def _compared(self, sign: str, left: Part, right: Part) -> Where:
        left, right = _as_kind_of(left, right), _as_kind_of(right, left)
        _check_pair(sign, left, right)
        self._check_choice(left, right)
        self._check_choice(right, left)
        if left.kind == "set" or right.kind == "set":
            raise ExpressionInvalid(f'a set does not go with "{sign}"; use "in", len() or blank()')
        if sign not in ("==", "!=") and not (left.family in ORDERED and right.family in ORDERED):
            raise ExpressionInvalid(f'a {left.family} has no order, so "{sign}" does not go with it')
        return compared(sign, spelled(left), spelled(right))

    def _check_choice(self, part: Part, other: Part) -> None:
        """A literal beside a name with listed values is one of these."""
        listed = self._values.get(other.name or "")
        if listed and part.literal and part.kind == "text" and (value := part.evaluate({})) not in listed:
            raise ExpressionInvalid(f'"{other.name}" is never "{value}"', nearest(value, listed))

    def _membership(self, left: Part, right: ast.expr, wanted: bool, depth: int) -> Where:
        sign = "in" if wanted else "not in"
        if isinstance(right, ast.Tuple | ast.List | ast.Set):
            items = [_as_kind_of(self.part(item, depth), left) for item in right.elts]
            for item in items:
                _check_pair(sign, left, item)
                self._check_choice(item, left)
            if not all(item.literal for item in items):
                raise ExpressionInvalid(f'a list after "{sign}" holds literals only')
            return member(spelled(left), constant(frozenset(item.evaluate({}) for item in items)), wanted)
        container = self.part(right, depth)
        if container.family not in ("set", "text", "any") or left.family not in ("text", "any"):
            raise ExpressionInvalid(f'"{sign}" does not go with {and_((left.family, container.family))}')
        return member(left.evaluate, container.evaluate, wanted)


def _choice(name: str, parts: list[Part]) -> Part:
    """`if` and `coalesce`."""
    options = parts[1:] if name == "if" else parts
    typed = next((part for part in options if not part.literal), options[0])
    options = [_as_kind_of(part, typed) for part in options]
    kind = joint(part.kind for part in options)
    if kind is None:
        found = [part.family for part in options if part.kind != "any"]
        raise ExpressionInvalid(f"{name}() gives one kind of value, not {and_(found)}")
    evaluates = [part.evaluate for part in options]
    return Part(kind, chosen(truth(parts[0]), *evaluates) if name == "if" else first(evaluates))


def _canonical(part: Part) -> Evaluate:
    kind, evaluate = part.kind, part.evaluate
    return lambda record: given(kind, evaluate(record))


def _rounded(call: Callable[..., Any], parts: list[Part]) -> Part:
    if len(parts) == 1:
        return Part("integer", computed(call, [parts[0].evaluate]))
    places = parts[1].evaluate({}) if parts[1].literal else None
    if places.__class__ is not int or not 0 <= places <= MOST_PLACES:
        raise ExpressionInvalid(f"round() keeps 0 to {MOST_PLACES} places, written as a number")
    return Part("decimal", computed(call, [parts[0].evaluate, constant(places)]))


def _check_count(name: str, function: Function, count: int) -> None:
    least, most = function.counts()
    if count < least or (most is not None and count > most):
        takes = f"{least} or more" if most is None else str(least) if least == most else f"{least} or {most}"
        raise ExpressionInvalid(f"{name}() takes {takes} argument{'' if takes == '1' else 's'}, not {count}")


def _check_pair(sign: str, left: Part, right: Part) -> None:
    if left.family != right.family and "any" not in (left.family, right.family):
        raise ExpressionInvalid(f'"{sign}" does not go with {and_((left.family, right.family))}')


def _as_kind_of(part: Part, other: Part) -> Part:
    """A text literal beside a date, an instant or a consent is one, too."""
    if part.literal and part.kind == "text" and other.kind in ("date", "datetime", "consent"):
        return Part(other.kind, constant(read_as(other.kind, part.evaluate({}))), literal=True)
    return part


_ARITHMETIC: dict[type[ast.operator], tuple[str, Callable[..., Any]]] = {
    ast.Add: ("+", add),
    ast.Sub: ("-", subtract),
    ast.Mult: ("*", multiply),
    ast.Div: ("/", divide),
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
