"""The pages of the documentation can be followed: their commands do what they say, and show what they show."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import click
import msgspec
import pytest

from datasyncd.adapters.csv.adapter import CsvOptions
from datasyncd.adapters.jsonl.adapter import JsonlOptions
from datasyncd.adapters.postgres.adapter import PostgresOptions
from datasyncd.adapters.sqlite.adapter import SqliteOptions
from datasyncd.daemon import catalogue, check, cycle, dictionary, health
from datasyncd.daemon.cli.group import COMMANDS, group
from datasyncd.daemon.config import fields, grammar
from datasyncd.daemon.config.expressions import FUNCTIONS
from datasyncd.daemon.config.load import load
from datasyncd.daemon.demo import tour
from datasyncd.daemon.plan import document, item
from datasyncd.daemon.plan import result as plan
from datasyncd.daemon.review import conflicts, explain, guards, history, quarantine, settle
from tests.end_to_end.example import ROOT, Example
from tests.end_to_end.pages import lasting, run, steps

DOCS = ROOT / "docs"
PATH = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


LISTS = {"resolve": "conflicts"}
"""The command that lists what another one takes the ID of, where that is not itself."""


def follow(page: str, folder: Path) -> None:
    """Type the commands of a page, in order, and compare what they show with what the page shows."""
    for step in steps(ROOT / page):
        place = f"{page}, line {step.line}"
        if step.commands.startswith("make ") or "# not run" in step.commands:
            continue
        if taken := re.search(r"datasyncd (\w+) .*\bID\b", step.commands):
            _code, listed = run(f"datasyncd {LISTS.get(taken[1], taken[1])} --json", folder, PATH)
            step.commands = re.sub(r"\bID\b", json.loads(listed)[0]["id"], step.commands)
        code, shown = run(step.commands, folder, PATH)
        assert code == 0, f"{place}\n{shown}"
        if step.shows is not None:
            assert sorted(lasting(shown)) == sorted(lasting(step.shows)), place


def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    follow("docs/tutorial/first-sync.md", tmp_path)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/how-to/review-conflicts.md",
        "docs/how-to/handle-a-held-mass-change.md",
        "docs/how-to/quarantine.md",
    ],
)
def test_a_page_about_the_example_can_be_followed(page: str, tmp_path: Path) -> None:
    with Example(tmp_path).running():
        follow(page, tmp_path)


def test_the_config_that_the_how_to_writes_is_valid(tmp_path: Path) -> None:
    text = (DOCS / "how-to/write-a-config.md").read_text(encoding="utf-8")
    config = tmp_path / "config.toml"
    config.write_text("\n".join(re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)), encoding="utf-8")

    assert list(load(config).links) == ["crm", "mail"]


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *DOCS.rglob("*.md")))
)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)

    lost = []
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, heading = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        if not place.exists() or (heading and heading not in anchors(place)):
            lost.append(target)

    assert lost == []


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked as."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_reference_of_the_config_names_every_key() -> None:
    text = (DOCS / "reference/config.md").read_text(encoding="utf-8")
    tables: list[type[msgspec.Struct]] = [
        grammar.Daemon,
        grammar.Entity,
        grammar.Mapped,
        grammar.Guard,
        grammar.Link,
        fields.Field,
    ]
    types: list[type[msgspec.Struct]] = [fields.Text, fields.Phone, fields.Enum, fields.Set, fields.Consent]
    options: list[type[msgspec.Struct]] = [CsvOptions, JsonlOptions, PostgresOptions, SqliteOptions]
    keys = {field.encode_name for table in (*tables, *types, *options) for field in msgspec.structs.fields(table)}

    assert sorted(key for key in keys - {"fields"} if f"`{key}`" not in text) == []
    assert [name for name in FUNCTIONS if f"`{name}(" not in text] == []


def test_the_reference_of_the_commands_names_every_command_and_option() -> None:
    text = (DOCS / "reference/commands.md").read_text(encoding="utf-8")

    assert [name for name, command in commands() if not re.search(rf"`{name}\b", text)] == []
    assert sorted(option for _name, command in commands() for option in options(command) if option not in text) == []


def commands() -> list[tuple[str, click.Command]]:
    """All commands by their words; a group stands for its `list`."""
    context = click.Context(group)
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        nested = command.commands if isinstance(command, click.Group) else {}
        found += [(name, command), *((f"{name} {word}", each) for word, each in nested.items())]
    return found


def options(command: click.Command) -> list[str]:
    return [word for option in command.params if isinstance(option, click.Option) for word in option.opts]


def test_the_reference_of_json_names_every_key() -> None:
    text = (DOCS / "reference/json.md").read_text(encoding="utf-8")
    answers: list[type[msgspec.Struct]] = [
        health.Status, health.LinkStatus, health.Problem, cycle.SyncResult, check.Finding,
        conflicts.Conflict, conflicts.ShownCandidate, conflicts.Cause, settle.Resolution, settle.Resolved,
        settle.NotResolved, explain.Explanation, explain.Field, explain.Version, guards.Held, guards.Sample,
        guards.Approved, quarantine.Cause, quarantine.Kept, quarantine.Done, catalogue.Sheet, catalogue.Option,
        catalogue.Promise, history.History, history.Change, history.FieldChange, history.Past, history.PastField,
        dictionary.Dictionary, dictionary.DescribedEntity, dictionary.Described, dictionary.DescribedFunction,
        dictionary.Place, dictionary.Use, tour.Tour, tour.Story, tour.Step, tour.Seen, plan.PlanResult, plan.Counted,
        plan.Example, plan.Change, item.Item, item.Field, document.Head, document.End,
    ]  # fmt: skip
    keys = {field.encode_name for answer in answers for field in msgspec.structs.fields(answer)}

    assert sorted(key for key in keys if not re.search(rf'[`"]{key}[`"]', text)) == []
