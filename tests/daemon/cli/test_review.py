"""Review commands: with a daemon and without one they say and do the same."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from .shop import Shop


def test_a_conflict_is_seen_chosen_and_written_without_a_daemon(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    id = shop.disagrees()
    text = shop.runs("conflicts").out
    assert all(word in text for word in (id, "1@example.org", "language", "de", "fr"))

    preview = shop.runs("resolve", id[:6], "--from", "mail", "--preview")
    done = shop.runs("resolve", id[:6], "--from", "mail", "--json")

    assert (preview.exit_code, "would be chosen" in preview.out) == (0, True)
    assert (done.exit_code, done.json["resolved"][0]["chosen"]) == (0, "fr")
    assert shop.runs("sync").exit_code == 0
    assert shop.holds("crm", 1, "language") == "fr"
    assert shop.runs("conflicts", "--json").json == []
    assert shop.runs("conflicts", "list", "--all", "--json").json[0]["state"] == "resolved"
    again = shop.runs("resolve", id, "--use", "it")
    assert (again.exit_code, "resolved already" in again.out) == (1, True)


def test_a_system_that_is_none_is_a_wrong_call_and_one_without_a_value_a_refusal(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    id = shop.disagrees()
    shop.config.write_text(shop.config.read_text() + LEDGER)
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "contacts.csv").write_text("Id,Email\n")

    unknown, silent = shop.runs("resolve", id, "--from", "mial"), shop.runs("resolve", id, "--from", "ledger")

    assert (unknown.exit_code, 'did you mean "mail"?' in unknown.err) == (64, True)
    assert (silent.exit_code, "no value from ledger; there are: crm, mail" in silent.out) == (1, True)


LEDGER = """
[systems.ledger]
adapter = "csv"
path = "ledger"
[links.ledger.contact]
object = "contacts"
key = "Id"
direction = "both"
map = { email = "Email" }
"""


def test_a_conflict_that_an_edit_ended_shows_no_choice(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    id = shop.disagrees()
    shop.says("mail", 1, language="de")
    shop.runs("sync")

    text = shop.runs("conflicts", "show", id).out

    assert "settled" in text
    assert "    ended by a later edit\n" in text
    assert "chosen" not in text


def test_a_choice_that_would_raise_a_consent_is_1(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")
    shop.says("crm", 1, sms="in")
    shop.says("mail", 1, sms="out")
    shop.runs("sync")
    [found] = shop.runs("conflicts", "--all", "--json").json
    assert (found["field"], found["state"], found["chosen"]) == ("sms", "settled", "out")

    done = shop.runs("resolve", found["id"], "--from", "crm")

    assert done.exit_code == 1
    assert "never raises a consent" in done.out
    assert shop.runs("explain", "contact", "crm:1", "sms", "--json").json["fields"]["sms"]["value"] == "out"


def test_a_long_list_is_whole_although_it_comes_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path, customers=5)
    shop.runs("sync")
    for n in range(1, 6):
        shop.says("crm", n, language="de")
        shop.says("mail", n, language="fr")
    shop.runs("sync")
    whole = shop.runs("conflicts", "--json").json
    monkeypatch.setattr("datasyncd.daemon.cli.conflicts.PAGE", 2)

    assert len(whole) == 5
    assert shop.runs("conflicts", "--json").json == whole
    assert shop.runs("conflicts", "--json", "--limit", "3").json == whole[:3]
    assert shop.runs("conflicts", "--group", "--json").json[0]["count"] == 5


def test_a_class_is_resolved_by_an_expression_and_a_wrong_one_is_64(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.disagrees()

    wrong = shop.runs("resolve", "--where", "colour", "--newest", "--json")
    done = shop.runs("resolve", "--where", 'field == "language"', "--newest")

    assert (wrong.exit_code, done.exit_code) == (64, 0)
    assert "colour" in wrong.json["error"]["text"]


@pytest.mark.parametrize(("form", "begins"), [("md", "# 1 report"), ("html", "<!doctype"), ("csv", "id,kind,")])
def test_a_report_is_a_document_that_only_its_owner_reads(tmp_path: Path, form: str, begins: str) -> None:
    shop = Shop(tmp_path)
    id = shop.disagrees()
    path = tmp_path / f"report.{form}"

    shop.runs("conflicts", "report", "-o", str(path))

    assert path.read_text().startswith(begins)
    assert id in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shop.runs("conflicts", "report", "--format", form).out.splitlines() == path.read_text().splitlines()


def test_an_explanation_has_the_keys_that_scripts_rely_on(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.disagrees()

    found = shop.runs("explain", "contact", "1@example.org", "language", "--json").json

    assert set(found) >= {"entity", "id", "records", "fields"}
    assert found["records"]["crm"] == "1"
    field = found["fields"]["language"]
    assert set(field) >= {"value", "policy", "because", "versions", "context", "held_by"}
    assert set(field["versions"][0]) >= {"dot", "origin", "value", "edited_at", "seen_at"}
    text = shop.runs("explain", "contact", "crm:1").out
    assert field["because"] in text
    assert shop.runs("explain", "contact", "nobody@example.org").exit_code == 64


def test_a_held_mass_change_passes_when_it_is_approved(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")
    for n in (1, 2, 3):
        shop.says("crm", n, name=f"Anna {n}")
    assert shop.runs("sync").exit_code == 1
    [held] = shop.runs("guard", "--json").json

    assert set(held) >= {"id", "link", "class", "count", "of", "digest", "since", "samples"}
    assert (held["link"], held["class"], held["count"], held["of"]) == ("mail.contact", "update", 3, 3)
    assert "Anna 1" in shop.runs("guard", "show", held["id"]).out
    assert shop.runs("guard", "approve", held["id"], "--digest", "0" * 16).exit_code == 1
    assert shop.holds("mail", 1, "name") == "Ann 1"

    assert shop.runs("guard", "approve", held["id"], "--digest", held["digest"]).exit_code == 0

    assert shop.runs("sync").exit_code == 0
    assert shop.holds("mail", 1, "name") == "Anna 1"
    assert shop.runs("guard").out == "nothing is held\n"


def test_what_cannot_be_read_is_listed_and_heals(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.says("crm", 2, phone="call me")
    assert shop.runs("sync").exit_code == 1
    [cause] = shop.runs("quarantine", "--json").json
    assert (cause["kind"], cause["field"], cause["records"][0]["ext_id"]) == ("invalid", "phone", "2")
    assert cause["reason"] in shop.runs("quarantine").out
    assert shop.runs("quarantine", "show", cause["id"]).exit_code == 0

    shop.says("crm", 2, phone="(201) 555-0123")
    assert shop.runs("quarantine", "retry", cause["id"][:8]).exit_code == 0

    assert shop.runs("sync").exit_code == 0
    assert shop.holds("mail", 2, "phone") == "+12015550123"
    assert shop.runs("quarantine").out == "nothing is in quarantine\n"
    assert shop.runs("quarantine", "retry").exit_code == 64


def test_an_explanation_says_that_a_field_was_dropped_from_quarantine(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")
    shop.says("crm", 2, phone="call me")
    shop.runs("sync")
    explain = ("explain", "contact", "2@example.org", "phone", "--json")
    listed = shop.runs(*explain).json["fields"]["phone"]["notes"]["crm"]

    shop.runs("quarantine", "drop", "--all")

    assert shop.runs("quarantine").out == "nothing is in quarantine\n"
    assert listed == "its value there cannot be read; see `datasyncd quarantine`"
    dropped = "its value there cannot be read; that was dropped from quarantine until the value or the reason changes"
    assert shop.runs(*explain).json["fields"]["phone"]["notes"]["crm"] == dropped
    shop.says("crm", 2, phone="do not call")
    shop.runs("sync")
    assert shop.runs(*explain).json["fields"]["phone"]["notes"]["crm"] == listed


def test_with_a_daemon_the_same_commands_are_answered_by_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    id = shop.disagrees()
    alone = {
        "conflicts": shop.runs("conflicts", "--json").json,
        "explain": shop.runs("explain", "contact", "crm:1", "--json").json,
        "quarantine": shop.runs("quarantine", "--json").json,
        "guard": shop.runs("guard", "--json").json,
    }

    with shop.daemon():
        assert shop.runs("conflicts", "--json").json == alone["conflicts"]
        assert shop.runs("explain", "contact", "crm:1", "--json").json == alone["explain"]
        assert shop.runs("quarantine", "--json").json == alone["quarantine"]
        assert shop.runs("guard", "--json").json == alone["guard"]
        assert shop.runs("status").exit_code == 1
        assert shop.runs("run").exit_code == 75, "a second daemon does not start"
        assert shop.runs("resolve", id, "--from", "crm").exit_code == 0
        done = shop.runs("sync", "--json")
        assert (done.exit_code, done.json["conflicts"]) == (0, 0)
        assert shop.holds("mail", 1, "language") == "de"
        assert shop.runs("explain", "contact", "nobody").exit_code == 64
        assert shop.runs("sync", "--link", "no.link").exit_code == 64
        assert shop.runs("status").exit_code == 0

    assert shop.runs("status").exit_code == 3


def test_the_history_of_a_record_is_told_and_what_it_was(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.disagrees()

    told = shop.runs("history", "contact", "1@example.org", "--json").json
    text = shop.runs("history", "contact", "1@example.org").out
    before = shop.runs("history", "contact", "crm:1", "--as-of", told["changes"][1]["at"], "--json").json
    now = shop.runs("history", "contact", "crm:1", "--as-of", told["changes"][-1]["at"])
    never = shop.runs("history", "contact", "crm:1", "--as-of", "2020-01-01")

    assert [change["kind"] for change in told["changes"]] == ["found", "create", "edit", "edit"]
    assert "language: de -> fr" in text
    assert (before["fields"]["language"]["value"], before["state"]) == ("en", "live")
    assert "(undecided)" in now.out
    assert "was not known at 2020-01-01" in never.out


def test_a_history_of_nobody_or_of_no_time_is_a_wrong_call(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")

    assert shop.runs("history", "contact", "nobody@example.org").exit_code == 64
    assert shop.runs("history", "contact", "crm:1", "--as-of", "soon").exit_code == 64


def test_rows_that_are_broken_alike_are_one_cause_and_each_says_where_it_stands(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")
    with shop.sheet.open("a") as sheet:
        sheet.write("x\n,a@example.org,A,,,\ny\n,b@example.org,B,,,\n,b@example.org,B,,,\n")
    shop.runs("sync")

    causes = shop.runs("quarantine", "--json").json
    text = shop.runs("quarantine").out

    assert {cause["reason"]: cause["count"] for cause in causes} == {
        "it has 1 cells, the header has 6": 2,
        "it has no 'Id'": 3,
    }
    assert all(f"contacts.csv, line {n}" in text for n in (5, 6, 7, 8, 9))
    assert "x (contacts.csv, line 5)" in text


@pytest.mark.parametrize("row", ["x\n", ",a@example.org,A,,,\n", ",a@example.org,A\n"])
def test_a_broken_row_that_was_dropped_stays_dropped_when_its_line_moves(tmp_path: Path, row: str) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")
    with shop.sheet.open("a") as sheet:
        sheet.write(row)
    assert shop.runs("sync").exit_code == 1
    assert shop.runs("quarantine", "drop", "--all").exit_code == 0
    assert shop.runs("sync").exit_code == 0

    lines = shop.sheet.read_text().splitlines(keepends=True)
    shop.sheet.write_text("".join([lines[0], "new,new@example.org,New,en,,\n", *lines[1:]]))

    assert shop.runs("sync").exit_code == 0
    assert shop.runs("quarantine", "--json").json == []


def test_a_broken_row_whose_line_moved_is_not_there_twice_and_leaves_when_it_is_mended(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")
    whole = shop.sheet.read_text()
    for before in ("", "new,new@example.org,New,en,,\n"):
        shop.sheet.write_text(whole + before + ",a@example.org,A,,,\n")
        shop.runs("sync")

    [cause] = shop.runs("quarantine", "--json").json
    shop.sheet.write_text(whole + "new,new@example.org,New,en,,\n")
    mended = shop.runs("sync")

    assert [row["place"] for row in cause["records"]] == ["contacts.csv, line 6"]
    assert (mended.exit_code, shop.runs("quarantine", "--json").json) == (0, [])


def test_a_duplicate_that_was_deleted_leaves_by_itself(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")
    whole = shop.sheet.read_text()
    shop.sheet.write_text(whole + "again,1@example.org,Ann,en,,\n")
    assert shop.runs("sync").exit_code == 1
    assert [cause["kind"] for cause in shop.runs("quarantine", "--json").json] == ["duplicate"]

    shop.sheet.write_text(whole)

    assert shop.runs("sync").exit_code == 0
    assert shop.runs("quarantine", "--json").json == []


def test_a_field_that_cannot_be_read_leaves_with_its_record(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")
    shop.says("mail", 1, phone="call me")
    assert shop.runs("sync").exit_code == 1

    lines = shop.sheet.read_text().splitlines(keepends=True)
    shop.sheet.write_text("".join(line for line in lines if "1@example.org" not in line))
    shop.runs("sync")

    assert shop.runs("quarantine", "--json").json == []


def test_a_record_is_split_off_and_merged_again_by_hand(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.runs("sync").exit_code == 0
    record = "mail:" + shop.sheet.read_text().splitlines()[1].split(",")[0]

    split = shop.runs("identity", "split", "contact", record, "--json")
    assert (split.exit_code, split.json["record"], len(split.json["left"])) == (0, record, 1)
    [crm] = split.json["left"]
    number = int(crm.removeprefix("crm:"))
    shop.says("mail", number, name="Hanna")
    assert shop.runs("sync").exit_code == 0
    assert shop.holds("crm", number, "name") == f"Ann {number}"

    merged = shop.runs("identity", "merge", "contact", crm, record)
    assert (merged.exit_code, f"is {crm}, {record} now" in merged.out) == (0, True)
    assert shop.runs("sync").exit_code == 0
    assert shop.holds("crm", number, "name") == shop.holds("mail", number, "name") == "Hanna"
    assert "merge" in shop.runs("history", "contact", crm).out

    wrong = shop.runs("identity", "split", "contact", f"{number}@example.org")
    assert (wrong.exit_code, "expected SYSTEM:ID" in wrong.err) == (64, True)
    both = shop.runs("identity", "merge", "contact", "crm:1", "crm:2")
    assert (both.exit_code, "both have a record in" in both.out + both.err) == (1, True)


def test_a_choice_says_who_will_write_it_and_when(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.disagrees()
    (found,) = shop.runs("conflicts", "--json").json

    preview = shop.runs("resolve", found["id"], "--use", "it", "--preview")
    done = shop.runs("resolve", found["id"], "--use", "it")
    assert "; would be written to crm, mail\n" in preview.out
    assert "; will be written to crm, mail by the next sync (no daemon runs)\n" in done.out
    assert shop.holds("crm", 1, "language") != "it"

    shop.runs("sync")
    assert [shop.holds(system, 1, "language") for system in ("crm", "mail")] == ["it", "it"]
    again = shop.runs("conflicts", "list", "--all", "--json").json
    with shop.daemon():
        shop.says("crm", 2, language="de")
        shop.says("mail", 2, language="fr")
        shop.runs("sync")
        (new,) = [report for report in shop.runs("conflicts", "--json").json if report not in again]
        said = shop.runs("resolve", new["id"], "--use", "it", "--preview", "--json").json
        told = shop.runs("resolve", new["id"], "--use", "it")
        assert said["daemon"] is True
        assert "; the daemon writes it to crm, mail\n" in told.out


def test_a_choice_that_a_guard_will_hold_says_so(tmp_path: Path) -> None:
    """Each alone is below the limit; all three are not."""
    shop = Shop(tmp_path)
    shop.runs("sync")
    for n in (1, 2, 3):
        shop.says("crm", n, language="de")
        shop.says("mail", n, language="fr")
    shop.runs("sync")
    everyone = ("resolve", "--where", 'field == "language"', "--use", "it")

    one = shop.runs("resolve", shop.runs("conflicts", "--json").json[0]["id"], "--use", "it", "--preview", "--json")
    preview, previewed = shop.runs(*everyone, "--preview"), shop.runs(*everyone, "--preview", "--json").json
    done = shop.runs(*everyone)

    assert [row["held"] for row in one.json["resolved"]] == [[]]
    assert [row["held"] for row in previewed["resolved"]] == [["mail"]] * 3
    assert previewed["daemon"] is False
    until = "back from mail, until it is approved"
    assert preview.out.count(f"; would be written to crm; a guard would hold it {until}\n") == 3
    by_sync = "will be written to crm by the next sync (no daemon runs)"
    assert done.out.count(f"; {by_sync}; a guard holds it {until}\n") == 3
    shop.runs("sync")
    assert [shop.holds("crm", n, "language") for n in (1, 2, 3)] == ["it"] * 3
    assert [shop.holds("mail", n, "language") for n in (1, 2, 3)] == ["fr"] * 3
    assert [guard["count"] for guard in shop.runs("guard", "--json").json] == [3]
