"""Folders elsewhere keep the promises: on an SFTP server, and in a bucket of S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.csv import adapter as csv
from datasyncd.adapters.csv.scratch import CsvScratch
from datasyncd.adapters.files.scratch import FileScratch
from datasyncd.adapters.jsonl import adapter as jsonl
from datasyncd.adapters.jsonl.scratch import JsonlScratch
from datasyncd.adapters.registry import AdapterKind
from datasyncd.adapters.testing import AdapterConformance, Site, Stage, staged
from tests.servers import s3, sftp

FORMS: dict[str, tuple[AdapterKind, type[FileScratch], type[Any]]] = {
    "csv": (csv.KIND, CsvScratch, csv.CsvOptions),
    "jsonl": (jsonl.KIND, JsonlScratch, jsonl.JsonlOptions),
}


def elsewhere(form: str, folder: Path, **options: Any) -> Stage:
    """A file that the adapter reaches by a server, and somebody else in the server's own folder."""
    kind, scratch, made = FORMS[form]
    site = Site.of(kind, made(path=str(folder)), folder)
    stage = scratch(site)
    stage.options = made(**options)
    return stage


@pytest.mark.parametrize("form", FORMS)
class TestSftp(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path, form: str) -> Iterator[Stage]:
        with sftp.server(tmp_path) as server:
            yield elsewhere(
                form, server.root, path=server.path(), password=sftp.PASSWORD, known_hosts=str(server.known_hosts),
                settle_ms=20,
            )  # fmt: skip


@pytest.mark.parametrize("conditional", [True, False], ids=["compares", "does not compare"])
@pytest.mark.parametrize("form", FORMS)
class TestS3(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path, form: str, conditional: bool) -> Iterator[Stage]:
        with s3.server(tmp_path, compares=conditional) as server:
            yield elsewhere(form, server.bucket / "crm", **server.options(conditional=conditional))


@pytest.mark.parametrize("where", ["sftp", "s3"])
class TestCertified(AdapterConformance):
    """As `datasyncd adapters certify` does it: on a file that is made there, and removed."""

    @pytest.fixture
    def stage(self, tmp_path: Path, where: str) -> Iterator[Stage]:
        if where == "s3":
            with s3.server(tmp_path) as server:
                yield staged(csv.KIND, csv.CsvOptions(**server.options()), tmp_path)
                assert os.listdir(server.bucket / "crm") == []
            return
        with sftp.server(tmp_path) as files:
            login = {"password": sftp.PASSWORD, "known_hosts": str(files.known_hosts), "settle_ms": 20}
            yield staged(jsonl.KIND, jsonl.JsonlOptions(path=files.path(), **login), tmp_path)  # type: ignore[arg-type]
            assert os.listdir(files.root) == []
