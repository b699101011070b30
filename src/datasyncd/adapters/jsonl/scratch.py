"""Scratch: a file of JSON lines for the conformance suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datasyncd.adapters.contract import Native
from datasyncd.adapters.files.scratch import FileScratch, RemoteScratch, Rows

from .form import JsonlForm

_BAD = {"amount": b"no JSON"}


class JsonlScratch(FileScratch):
    """People in JSON lines."""

    ending = ".jsonl"

    def load(self, file: Path) -> Rows:
        lines: list[dict[str, Any]] = [json.loads(line) for line in file.read_bytes().split(b"\n") if line]
        return {row["id"]: row for row in lines}

    def save(self, file: Path, rows: Rows) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows.values())
        file.write_text(text or "\n", encoding="utf-8")

    def bad(self) -> dict[str, Native]:
        return dict(_BAD)


class RemoteJsonlScratch(RemoteScratch):
    """People in JSON lines elsewhere."""

    ending = ".jsonl"

    def form(self) -> JsonlForm:
        return JsonlForm(self.options.empty_is_complete)

    def bad(self) -> dict[str, Native]:
        return dict(_BAD)
