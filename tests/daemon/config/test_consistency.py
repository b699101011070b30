"""Consistency: what does not go together although every word is right."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from datasyncd.adapters.contract import Capabilities, Condition, Deletions
from datasyncd.daemon.config.consistency import consistency

from .sample import SAMPLE, changed, loaded

PROMISED = {
    ("crm", "contact"): Capabilities(condition=Condition.ENFORCED, watches=True),
    ("mail", "contact"): Capabilities(incremental=True),
    ("billing", "contact"): Capabilities(read_only=True),
}


def said(text: str, folder: Path, promised: dict[tuple[str, str], Capabilities] = PROMISED) -> list[str]:
    problems = consistency(loaded(text, folder), promised)
    return [str(problem).removeprefix(f"{folder}/config.toml:") for problem in problems]


def promising(system: str, **promises: object) -> dict[tuple[str, str], Capabilities]:
    """The promises, with some of one system changed."""
    key = (system, "contact")
    return {**PROMISED, key: msgspec.structs.replace(PROMISED[key], **promises)}


def test_a_consistent_config_has_no_problems(tmp_path: Path) -> None:
    assert said(SAMPLE, tmp_path) == []


ONE_WAY = "a consent goes both ways: an opt-out"
CONSENT_IN_CRM = 'sms_opt_in = "sms"'


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ('key = "Id"', 'key = ["Id", "Shop"]'),
            '45: links.mail.contact.key: the adapter "store" knows keys of one field only; expected the name of one',
        ),
        (
            (CONSENT_IN_CRM, 'sms_opt_in = { field = "sms", direction = "pull" }'),
            f'41: links.crm.contact.map.sms_opt_in: {ONE_WAY} would never arrive there; expected direction = "both"',
        ),
        (
            (CONSENT_IN_CRM, 'sms_opt_in = { field = "sms", direction = "push" }'),
            f"41: links.crm.contact.map.sms_opt_in: {ONE_WAY} made there would be overwritten;"
            ' expected direction = "both"',
        ),
        (
            ('direction = "both"\nlive', 'direction = "pull"\nlive'),
            f'41: links.crm.contact.map.sms_opt_in: {ONE_WAY} would never arrive there; expected direction = "both"',
        ),
        (
            ('direction = "both"\nopt_in', 'direction = "push"\nopt_in'),
            f"57: links.mail.contact.map.sms_opt_in: {ONE_WAY} made there would be overwritten;"
            ' expected direction = "both"',
        ),
        (
            ("{ Y = true, N = false }", "{ Y = true }"),
            "57: links.mail.contact.map.sms_opt_in.values:"
            " no native value means false, so an opt-out could not be written",
        ),
    ],
)
def test_an_opt_out_must_be_able_to_go_both_ways(change: tuple[str, str], problem: str, tmp_path: Path) -> None:
    """F65."""
    assert problem in said(changed(change), tmp_path)


def test_a_consent_that_goes_both_ways_on_a_one_way_link_is_right(tmp_path: Path) -> None:
    text = changed(
        ('direction = "both"\nlive', 'direction = "push"\nlive'),
        (CONSENT_IN_CRM, 'sms_opt_in = { field = "sms", direction = "both" }'),
    )

    assert [problem for problem in said(text, tmp_path) if "links" in problem] == []


def test_a_consent_may_be_pulled_from_where_nothing_can_be_written(tmp_path: Path) -> None:
    text = changed(('customer_id = "customer",', 'customer_id = "customer", sms_opt_in = "sms",'))

    assert said(text, tmp_path) == []
    assert said(text, tmp_path, promising("billing", read_only=False)) == [
        f'65: links.billing.contact.map.sms_opt_in: {ONE_WAY} would never arrive there; expected direction = "both"'
    ]


@pytest.mark.parametrize(
    ("system", "promises", "problem"),
    [
        (
            "crm",
            {"read_only": True},
            '38: links.crm.contact.direction: the system can only be read; expected direction = "pull"',
        ),
        (
            "crm",
            {"watches": False},
            "39: links.crm.contact.live: the system does not tell of changes; use `every` or `cron`",
        ),
        (
            "mail",
            {"incremental": False},
            "47: links.mail.contact.cursor: the system cannot be asked for changes alone; leave `cursor` out",
        ),
        (
            "mail",
            {"deletions": Deletions.INVISIBLE},
            "43: warning: links.mail.contact:"
            ' deletes made there are not seen, so on_delete = "archive" does not follow them',
        ),
    ],
)
def test_a_link_may_ask_only_for_what_its_system_promises(
    system: str, promises: dict[str, object], problem: str, tmp_path: Path
) -> None:
    assert said(SAMPLE, tmp_path, promising(system, **promises)) == [problem]
    assert said(SAMPLE, tmp_path, {key: value for key, value in PROMISED.items() if key[0] != system}) == []


def test_a_field_that_is_pushed_to_a_system_that_can_only_be_read_is_named(tmp_path: Path) -> None:
    text = changed(('{ field = "state",', '{ field = "state", direction = "push",'))

    assert '65: links.billing.contact.map.status: the system can only be read; expected direction = "pull"' in said(
        text, tmp_path
    )


def test_a_risk_of_a_link_is_named_once_however_many_consents_it_has(tmp_path: Path) -> None:
    text = changed(
        ('opt_in = "strict"', 'opt_in = "write"'),
        ("tags        = {", 'news = { type = "consent", authorised = ["crm"] }\ntags        = {'),
        ('sms_opt_in = { field = "SMS"', 'news = "News"\nsms_opt_in = { field = "SMS"'),
    )

    assert len([line for line in said(text, tmp_path) if "links.mail.contact.opt_in" in line]) == 1


def test_an_opt_in_without_conditions_is_a_risk_that_is_named(tmp_path: Path) -> None:
    assert said(changed(('opt_in = "strict"', 'opt_in = "write"')), tmp_path) == [
        "49: warning: links.mail.contact.opt_in:"
        " an opt-in may be written here over an opt-out that nobody has read yet: the system has no conditions"
    ]


def test_a_key_that_no_link_maps_can_identify_nothing(tmp_path: Path) -> None:
    assert said(changed(('phone = "mobile", ', "")), tmp_path) == [
        '19: entities.contact.identify[2]: no link maps "phone", so it can identify nothing'
    ]


def test_a_field_that_no_link_maps_is_a_warning(tmp_path: Path) -> None:
    assert said(changed((', score = "n"', "")), tmp_path) == [
        "32: warning: entities.contact.fields.score: no link maps it"
    ]


def test_a_system_with_a_say_that_is_never_asked_is_a_warning(tmp_path: Path) -> None:
    text = changed(
        ('authority = ["billing"]', 'authority = ["billing", "mail"]'),
        ('authorised = ["crm"]', 'authorised = ["crm", "billing"]'),
    )

    assert said(text, tmp_path) == [
        "29: warning: entities.contact.fields.status.authority[1]:"
        ' "mail" is never asked: no link of it pulls this field',
        "30: warning: entities.contact.fields.sms_opt_in.authorised[1]:"
        ' "billing" is never asked: no link of it pulls this field',
    ]


ORDER = '[entities.order]\nidentify = ["number"]\n[entities.order.fields]\nnumber = { type = "text" }\n'
ORDER_LINK = '[links.crm.order]\nobject = "orders"\nkey = "id"\ndirection = "both"\nmap = { number = "number" }\n'


def test_an_entity_needs_two_links_to_be_kept_the_same(tmp_path: Path) -> None:
    assert said(SAMPLE + ORDER, tmp_path) == [
        "66: entities.order: no link: no system holds it; expected [links.SYSTEM.order]"
    ]
    assert said(SAMPLE + ORDER + ORDER_LINK, tmp_path) == [
        '66: warning: entities.order: the system "crm" alone holds it: there is nothing to keep the same'
    ]


def test_a_system_without_a_link_is_a_warning(tmp_path: Path) -> None:
    text = changed(("[entities.contact]\n", '[systems.spare]\nadapter = "store"\npath = "x"\n[entities.contact]\n'))

    assert said(text, tmp_path) == ["18: warning: systems.spare: no link uses this system"]
