"""Load: a config that is right becomes typed values; of one that is not, everything wrong is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.adapters.registry import AdapterKind
from datasyncd.daemon.config import fields
from datasyncd.daemon.config.grammar import Guard, Mapped
from datasyncd.daemon.config.load import find, load, load_home
from datasyncd.daemon.config.problems import ConfigInvalid, Problem
from datasyncd.daemon.config.quantities import OFF, Duration, Share
from datasyncd.reconcile.rules import OnDelete, Policy

from .sample import SAMPLE, StoreOptions, adapter, changed, loaded, said


def test_a_config_becomes_typed_values(tmp_path: Path) -> None:
    config = loaded(SAMPLE, tmp_path)

    assert list(config.systems) == ["crm", "mail", "billing"]
    assert config.systems["mail"].options == StoreOptions(path="var/mail", lock=True)
    contact = config.entities["contact"]
    assert contact.keys == (("customer_id",), ("email",), ("phone", "first_name"))
    assert contact.on_delete is OnDelete.ARCHIVE
    assert contact.fields["email"] == fields.Email(max_length=200)
    assert contact.fields["sms_opt_in"] == fields.Consent(channel="sms", purpose="news", authorised=("crm",))
    mail = config.links["mail"]["contact"]
    assert mail.sweep == Duration(3_600_000_000)
    assert mail.guard == Guard(delete=Share(0.05), update=OFF, at_least=3)
    assert mail.mapped["email"] == Mapped(field="Email", direction="both")
    assert mail.mapped["seen_at"] == Mapped(field="Seen", zone="Europe/Berlin", direction="push")
    assert list(config.links_of("contact")) == ["crm", "mail", "billing"]


def test_a_policy_that_is_not_given_follows_from_the_type(tmp_path: Path) -> None:
    given = loaded(SAMPLE, tmp_path).entities["contact"].fields

    assert {name: str(field.policy) for name, field in given.items()} == {
        "customer_id": "latest",
        "email": "latest",
        "phone": "latest",
        "first_name": "latest",
        "status": "authority",
        "sms_opt_in": "most_restrictive",
        "tags": "union",
        "score": "max",
        "seen_at": "latest",
    }
    assert given["tags"].policy is Policy.UNION


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = changed(
        ("listen =", "lissen ="),
        ("lock = true", "lock = 1"),
        ('"customer_id", "email", [', '"customer", "email", ['),
        ('policy = "max"', 'policy = "union"'),
        ('direction = "both"\nlive', 'dirction = "both"\nlive'),
        ('score = "n"', 'scores = "n"'),
        ("sms_opt_in or", "sms_optin or"),
    )

    assert said(text, tmp_path) == [
        '3: daemon.lissen: unknown key; did you mean "listen"?',
        "12: systems.mail.lock: expected true or false; found a whole number",
        '19: entities.contact.identify[0]: no field "customer"; did you mean "customer_id"?',
        '32: entities.contact.fields.score.policy: policy "union" does not go with type "integer"; expected one of '
        "latest, authority, manual, max, min, counter",
        '35: links.crm.contact.direction: missing; expected one of "pull", "push", "both"',
        '38: links.crm.contact.dirction: unknown key; did you mean "direction"?',
        '41: links.crm.contact.map.scores: no field "scores"; did you mean "score"?',
        '52: links.mail.contact.where: unknown name "sms_optin" (character 1); did you mean "sms_opt_in"?',
    ]


def test_an_empty_file_lacks_what_there_is_to_do(tmp_path: Path) -> None:
    assert said("", tmp_path) == [
        "systems: missing; expected [systems.NAME]",
        "entities: missing; expected [entities.NAME]",
        "links: missing; expected [links.SYSTEM.ENTITY]",
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a = 1\nb = \n", "config.toml:2: not TOML: Invalid value"),
        (b"a = 1\nb = [", "config.toml: not TOML: Invalid value (at end of document)"),
        (b"a = 1\na = 2\nc = 3", "config.toml:2: not TOML: Cannot overwrite a value"),
        (b"a = 1\n\xff", "config.toml:2: not UTF-8 text"),
        (b"a = " + b"[" * 20_000, "config.toml: lists or tables too deep within each other"),
    ],
)
def test_a_file_that_is_no_toml_names_the_line(content: bytes, text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigInvalid) as invalid:
        load(file, {}, adapter)

    assert str(invalid.value) == f"{tmp_path}/{text}"


def test_a_file_that_is_not_there_is_a_problem_of_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"none\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "none.toml", {}, adapter)


def test_the_file_is_the_named_one_or_the_first_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasyncd.daemon.config.home.PLACES", (Path("config.toml"), tmp_path / "etc.toml"))

    with pytest.raises(ConfigInvalid) as invalid:
        find(None, {})
    assert invalid.value.problems == (
        Problem(
            file="config.toml",
            line=None,
            key="",
            text=f"no such file, and none in config.toml and {tmp_path}/etc.toml;"
            " name one with --config or $DATASYNCD_CONFIG, or make one: datasyncd init",
        ),
    )

    (tmp_path / "etc.toml").touch()
    assert find(None, {}) == tmp_path / "etc.toml"
    (tmp_path / "config.toml").touch()
    assert find(None, {}) == Path("config.toml")
    assert find(None, {"DATASYNCD_CONFIG": "/other.toml"}) == Path("/other.toml")
    assert find(Path("mine.toml"), {"DATASYNCD_CONFIG": "/other.toml"}) == Path("mine.toml")


def test_the_state_stands_beside_the_file_unless_systemd_says_where(tmp_path: Path) -> None:
    unsaid = changed(('state_dir = "state"\n', ""))
    systemd = {"STATE_DIRECTORY": "/var/lib/datasyncd:/var/lib/more"}

    assert loaded(SAMPLE, tmp_path).home.state_dir == tmp_path / "state"
    assert loaded(SAMPLE, tmp_path, systemd).home.state_dir == tmp_path / "state"
    assert loaded(unsaid, tmp_path).home.state_dir == tmp_path / "var"
    assert loaded(unsaid, tmp_path, systemd).home.state_dir == Path("/var/lib/datasyncd")


@pytest.mark.parametrize(
    ("written", "address"),
    [("127.0.0.1:9000", ("127.0.0.1", 9000)), ("[::1]:80", ("::1", 80)), ("localhost:0", ("localhost", 0)), ("", None)],
)
def test_the_place_to_listen_at_is_a_host_and_a_port(
    written: str, address: tuple[str, int] | None, tmp_path: Path
) -> None:
    assert loaded(changed(("127.0.0.1:9000", written)), tmp_path).home.listen == address


def test_where_the_daemon_lives_is_known_whatever_else_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(changed(("[systems.crm]", "[system.crm]"), ("sms_opt_in or", "nothing or")))

    assert load_home(file, {}).state_dir == tmp_path / "state"

    file.write_text('[daemon]\nlisten = 8377\nstate-dir = "x"')
    with pytest.raises(ConfigInvalid) as invalid:
        load_home(file, {})
    assert [str(problem).removeprefix(f"{file}:") for problem in invalid.value.problems] == [
        "2: daemon.listen: expected text; found a whole number",
        '3: daemon.state-dir: unknown key; did you mean "state_dir"?',
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ModuleNotFoundError("No module named 'x'"), "needs something that is not installed: No module named 'x'"),
        (AttributeError("no KIND"), "cannot be loaded: AttributeError: no KIND"),
    ],
)
def test_a_broken_adapter_is_a_problem_of_its_systems(error: Exception, text: str, tmp_path: Path) -> None:
    def broken(name: str) -> AdapterKind:
        raise error

    file = tmp_path / "config.toml"
    file.write_text(SAMPLE)

    with pytest.raises(ConfigInvalid) as invalid:
        load(file, {}, broken)

    assert [problem.text for problem in invalid.value.problems] == [f'the adapter "store" {text}'] * 3


def test_a_first_contact_goes_by_a_system_that_has_a_link(tmp_path: Path) -> None:
    by_mail = changed(('first_contact = "newest"', 'first_contact = "mail"'))
    unlinked = by_mail.replace("[links.mail.contact", "[links.mail.person").replace("[entities.contact]", PERSON)

    assert loaded(by_mail, tmp_path).entities["contact"].first_contact == "mail"
    assert '26: entities.contact.first_contact: the system "mail" has no link to contact' in said(unlinked, tmp_path)


PERSON = (
    '[entities.person]\nidentify = ["email"]\n[entities.person.fields]\nemail = { type = "email" }\n[entities.contact]'
)


def test_an_adapter_that_is_spoken_for_is_not_called_unknown(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[systems.ads]\nadapter = "hubspot"\n')

    with pytest.raises(ConfigInvalid) as raised:
        load(file, {})

    assert f'{file}:2: systems.ads.adapter: the adapter "hubspot" is not built yet in this version' in str(raised.value)


def test_the_options_of_a_built_in_adapter_are_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(SAMPLE.replace('"store"', '"sqlite"').replace("lock = true\n", "pth = 1\n"))

    with pytest.raises(ConfigInvalid) as invalid:
        load(file, {})

    assert [str(problem).removeprefix(f"{file}:") for problem in invalid.value.problems] == [
        '12: systems.mail.pth: unknown key; did you mean "path"?'
    ]
