"""How long it takes to translate one contact of 14 fields: `python -m tests.benchmarks.translate_record`.

Prints microseconds a record for contacts seen for the first time (every address and number new), and for
contacts whose slow values are remembered.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from datasyncd.adapters.contract import Column, Record, Schema
from datasyncd.adapters.digest import row_digest
from datasyncd.adapters.translate import FieldTypeOptions, MappedField, Translation

T = TypeVar("T")

TEXTS = ("id", "first_name", "last_name", "street", "city", "zip", "country", "language")


def contact_map() -> Translation:
    types = {
        "email": FieldTypeOptions(name="email"),
        "phone": FieldTypeOptions(name="phone", region="US"),
        "sms": FieldTypeOptions(name="consent", native_values={"Y": True, "N": False}),
        "mailing": FieldTypeOptions(name="consent"),
        "born": FieldTypeOptions(name="date"),
        "stage": FieldTypeOptions(name="enum", values=("lead", "active", "cancelled")),
        **{name: FieldTypeOptions(name="text") for name in TEXTS},
    }
    fields = [MappedField(number, name, type) for number, (name, type) in enumerate(types.items(), start=1)]
    columns = tuple(Column(name, "text") for name in types)
    return Translation(fields, Schema("contacts", columns), edited_at="updated")


def contacts(count: int, *, national: bool) -> list[Record]:
    """Contacts of which no two have an address or a number in common."""
    return [
        Record(
            str(n),
            {
                "email": f"Ada.Lovelace{n}@Example.com",
                "phone": f"(415) {n // 10_000 + 200:03}-{n % 10_000:04}" if national else f"+1415{n + 2_000_000}",
                "sms": "Y" if n % 2 else "N",
                "mailing": "true" if n % 3 else "",
                "born": f"{1940 + n % 60}-12-{1 + n % 28:02}",
                "stage": "active" if n % 2 else "Lead",
                "id": f"C-{n:07}",
                "first_name": "Ada" if n % 2 else "Zoë",
                "last_name": "Lovelace",
                "street": "12 St James's Square",
                "city": "London" if n % 2 else "Zürich",
                "zip": "SW1Y 4JH",
                "country": "GB",
                "language": None,
                "updated": "2024-02-29T12:00:00Z",
            },
        )
        for n in range(count)
    ]


def microseconds(step: Callable[[T], object], items: Sequence[T], times: int = 1) -> float:
    """Of one step, in the best of some rounds."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        for item in items:
            step(item)
        best = min(best, time.perf_counter() - began)
    return best / len(items) * 1_000_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--records", type=int, default=10_000)
    count = arguments.parse_args().records
    contact = contact_map()
    records = contacts(count, national=False)
    local = contacts(count, national=True)
    values = [contact.reading(record).values for record in records[:10]]

    print(f"reading, new numbers in E.164       {microseconds(contact.reading, records[10:]):6.1f} us")
    print(f"reading, new numbers as local ones  {microseconds(contact.reading, local):6.1f} us")
    print(f"reading, seen before                {microseconds(contact.reading, local[-1_000:], 5):6.1f} us")
    print(f"writing                             {microseconds(contact.native, values, 100):6.1f} us")
    rows = [tuple(record.fields.values()) for record in records]
    print(f"row digest                          {microseconds(row_digest, rows, 3):6.1f} us")


if __name__ == "__main__":
    main()
