"""`docs`: the dictionary of the fields, from the config alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datasyncd.daemon.cli.group import group
from datasyncd.daemon.config.expressions import FUNCTIONS

CONFIG = """
[systems.crm]
adapter = "sqlite"
path = "crm.db"

[systems.mail]
adapter = "csv"
path = "mail"

[entities.contact]
identify = ["email", ["phone", "last_name"]]
on_delete = "archive"
archive = { field = "status", value = "gone" }

[entities.contact.fields]
email = { type = "email", doc = "where we | write to", owner = "lifecycle", required = true }
phone = { type = "phone", region = "US" }
first_name = { type = "text", never_clear = true }
last_name = { type = "text" }
status = { type = "enum", values = ["active", "gone"], policy = "authority", authority = ["crm"] }
sms = { type = "consent", channel = "sms", authorised = ["crm"] }
full_name = { type = "text", derive = "concat(first_name, ' ', last_name)" }

[links.crm.contact]
object = "contacts"
key = "id"
direction = "both"

[links.crm.contact.map]
email = "email"
phone = "mobile"
first_name = "fname"
last_name = "lname"
status = "state"
sms = "sms_ok"

[links.mail.contact]
object = "people"
key = "Id"
direction = "both"
where = "sms and status == 'active'"

[links.mail.contact.map]
email = "Email"
full_name = { field = "Name", direction = "push" }
sms = { field = "SMS", values = { Y = true, N = false } }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path / "config.toml"


def docs(config: Path, *words: str) -> Result:
    done = CliRunner().invoke(group, ["docs", "--config", str(config), *words])
    assert done.exit_code == 0, done.output
    return done


def field(config: Path, name: str) -> dict[str, Any]:
    [entity] = json.loads(docs(config, "--json").stdout)["entities"]
    [found] = [each for each in entity["fields"] if each["name"] == name]
    return dict(found)


def test_a_field_is_told_by_its_meaning_type_policy_and_places(config: Path) -> None:
    assert field(config, "email") == {
        "name": "email",
        "doc": "where we | write to",
        "owner": "lifecycle",
        "type": "email",
        "values": [],
        "options": {},
        "policy": "latest",
        "authority": [],
        "group": None,
        "derive": None,
        "required": True,
        "never_clear": False,
        "mapped": [
            {"system": "crm", "object": "contacts", "native": "email", "direction": "both", "values": {}},
            {"system": "mail", "object": "people", "native": "Email", "direction": "both", "values": {}},
        ],
        "used": [
            {"place": "entities.contact.identify[0]", "text": "tells whose record it is", "expression": None},
        ],
    }


def test_allowed_values_options_and_authorities_are_there(config: Path) -> None:
    status, sms, phone = (field(config, name) for name in ("status", "sms", "phone"))

    assert (status["values"], status["policy"], status["authority"]) == (["active", "gone"], "authority", ["crm"])
    assert sms["options"] == {"channel": "sms", "authorised": ["crm"]}
    assert phone["options"] == {"region": "US"}
    assert next(place["values"] for place in sms["mapped"] if place["system"] == "mail") == {"Y": True, "N": False}


def test_every_use_of_a_field_is_named(config: Path) -> None:
    def used(name: str) -> dict[str, str | None]:
        return {use["place"]: use["expression"] for use in field(config, name)["used"]}

    where = "sms and status == 'active'"
    assert used("status") == {"entities.contact.archive": None, "links.mail.contact.where": where}
    assert used("sms") == {"links.mail.contact.where": where}
    assert used("last_name") == {
        "entities.contact.identify[1]": None,
        "entities.contact.fields.full_name.derive": "concat(first_name, ' ', last_name)",
    }
    assert used("full_name") == {}


def test_the_functions_of_expressions_are_listed(config: Path) -> None:
    found = json.loads(docs(config, "--json").stdout)["functions"]

    assert {each["name"] for each in found} == set(FUNCTIONS)
    assert all(each["signature"] in docs(config).stdout for each in found)


def test_people_read_the_same(config: Path) -> None:
    text = docs(config).stdout

    assert "contact   matched by email, phone + last_name; first contact: report; on delete: archive" in text
    assert "in mail: people.SMS, both (Y = true; N = false)" in text
    assert "used: links.mail.contact.where: decides which records mail gets: sms and status == 'active'" in text


def test_a_page_of_markdown_has_a_row_and_a_section_for_each_field(config: Path, tmp_path: Path) -> None:
    page = tmp_path / "fields.md"

    done, document = docs(config, "-o", str(page)), docs(config, "-o", str(page), "--json")

    text = page.read_text()
    assert done.stdout == f"{page}: 7 fields\n"
    assert json.loads(document.stdout) == {"file": str(page)}
    assert len(re.findall(r"^### ", text, re.MULTILINE)) == 7
    assert "| `email` | email | latest | lifecycle | where we \\| write to |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6, 3}


def test_a_config_that_is_not_valid_is_78(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[systems]\n")

    done = CliRunner().invoke(group, ["docs", "--config", str(tmp_path / "config.toml")])

    assert done.exit_code == 78
