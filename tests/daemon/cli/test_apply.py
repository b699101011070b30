"""`apply`: exactly the plan that was looked at; what is no longer so is left out, listed, and due for the next sync."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.daemon import cycle
from datasyncd.daemon.config.load import load
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.plan.applier import Applier
from datasyncd.daemon.plan.document import Index, head_of
from datasyncd.daemon.plan.item import Digests
from datasyncd.daemon.review.terms import Terms

from .shop import Result, Shop
from .test_plan import files


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop in step, with more customers than its guards are about."""
    (tmp_path / "shop").mkdir()
    shop = Shop(tmp_path / "shop", customers=8)
    assert shop.runs("sync").exit_code == 0
    return shop


def plans(shop: Shop) -> str:
    """A plan of what is due now; the name of its file."""
    file = shop.folder.parent / "plan.jsonl"
    assert shop.runs("plan", "-o", str(file)).exit_code == 0
    return str(file)


def left_out(done: Result) -> list[tuple[str, str, str | None, str]]:
    return [(e["system"], e["op"], e["field"], e["why"]) for e in done.json["left_out"]]


def nothing_is_due(shop: Shop) -> bool:
    done = shop.runs("sync", "--json").json
    return not any(n for counts in done["written"].values() for n in counts.values())


def test_a_plan_of_the_first_sync_is_carried_out_on_a_state_that_did_not_exist(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    shop = Shop(tmp_path / "shop")
    file = plans(shop)

    done = shop.runs("apply", file, "--json")

    assert done.exit_code == 0
    assert (done.json["planned"], done.json["sent"], done.json["left_out"]) == (3, 3, [])
    assert done.json["written"]["mail"] == {"create": 3, "update": 0, "delete": 0}
    assert nothing_is_due(shop)


@pytest.mark.parametrize("flags", [[], ["--strict"]])
def test_what_still_stands_is_done(shop: Shop, flags: list[str]) -> None:
    shop.says("crm", 1, name="Anna", sms="1")
    shop.says("mail", 2, phone="+14155552671")

    done = shop.runs("apply", plans(shop), *flags)

    assert done.exit_code == 0
    assert "3 of 3 planned writes are done" in done.out
    assert (shop.holds("mail", 1, "name"), shop.holds("crm", 2, "phone")) == ("Anna", "+14155552671")


def test_what_somebody_changed_in_the_target_is_not_written_over(shop: Shop) -> None:
    shop.says("mail", 1, phone="+14155552671")
    shop.says("crm", 2, name="Anna")
    file = plans(shop)
    shop.says("crm", 1, phone="+14155552672")

    done = shop.runs("apply", file, "--json")

    assert done.exit_code == 1
    assert left_out(done) == [("crm", "update", "phone", "changed since")]
    assert (shop.holds("crm", 1, "phone"), shop.holds("mail", 2, "name")) == ("+14155552672", "Anna")


def test_another_value_than_planned_is_left_out_and_the_next_sync_sends_it(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    file = plans(shop)
    shop.says("crm", 1, name="Annie")

    done = shop.runs("apply", file, "--json")

    assert left_out(done) == [("mail", "update", "name", "changed since")]
    assert shop.holds("mail", 1, "name") == "Ann 1"
    assert shop.runs("sync", "--json").json["written"]["mail"]["update"] == 1
    assert shop.holds("mail", 1, "name") == "Annie"


def test_the_same_value_over_another_one_is_left_out(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    file = plans(shop)
    assert shop.runs("sync").exit_code == 0
    shop.says("crm", 1, name="Annie")
    assert shop.runs("sync").exit_code == 0
    shop.says("crm", 1, name="Anna")

    done = shop.runs("apply", file, "--json")

    assert left_out(done) == [("mail", "update", "name", "changed since")]
    assert shop.holds("mail", 1, "name") == "Annie"


def test_what_is_due_since_waits_for_the_next_sync_and_its_neighbours_go(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    file = plans(shop)
    shop.says("crm", 1, phone="+14155552671")
    shop.says("crm", 2, phone="+14155552672")

    done = shop.runs("apply", file, "--json")

    assert sorted(left_out(done)) == [("mail", "update", "phone", "new since")] * 2
    assert (shop.holds("mail", 1, "name"), shop.holds("mail", 1, "phone")) == ("Anna", "")
    assert shop.runs("sync", "--json").json["written"]["mail"]["update"] == 2


def test_what_was_taken_back_is_no_longer_due(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    file = plans(shop)
    shop.says("crm", 1, name="Ann 1")

    done = shop.runs("apply", file, "--json")

    assert (done.exit_code, left_out(done)) == (1, [("mail", "update", "name", "no longer due")])


def test_a_plan_that_was_carried_out_is_over(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    file = plans(shop)
    assert shop.runs("apply", file).exit_code == 0

    done = shop.runs("apply", file)

    assert done.exit_code == 1
    assert "no longer due" in done.out


def test_strict_sends_nothing_if_anything_differs_and_touches_no_byte(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    file = plans(shop)
    shop.says("crm", 2, name="Bea")
    before = files(shop.folder)

    done = shop.runs("apply", file, "--strict", "--json")

    assert (done.exit_code, done.json["refused"], done.json["sent"]) == (1, True, 0)
    assert left_out(done) == [("mail", "update", "name", "new since")]
    assert files(shop.folder) == before
    assert "nothing was sent" in shop.runs("apply", file, "--strict").out


def test_a_mass_change_that_a_guard_holds_is_held_and_a_planned_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    shop = Shop(tmp_path / "shop", customers=6)
    assert shop.runs("sync").exit_code == 0
    shop.says("crm", 1, name="Nobody")
    file = plans(shop)
    for n in range(2, 7):
        shop.says("crm", n, name="Nobody")

    done = shop.runs("apply", file, "--json")

    assert left_out(done) == [("mail", "update", "name", "held by a guard")]
    assert (done.json["held"], shop.holds("mail", 1, "name")) == (1, "Ann 1")


async def test_what_was_left_out_is_due_after_a_crash(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    shop = Shop(tmp_path / "shop")
    file = Path(tmp_path / "plan.jsonl")
    config = load(shop.config)
    await _first_sync_then_plan(shop, file)
    shop.says("crm", 2, name="Bea")

    async with Engine.open(config, "apply") as engine:
        digests = Digests(bytes.fromhex(head_of(file).salt))
        terms = Terms.of(config, engine.rules, engine.store.fingerprints)
        engine.oversight = Applier(Index(file, digests), digests, terms)
        await cycle.sync(engine)
        # It dies here, before it gives back what it left out.
    assert (shop.holds("mail", 1, "name"), shop.holds("mail", 2, "name")) == ("Anna", "Ann 2")
    async with Engine.open(config, "sync") as engine:
        done = await cycle.sync(engine)

    assert done.written["mail"]["update"] == 1
    assert shop.holds("mail", 2, "name") == "Bea"


async def _first_sync_then_plan(shop: Shop, file: Path) -> None:
    from datasyncd.daemon.plan.look import plan_to

    config = load(shop.config)
    async with Engine.open(config, "sync") as engine:
        await cycle.sync(engine)
    shop.says("crm", 1, name="Anna")
    await plan_to(config, file)


def test_a_plan_of_another_config_is_a_wrong_call(shop: Shop) -> None:
    file = plans(shop)
    shop.config.write_text(shop.config.read_text().replace('"newest"', '"report"'))

    done = shop.runs("apply", file)

    assert done.exit_code == 64
    assert "another config" in done.err


@pytest.mark.parametrize("flags", [[], ["--strict"]])
@pytest.mark.parametrize("op", ["upsert", ""])
def test_a_plan_with_a_write_of_no_known_kind_is_refused_as_a_whole(shop: Shop, op: str, flags: list[str]) -> None:
    shop.says("crm", 1, name="Anna")
    shop.says("crm", 2, name="Bea")
    file = Path(plans(shop))
    file.write_text(file.read_text().replace('"op":"update"', f'"op":"{op}"', 1))

    done = shop.runs("apply", str(file), *flags)

    assert done.exit_code == 64
    assert f"{file}, line 2: not a line of a plan" in done.err
    assert [shop.holds("mail", n, "name") for n in (1, 2)] == ["Ann 1", "Ann 2"]


@pytest.mark.parametrize("lines", [0, 1, -1])
def test_a_file_that_is_no_plan_or_not_a_whole_one_is_a_wrong_call(shop: Shop, lines: int) -> None:
    shop.says("crm", 1, name="Anna")
    file = Path(plans(shop))
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:lines]))

    assert shop.runs("apply", str(file)).exit_code == 64
    assert shop.holds("mail", 1, "name") == "Ann 1"


def test_beside_a_daemon_nothing_is_applied(shop: Shop) -> None:
    file = plans(shop)

    with shop.daemon():
        done = shop.runs("apply", file)

    assert done.exit_code == 75
    assert "stop it" in done.err


def test_a_record_that_was_edited_after_its_delete_was_planned_stays(shop: Shop) -> None:
    shop.config.write_text(shop.config.read_text().replace('"newest"', '"newest"\non_delete = "propagate"'))
    assert shop.runs("sync").exit_code == 0
    with shop._crm() as db:
        db.execute("DELETE FROM contacts WHERE id = 1")
    file = plans(shop)
    shop.says("mail", 1, name="Anna")

    done = shop.runs("apply", file, "--json")

    assert left_out(done) == [("mail", "delete", None, "no longer due")]
    assert (done.exit_code, shop.holds("mail", 1, "name")) == (1, "Anna")


def test_a_planned_delete_is_done(shop: Shop) -> None:
    shop.config.write_text(shop.config.read_text().replace('"newest"', '"newest"\non_delete = "propagate"'))
    assert shop.runs("sync").exit_code == 0
    with shop._crm() as db:
        db.execute("DELETE FROM contacts WHERE id = 1")

    done = shop.runs("apply", plans(shop), "--json")

    assert (done.exit_code, done.json["written"]["mail"]["delete"]) == (0, 1)
