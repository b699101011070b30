"""A folder of files, and another program that rewrites them with Python's own means."""

from __future__ import annotations

import csv
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec
from datasyncd.adapters.testing import Stage
from datasyncd.adapters.testing.desk import context

COLUMNS = ("id", "name", "email", "amount", "changed", "note")

Rows = dict[Key, dict[str, Native]]


class FolderStage(Stage):
    """A file of people."""

    kind: str

    def __init__(self, folder: Path, lock: bool) -> None:
        self._file = folder / f"people.{self.kind}"
        self._lock = lock
        self._save({})

    def open(self, spec: ObjectSpec) -> Adapter:
        kind = registry.find(self.kind)
        return kind.open(context(self._file.parent, spec), kind.options(path=".", lock=self._lock))

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        with self._changing() as rows:
            rows.update({key: dict.fromkeys(COLUMNS) | {"id": key, **fields} for key, fields in records.items()})

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        with self._changing() as rows:
            rows[key].update(fields)

    async def delete(self, key: Key) -> None:
        with self._changing() as rows:
            del rows[key]

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        return self._load()

    @contextmanager
    def _changing(self) -> Iterator[Rows]:
        with open(self._file.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rows = self._load()
            yield rows
            self._save(rows)

    def _load(self) -> Rows:
        raise NotImplementedError

    def _save(self, rows: Rows) -> None:
        raise NotImplementedError


class CsvStage(FolderStage):
    """People in CSV."""

    kind = "csv"
    text_only = True

    def _load(self) -> Rows:
        with open(self._file, newline="", encoding="utf-8") as file:
            return {row["id"]: dict(row) for row in csv.DictReader(file)}

    def _save(self, rows: Rows) -> None:
        with open(self._file.with_suffix(".tmp"), "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows.values())
        os.replace(self._file.with_suffix(".tmp"), self._file)


class JsonlStage(FolderStage):
    """People in JSON lines."""

    kind = "jsonl"

    def _load(self) -> Rows:
        lines: list[dict[str, Any]] = [json.loads(line) for line in self._file.read_bytes().split(b"\n") if line]
        return {row["id"]: row for row in lines}

    def _save(self, rows: Rows) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows.values())
        self._file.with_suffix(".tmp").write_text(text or "\n", encoding="utf-8")
        os.replace(self._file.with_suffix(".tmp"), self._file)

    def bad(self) -> dict[str, Native]:
        return {"amount": b"no JSON"}
