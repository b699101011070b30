"""Selection: the open reports that an expression names, for decisions about a whole class."""

from __future__ import annotations

from collections.abc import Iterator

from datasyncd.reconcile.effects import ReportState
from datasyncd.reconcile.rules import Value
from datasyncd.state.records import StoredReport
from datasyncd.state.transaction import Tx

from ..config.expressions import ExpressionInvalid, compile_where
from .conflicts import Conflict, shown_reports
from .refusal import Misused
from .terms import Terms

NAMES = {
    "entity": "text",
    "key": "text",
    "field": "text",
    "policy": "text",
    "cause": "text",
    "system": "text",
    "value": "any",
}
"""What an expression can name, and its type. `cause` is the report's kind; `system` and `value` are a candidate's."""


def selects(tx: Tx, terms: Terms, where: str) -> list[StoredReport]:
    """Open reports of which some candidate makes the expression true. Raises `Misused`."""
    try:
        accepts = compile_where(where, NAMES)
    except ExpressionInvalid as invalid:
        near = f'; did you mean "{invalid.nearest}"?' if invalid.nearest else ""
        raise Misused(f"--where: {invalid}{near}") from None
    reports = tx.records.reports(ReportState.OPEN)
    views = {report.id: report for report in shown_reports(tx, terms, reports)}
    return [
        report
        for report in reports
        if (view := views.get(report.digest.hex())) is not None and any(accepts(names) for names in _names(view))
    ]


def _names(view: Conflict) -> Iterator[dict[str, Value]]:
    common = {
        "entity": view.entity,
        "key": view.key,
        "field": view.field,
        "policy": view.policy,
        "cause": view.kind,
    }
    for candidate in view.candidates:
        field = candidate.field or view.field
        yield {**common, "field": field, "system": candidate.system, "value": candidate.value}
    if not view.candidates:
        yield {**common, "system": view.system, "value": None}
