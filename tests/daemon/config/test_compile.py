"""Compile: what the reconciler, the adapters and the translation are told of a config."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.adapters.contract import Capabilities, Condition, ObjectSpec, VersionOrder
from datasyncd.adapters.translate import FieldTypeOptions, MappedField
from datasyncd.daemon.config.compile import compile_rules, mapped_fields, objects_of
from datasyncd.reconcile.rules import EntityRule, FieldRule, LinkRule, OnDelete, OptIn, Policy, WriteClass

from .sample import SAMPLE, changed, loaded

FIELDS = ["customer_id", "email", "phone", "first_name", "status", "sms_opt_in", "tags", "score", "seen_at"]
CUSTOMER, EMAIL, PHONE, FIRST, STATUS, SMS, TAGS, SCORE, SEEN = range(1, 10)

PROMISED = {
    ("crm", "contact"): Capabilities(
        condition=Condition.ENFORCED,
        version_order=VersionOrder.COUNTER,
        returns_image=True,
        create_key=True,
        assigns_key=True,
        unique=("mail", "unmapped"),
        forward=True,
        late_s=0.5,
        search_lag_s=1,
        read_max_s=2,
        stale_s=3,
        pull_is_reading=True,
        whole_record=True,
    ),
    ("mail", "contact"): Capabilities(),
    ("billing", "contact"): Capabilities(),
}


def number_of(entity: str, field: str) -> int:
    assert entity == "contact"
    return FIELDS.index(field) + 1


def compiled(text: str, folder: Path) -> EntityRule:
    return compile_rules(loaded(text, folder), number_of, PROMISED)["contact"]


def test_an_entity_becomes_a_rule(tmp_path: Path) -> None:
    rule = compiled(SAMPLE, tmp_path)

    assert (rule.name, rule.identify) == ("contact", ((CUSTOMER,), (EMAIL,), (PHONE, FIRST)))
    assert (rule.on_delete, rule.archive, rule.first_contact) == (OnDelete.ARCHIVE, (STATUS, "cancelled"), "newest")
    assert list(rule.fields) == list(range(1, 10))
    assert rule.fields[FIRST] == FieldRule(FIRST, "first_name", "text", Policy.LATEST, never_clear=True)
    assert rule.fields[STATUS] == FieldRule(STATUS, "status", "enum", Policy.AUTHORITY, authority=("billing",))
    assert rule.fields[SMS] == FieldRule(SMS, "sms_opt_in", "consent", Policy.MOST_RESTRICTIVE, authorised=("crm",))


def test_a_link_becomes_a_rule_with_what_its_system_promises(tmp_path: Path) -> None:
    rules = compiled(SAMPLE, tmp_path).links
    crm = rules["crm"]

    assert crm == LinkRule(
        system="crm",
        entity="contact",
        object="contacts",
        rank=0,
        fields=frozenset({CUSTOMER, EMAIL, PHONE, FIRST, SMS, SCORE}),
        pulls=frozenset({CUSTOMER, EMAIL, PHONE, FIRST, SMS, SCORE}),
        pushes=frozenset({CUSTOMER, EMAIL, PHONE, FIRST, SMS, SCORE}),
        key_field=CUSTOMER,
        mapping_digest=crm.mapping_digest,
        condition="enforced",
        version_order="counter",
        returns_image=True,
        create_key=True,
        assigns_key=True,
        unique=frozenset({EMAIL}),
        forward=True,
        late_us=500_000,
        search_lag_us=1_000_000,
        read_max_us=2_000_000,
        stale_us=3_000_000,
        pull_is_reading=True,
        whole_record=True,
        opt_in=OptIn.BLANK,
        has_edited_at=False,
        where=None,
        guards={WriteClass.UPDATE: 0.5, WriteClass.CLEAR: 0.2, WriteClass.DELETE: 0.1, WriteClass.CONSENT: 0.1},
        at_least=10,
    )
    assert {system: rule.rank for system, rule in rules.items()} == {"crm": 0, "mail": 1, "billing": 2}


def test_a_link_says_what_it_guards_and_to_whom_it_writes(tmp_path: Path) -> None:
    mail = compiled(SAMPLE, tmp_path).links["mail"]

    assert mail.guards == {WriteClass.CLEAR: 0.2, WriteClass.DELETE: 0.05, WriteClass.CONSENT: 0.1}
    assert (mail.at_least, mail.opt_in, mail.has_edited_at, mail.key_field) == (3, OptIn.STRICT, True, None)
    assert mail.where is not None
    assert mail.where({"status": "lead"})
    assert not mail.where({"status": "cancelled", "sms_opt_in": None})


@pytest.mark.parametrize(
    ("link", "field", "pulls", "pushes"),
    [
        ("both", None, True, True),
        ("both", "pull", True, False),
        ("both", "push", False, True),
        ("pull", None, True, False),
        ("pull", "push", False, True),
        ("pull", "both", True, True),
        ("push", None, False, True),
        ("push", "pull", True, False),
        ("push", "both", True, True),
    ],
)
def test_the_direction_of_a_field_is_its_own_or_the_link_s(
    link: str, field: str | None, pulls: bool, pushes: bool, tmp_path: Path
) -> None:
    own = f', direction = "{field}"' if field else ""
    text = changed(
        ('direction = "both"\nlive', f'direction = "{link}"\nlive'),
        ('score = "n"', f'score = {{ field = "n"{own} }}'),
    )

    crm = compiled(text, tmp_path).links["crm"]

    assert (SCORE in crm.pulls, SCORE in crm.pushes, SCORE in crm.fields) == (pulls, pushes, True)


def test_an_object_is_told_what_of_it_is_used(tmp_path: Path) -> None:
    text = changed(('email = "Email"', 'email = "Email"\nphone = { field = "Email", direction = "pull" }'))
    config = loaded(text, tmp_path)

    assert objects_of(config, "mail") == {
        "people": ObjectSpec(
            object="people", key="Id", fields=("Email", "SMS", "Tags", "Seen"), edited_at="Updated", cursor="Updated"
        )
    }
    assert objects_of(config, "nobody") == {}


def test_the_translation_is_told_types_and_native_forms(tmp_path: Path) -> None:
    mapped = mapped_fields(loaded(SAMPLE, tmp_path), "mail", "contact", number_of)

    assert mapped == [
        MappedField(EMAIL, "Email", FieldTypeOptions(name="email", max_length=200), name="email"),
        MappedField(
            SMS, "SMS", FieldTypeOptions(name="consent", native_values={"Y": True, "N": False}), name="sms_opt_in"
        ),
        MappedField(TAGS, "Tags", FieldTypeOptions(name="set", separator="|"), name="tags"),
        MappedField(
            SEEN,
            "Seen",
            FieldTypeOptions(name="datetime", zone="Europe/Berlin", lossy=True),
            pull=False,
            push=True,
            name="seen_at",
        ),
    ]


MAIL_MAP_CHANGES = [
    ('email = "Email"', 'email = "EMail"'),
    ('email = "Email"', 'email = "Email"\nscore = "Score"'),
    ('email = "Email"\n', ""),
    ('email = "Email"', 'email = { field = "Email", direction = "push" }'),
    ("max_length = 200", "max_length = 201"),
    ("{ Y = true, N = false }", "{ Y = true, N = false, X = false }"),
    ('separator = "|"', 'separator = ";"'),
    ("Europe/Berlin", "Europe/Paris"),
    ('email = "Email"', 'email = { field = "Email", lossy = true }'),
    ('object = "people"', 'object = "persons"'),
    ('key = "Id"', 'key = "ID"'),
    ('direction = "both"\nopt_in', 'direction = "push"\nopt_in'),
]
NO_MAP_CHANGES = [
    ('email = "Email"\n', 'email = { field = "Email" }\n'),
    ('cron = "0 2 * * *"', 'cron = "0 3 * * *"'),
    ('opt_in = "strict"', 'opt_in = "write"'),
    ('guard = { delete = "5%", update = "off", at_least = 3 }\n', ""),
    ('region = "US"', 'region = "DE"'),
    ('policy = "max"', 'policy = "min"'),
    ('owner = "lifecycle"', 'owner = "sales"'),
]


@pytest.mark.parametrize("change", MAIL_MAP_CHANGES)
def test_the_mapping_digest_changes_with_what_a_row_may_mean(change: tuple[str, str], tmp_path: Path) -> None:
    before, after = (compiled(text, tmp_path).links["mail"].mapping_digest for text in (SAMPLE, changed(change)))

    assert len(before) == len(after) == 8
    assert before != after


@pytest.mark.parametrize("change", NO_MAP_CHANGES)
def test_the_mapping_digest_stays_with_everything_else(change: tuple[str, str], tmp_path: Path) -> None:
    before, after = (compiled(text, tmp_path).links["mail"].mapping_digest for text in (SAMPLE, changed(change)))

    assert before == after


def test_the_order_of_a_map_is_not_part_of_its_meaning(tmp_path: Path) -> None:
    reordered = changed(('email = "Email"\n', ""), ("seen_at = {", 'email = "Email"\nseen_at = {'))

    assert (
        compiled(SAMPLE, tmp_path).links["mail"].mapping_digest
        == compiled(reordered, tmp_path).links["mail"].mapping_digest
    )


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("score", "7", 7),
        ("seen_at", "2024-01-31T12:00:00+01:00", "2024-01-31T11:00:00Z"),
        ("tags", '["b", "a"]', ["a", "b"]),
        ("email", '"Ada@Example.COM"', "Ada@example.com"),
    ],
)
def test_an_archive_sets_a_canonical_value(field: str, written: str, value: object, tmp_path: Path) -> None:
    text = changed(('{ field = "status", value = "cancelled" }', f'{{ field = "{field}", value = {written} }}'))

    assert compiled(text, tmp_path).archive == (number_of("contact", field), value)
