"""Certify: what is declared and is not so is found, for every capability, and no honest system is blamed."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

import datasyncd.adapters.testing
from datasyncd.adapters.contract import Adapter, Capabilities, Key, Native, ObjectSpec
from datasyncd.adapters.errors import Throttled, Unreachable
from datasyncd.adapters.testing import certify as certifying
from datasyncd.adapters.testing.certify import Tried, Verdict, certify, look
from datasyncd.adapters.testing.promise import LeftBehind
from datasyncd.adapters.testing.scratch import NoStage, staged
from datasyncd.adapters.testing.suite import NOT_TRIED, PROMISES, TRUSTED, cases
from tests.adapters.testing.liars import HONEST, KIND, LIES, LiarScratch, Options, site

HONEST_ONE = "honest about nothing"
OF_CHECK = {"last_look", "remedy"}
"""Capabilities that are words for `check`, and promise nothing."""


async def tried(capability: str) -> list[Tried]:
    new = site(capability)
    return [each async for each in certify(new, await look(new))]


def of(found: list[Tried], verdict: Verdict) -> set[int]:
    return {each.promise for each in found if each.verdict is verdict}


async def test_a_system_that_keeps_everything_holds_all() -> None:
    found = await tried(HONEST_ONE)

    assert of(found, Verdict.HELD) == set(PROMISES) - set(NOT_TRIED)


@pytest.mark.parametrize("about", HONEST)
async def test_no_honest_system_is_blamed(about: str) -> None:
    found = await tried(f"honest about {about}")

    assert [each for each in found if each.verdict is Verdict.BROKEN] == []
    assert of(found, Verdict.HELD) >= {1, 12}


@pytest.mark.parametrize("capability", LIES)
async def test_a_wrong_declaration_is_found(capability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certifying, "PAUSE_S", 0.0)
    found = await tried(capability)

    assert set(LIES[capability].broken) <= of(found, Verdict.BROKEN)
    assert all(each.why for each in found if each.verdict is not Verdict.HELD)
    assert LiarScratch.left == set()


def test_every_capability_is_lied_about_or_said_to_be_taken_on_trust() -> None:
    lied_about = {name.partition(",")[0] for name in LIES}

    assert lied_about | set(TRUSTED) | OF_CHECK == set(Capabilities.__struct_fields__)


def test_every_promise_has_cases_or_says_why_not() -> None:
    assert {case.promise for case in cases()} | set(NOT_TRIED) == set(PROMISES)


async def test_what_is_seen_is_told_in_words() -> None:
    why = {each.name: str(each.why) for each in await tried("condition")}

    assert why["a conditional write on a changed record changes nothing"].startswith(
        "the outcomes of writes that expect an older version: [Written("
    )
    assert why["no edit of somebody else is lost while both write"].startswith("the last edit of somebody else: ('")
    assert why["a record that was merged into another one names it"] == "it tells of no merges"


class Busy(LiarScratch):
    """Asks to wait once, and works then."""

    asked = 0

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        Busy.asked += 1
        if Busy.asked == 1:
            raise Throttled("busy: too many calls", 0.01)
        await super().insert(records)


async def test_a_system_that_asks_to_wait_is_waited_for() -> None:
    sight = await look(site(HONEST_ONE))
    found = [each async for each in certify(lambda: Busy(site(HONEST_ONE)().site), sight)]

    assert Busy.asked > 1
    assert of(found, Verdict.BROKEN) == set()


class Away(LiarScratch):
    """Is away, after it was there."""

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        raise Unreachable("away: nobody answers")


async def test_a_system_that_goes_away_breaks_no_promise() -> None:
    sight = await look(site(HONEST_ONE))

    with pytest.raises(Unreachable):
        [each async for each in certify(lambda: Away(site(HONEST_ONE)().site), sight)]
    assert LiarScratch.left == set()


class Sticky(LiarScratch):
    """Cannot be removed."""

    async def remove(self) -> None:
        raise Unreachable("sticky: nobody answers")


async def test_what_cannot_be_removed_is_named() -> None:
    with pytest.raises(LeftBehind, match=r"liar object datasyncd_certify_[0-9a-f]{8} may be left there"):
        await look(lambda: Sticky(site(HONEST_ONE)().site))
    LiarScratch.left.clear()


class Slow(LiarScratch):
    """Does not come to an end."""

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        await anyio.sleep_forever()
        return {}


async def test_what_never_ends_is_broken_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certifying, "CASE_S", 0.05)
    sight = await look(site(HONEST_ONE))
    found = [each async for each in certify(lambda: Slow(site(HONEST_ONE)().site), sight)]

    assert 4 in of(found, Verdict.BROKEN)
    assert "no end after 0.05 s" in {each.why for each in found}
    assert LiarScratch.left == set()


class HalfWritten(LiarScratch):
    """Has a method that is yet to be written, which is called beside others."""

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        raise NotImplementedError("write `update` in scratch.py: an edit")


async def test_what_is_yet_to_be_written_is_said_for_each_promise() -> None:
    sight = await look(site(HONEST_ONE))
    found = [each async for each in certify(lambda: HalfWritten(site(HONEST_ONE)().site), sight)]

    asked = {each.why for each in found if each.verdict is Verdict.BROKEN}
    assert (
        "write `update` in scratch.py: an edit "
        "(for promise 1: a complete pull lists every record once while others write)"
    ) in asked
    assert all(str(why).startswith("write `update` in scratch.py") for why in asked)


class Crashing(LiarScratch):
    """Fails in a way that no adapter may."""

    def open(self, spec: ObjectSpec) -> Adapter:
        raise ValueError("secret")


async def test_a_crash_is_broken_and_its_text_is_kept_back() -> None:
    sight = await look(site(HONEST_ONE))
    found = [each async for each in certify(lambda: Crashing(site(HONEST_ONE)().site), sight)]

    assert of(found, Verdict.BROKEN) == set(PROMISES) - set(NOT_TRIED)
    assert all("ValueError in test_certify.py" in (each.why or "") for each in found if each.promise == 1)
    assert not any("secret" in (each.why or "") for each in found)


def test_no_case_relies_on_what_python_leaves_out() -> None:
    """`python -O` runs no assert: a case that had one would hold whatever is seen."""
    [folder] = datasyncd.adapters.testing.__path__
    asserts = [
        f"{path.name}:{node.lineno}"
        for path in Path(folder).glob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Assert) and path.name != "desk.py"
    ]

    assert asserts == []


def test_a_kind_without_a_stage_says_what_to_add() -> None:
    with pytest.raises(NoStage, match="`AdapterKind` needs a `stage`"):
        staged(dataclasses.replace(KIND, stage=None), Options(HONEST_ONE), Path())
