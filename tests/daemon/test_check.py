"""Check: what is said of systems by what they promise, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from datasyncd.adapters.contract import Adapter, Capabilities, Condition, Context, VersionOrder
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.world import MemorySystem
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.daemon.check import Finding, check
from datasyncd.daemon.config.load import load

CONFIG = """
[systems.app]
adapter = "memory"

[entities.person]
identify = [["email"]]
[entities.person.fields]
email = { type = "email" }

[links.app.person]
object = "people"
key = "id"
direction = "both"
map = { email = "email" }
"""
WINDOW = "app cannot refuse a stale write: an edit made there in the moment between our last look and our write can be"
HOT = "where both sides edited the same field within a second"
BY_THE_WAY = f"{HOT}, and that moment was 75 ms, 4% of the edits were lost"


class NoOptions(msgspec.Struct, frozen=True):
    """A system in memory has none."""


async def said(folder: Path, text: str = CONFIG, /, **promises: Any) -> list[Finding]:
    def opened(context: Context, _options: Any) -> Adapter:
        return MemoryAdapter(context, MemorySystem(Capabilities(**promises)))

    manifest = manifest_of("datasyncd.adapters.memory")
    file = folder / "config.toml"
    file.write_text(text)
    config = load(file, {}, lambda name: AdapterKind(name, NoOptions, opened, False, manifest))
    return await check(config)


@pytest.mark.parametrize(
    ("condition", "findings"),
    [
        (Condition.ENFORCED, []),
        (
            Condition.VISIBLE,
            [("note", f"{WINDOW} covered, which its versions show afterwards: it is reported; {BY_THE_WAY}")],
        ),
        (Condition.NONE, [("note", f"{WINDOW} covered unseen; {BY_THE_WAY}")]),
    ],
)
async def test_what_may_become_of_an_edit_is_said(
    condition: Condition, findings: list[tuple[str, str]], tmp_path: Path
) -> None:
    told = await said(tmp_path, condition=condition, version_order=VersionOrder.COUNTER)
    assert [(one.severity, one.text) for one in told if one.text.startswith("app ")] == findings


async def test_a_system_that_compares_just_before_it_writes_loses_less_and_says_what_would_help(tmp_path: Path) -> None:
    told = await said(tmp_path, last_look="the file is replaced", remedy="take the lock")

    look = "that look is taken just before the file is replaced"
    (note,) = [one for one in told if one.text.startswith("app ")]
    assert note.text == f"{WINDOW} covered unseen; {look}, and {HOT}, fewer than 0.1% of the edits were lost"
    assert note.fix == "take the lock"


@pytest.mark.parametrize("order", [VersionOrder.UNIQUE, VersionOrder.DIGEST])
async def test_versions_that_do_not_count_tell_of_no_save(order: VersionOrder, tmp_path: Path) -> None:
    refused = "versions are visible and do not count saves in this system; not built yet in this version"
    findings = await said(tmp_path, condition=Condition.VISIBLE, version_order=order)
    assert [one.text for one in findings if one.severity == "error"] == [f"links.app.person: {refused}"]


@pytest.mark.parametrize(
    ("condition", "order", "works"),
    [
        (Condition.ENFORCED, VersionOrder.COUNTER, True),
        (Condition.VISIBLE, VersionOrder.COUNTER, True),
        (Condition.ENFORCED, VersionOrder.UNIQUE, False),
        (Condition.NONE, VersionOrder.COUNTER, False),
    ],
)
async def test_old_readings_need_versions_that_tell_old_from_new(
    condition: Condition, order: VersionOrder, works: bool, tmp_path: Path
) -> None:
    findings = await said(tmp_path, condition=condition, version_order=order, stale_s=30.0)
    errors = [one.text for one in findings if one.severity == "error"]
    refused = "readings by key may be old, and its versions do not tell old from new in this system"
    assert [text.split(";")[0] for text in errors] == ([] if works else [f"links.app.person: {refused}"])


@pytest.mark.parametrize(
    ("condition", "opt_in", "works"),
    [
        (Condition.ENFORCED, "", True),
        (Condition.VISIBLE, "", True),
        (Condition.NONE, "", False),
        (Condition.NONE, 'opt_in = "write"', True),
    ],
)
async def test_whole_records_may_cover_an_opt_out_only_where_a_link_allows_it(
    condition: Condition, opt_in: str, works: bool, tmp_path: Path
) -> None:
    fields = 'email = { type = "email" }'
    consent = 'sms = { type = "consent", policy = "most_restrictive", authorised = ["app"] }'
    text = CONFIG.replace(fields, f"{fields}\n{consent}").replace('direction = "both"', f'direction = "both"\n{opt_in}')
    text = text.replace('email = "email"', 'email = "email", sms = "sms"')
    findings = await said(tmp_path, text, condition=condition, version_order=VersionOrder.COUNTER, whole_record=True)
    errors = [one.text for one in findings if one.severity == "error"]
    assert ["an opt-out that nobody has read yet would be lost" in error for error in errors] == [True] * (not works)
