"""A folder on an SFTP server and a bucket of S3, kept the same by the configs that the guide shows."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.end_to_end.example import ROOT
from tests.end_to_end.pages import run
from tests.end_to_end.test_pages import blocks
from tests.servers import s3, sftp

PAGE = ROOT / "docs/how-to/connect-remote-files.md"
ENTITY = """[entities.contact]
identify = ["email"]
[entities.contact.fields]
email = { type = "email" }
full_name = { type = "text" }
"""


def test_the_configs_of_the_guide_keep_two_places_the_same(tmp_path: Path) -> None:
    for place in ("files", "lake"):
        (tmp_path / place).mkdir()
    with sftp.server(tmp_path / "files") as files, s3.server(tmp_path / "lake") as lake:
        (files.root / "exports").mkdir()
        (files.root / "exports/contacts.csv").write_text("Id,Email,Name\n1,ann@x.org,Ann\n")
        (lake.bucket / "crm/contacts.jsonl").write_text('{"id": "b", "email": "bob@x.org", "name": "Bob"}\n')
        text = "\n".join(blocks(PAGE.read_text(encoding="utf-8"), "toml"))
        text = text.replace("files.example.com", f"127.0.0.1:{files.port}")
        text = text.replace('"known_hosts"', f'"{files.known_hosts}"').replace("https://s3.example.com", lake.endpoint)
        (tmp_path / "config.toml").write_text(ENTITY + text, encoding="utf-8")
        environ = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DATASYNCD_DROP_PASSWORD": sftp.PASSWORD,
            "DATASYNCD_BUCKET_ID": s3.ACCESS,
            "DATASYNCD_BUCKET_SECRET": s3.SECRET,
        }

        code, shown = run("datasyncd check; datasyncd sync", tmp_path, environ)

        assert code == 0, shown
        assert "drop" in shown
        for secret in (sftp.PASSWORD, s3.SECRET, s3.ACCESS):
            assert secret not in shown
        lines = (files.root / "exports/contacts.csv").read_text().splitlines()
        assert [line.split(",")[1:] for line in lines[1:]] == [["ann@x.org", "Ann"], ["bob@x.org", "Bob"]]
        held = [json.loads(line) for line in (lake.bucket / "crm/contacts.jsonl").read_text().splitlines()]
        assert [(row["email"], row["name"]) for row in held] == [("bob@x.org", "Bob"), ("ann@x.org", "Ann")]
