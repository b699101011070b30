"""Rewriting a file: each write compared with the row that it finds, then all of the file replaced at once."""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Clash, Key, Missing, Native, Outcome, Rejected, Stale, Unknown, Write, Written
from datasyncd.adapters.errors import Transient

from .sheet import Sheet, Unfit
from .store import Content, Doubt


def applied(sheet: Sheet, seen: Content | None, writes: Sequence[Write]) -> tuple[list[Outcome], bytes | None]:
    """Apply writes to a sheet: what becomes of each once the file is replaced, and the new file; None: it is the same.

    Where no file was seen, it is made with the first row in it.
    """
    if sheet.torn is not None:
        raise Transient(sheet.torn)
    before = sheet.data() if seen is None else seen.data
    results = [_apply(sheet, write) for write in writes]
    data = sheet.data()
    return results, None if data == before else data


def in_doubt(results: Sequence[Outcome], doubt: Doubt) -> list[Outcome]:
    """The outcomes if nobody knows whether the file was replaced."""
    return [Unknown(str(doubt)) if isinstance(result, Written) else result for result in results]


def with_images(sheet: Sheet, results: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes with the rows as they were written."""
    return [_with_image(sheet, result) for result in results]


def _apply(sheet: Sheet, write: Write) -> Outcome:
    try:
        if write.op == "create":
            return _create(sheet, write)
        key = write.key or ""
        if key in sheet.bad_keys or (key not in sheet.rows and sheet.unreadable):
            reason = "its row cannot be read, or is not the only one of its key"
            return Rejected(reason) if write.version is None else Stale()
        if key not in sheet.rows:
            return Written(key) if write.op == "delete" else Missing()
        if write.version is not None and write.version != sheet.record(key).version:
            return Stale()
        if write.op == "delete":
            sheet.remove(key)
            return Written(key)
        return _update(sheet, key, write)
    except Unfit as unfit:
        return Rejected(unfit.reason, unfit.fields)


def _create(sheet: Sheet, write: Write) -> Outcome:
    name = sheet.spec.key
    given = write.fields.get(name)
    key = key_text(given) if given not in (None, "") else write.key
    if not key:
        return Rejected(f"the new row has no {name!r}", (name,))
    if write.key is not None and write.key != key:
        return Rejected(f"the new row's {name!r} is not the key that it was given", (name,))
    if key in sheet.rows or key in sheet.bad_keys:
        return Clash(name, key)
    sheet.add(key, write.fields)
    return Written(key)


def _update(sheet: Sheet, key: Key, write: Write) -> Outcome:
    name = sheet.spec.key
    after = key_text(write.fields[name]) if name in write.fields else key
    if not after:
        return Rejected(f"{name!r} is the key, and cannot be blank", (name,))
    if after != key and (after in sheet.rows or after in sheet.bad_keys):
        return Clash(name, after)
    sheet.set(key, write.fields)
    return Written(after)


def key_text(native: Native) -> Key | None:
    """A key as text; None for what cannot be one."""
    if isinstance(native, str):
        return native or None
    return str(native) if isinstance(native, int) and not isinstance(native, bool) else None


def _with_image(sheet: Sheet, result: Outcome) -> Outcome:
    if isinstance(result, Written) and result.key in sheet.rows:
        return Written(result.key, sheet.record(result.key))
    return result
