"""Expressions: the small typed subset of Python's that `where`, `derive` and `--where` are written in.

    sms_opt_in or email_opt_in
    status in ("lead", "active") and not blank(email)
    signed_up >= "2024-01-31" and score * 2 >= 10.5
    trim(concat(first_name, " ", last_name))
    if(paid >= 1000, "gold", coalesce(level, "basic"))

*Kinds*: every part has a kind, known before anything is evaluated: text, number (an integer or a decimal), boolean,
date, datetime, set, consent; a mistake such as comparing a number with a text is refused when the expression is
compiled.

*Truth*: a consent is true only when it is "in"; a text or a set when it is not blank; a number when it is neither
blank nor 0. A consent can be compared with "in", "out" and "unknown", its blank.

*Blank*: a blank operand makes a comparison false, `!=` and `not in` as well; arithmetic of a blank is blank, and so
is a function of one, unless the function says otherwise. `blank(x)` asks for it.

*Bounds*: nothing raises when it is evaluated, and nothing loops. What cannot be computed (a division by zero), is
longer than a value may be or larger than a number may be is blank. A text has at most 2000 characters and 30 levels,
so the work is at most that many steps over values whose size is bounded.

    compile(text, types)        an `Expression`: the names in it, its type, its value     compiler
    compile_where(text, types)  the same, as true or false                                compiler
    FUNCTIONS                   what can be called                                        functions
"""

from __future__ import annotations

from .compiler import Expression, compile, compile_where
from .evaluate import Where
from .functions import FUNCTIONS
from .parse import ExpressionInvalid

__all__ = ["FUNCTIONS", "Expression", "ExpressionInvalid", "Where", "compile", "compile_where"]
