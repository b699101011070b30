"""Mistakes: for each way to be wrong, what is said of it and where. All are changes of one place of the sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from .sample import changed, said

STATUS = 'values = ["lead", "active", "cancelled"], policy = "authority", authority = ["billing"]'
CONSENT = 'channel = "sms", purpose = "news", authorised = ["crm"]'
BOTH_5M = 'direction = "both"\nlive = true\nevery = "5m"'

WRONG: list[tuple[str, tuple[str, str], list[str]]] = [
    (
        "an unknown key at the top",
        ("[daemon]\n", "colour = 1\n[daemon]\n"),
        ["1: colour: unknown key"],
    ),
    (
        "an unknown table",
        ("[entities.contact]\n", "[entity.contact]\n[entities.contact]\n"),
        ['18: entity: unknown key; did you mean "entities"?'],
    ),
    (
        "an unknown key of the daemon",
        ("state_dir", "statedir"),
        ['2: daemon.statedir: unknown key; did you mean "state_dir"?'],
    ),
    (
        "a place to listen at without a port",
        ("127.0.0.1:9000", "127.0.0.1"),
        ['3: daemon.listen: expected HOST:PORT, such as "127.0.0.1:8377", or "" for none'],
    ),
    (
        "a port that does not exist",
        ("127.0.0.1:9000", "[::1]:90000"),
        ['3: daemon.listen: expected HOST:PORT, such as "127.0.0.1:8377", or "" for none'],
    ),
    (
        "a key of no field",
        ('key = "Id"', "key = []"),
        ["45: links.mail.contact.key: expected one name or more; found an empty list"],
    ),
    (
        "a key that names a field twice",
        ('key = "Id"', 'key = ["Id", "Id"]'),
        ["45: links.mail.contact.key: names a field twice"],
    ),
    (
        "a key that is no name",
        ('key = "Id"', "key = 1"),
        ["45: links.mail.contact.key: expected a name, or a list of names; found a whole number"],
    ),
    (
        "an unknown adapter",
        ('adapter = "store"\npath = "crm.db"', 'adapter = "stor"\npath = "crm.db"'),
        ['6: systems.crm.adapter: unknown adapter; `datasyncd adapters` lists them; did you mean "store"?'],
    ),
    (
        "a system without an adapter",
        ('adapter = "store"\npath = "crm.db"', 'path = "crm.db"'),
        [
            "5: systems.crm.adapter: missing; expected the name of an adapter,"
            " such as those that `datasyncd adapters` lists"
        ],
    ),
    (
        "an adapter that is no name",
        ('adapter = "store"\npath = "crm.db"', 'adapter = 1\npath = "crm.db"'),
        ["6: systems.crm.adapter: expected text; found a whole number"],
    ),
    (
        "an unknown option of an adapter",
        ("lock = true", "locked = true"),
        ['12: systems.mail.locked: unknown key; did you mean "lock"?'],
    ),
    (
        "a missing option of an adapter",
        ('path = "var/mail"\n', ""),
        ["9: systems.mail.path: missing; expected text"],
    ),
    (
        "an option of an adapter that is none of its choices",
        ("lock = true", 'lock = true\nmode = "stritc"'),
        ['13: systems.mail.mode: expected one of "plain", "strict"; did you mean "strict"?'],
    ),
    (
        "options of an adapter that do not go together",
        ("lock = true", 'mode = "strict"'),
        ["9: systems.mail: mode strict of var/mail needs a lock"],
    ),
    (
        "a system with a name that commands cannot take",
        (
            '[systems.crm]\nadapter = "store"',
            '[systems."a:b"]\nadapter = "store"\npath = ""\n[systems.crm]\nadapter = "store"',
        ),
        ['5: systems."a:b": expected a name of letters, digits, dashes and underscores'],
    ),
    (
        "a system named as a kind of first contact",
        (
            '[systems.crm]\nadapter = "store"',
            '[systems.report]\nadapter = "store"\npath = ""\n[systems.crm]\nadapter = "store"',
        ),
        ["5: systems.report: a word that `first_contact` has another meaning for; choose another"],
    ),
    (
        "an unknown field that identifies",
        ('"customer_id", "email", [', '"customer_id", "emial", ['),
        ['19: entities.contact.identify[1]: no field "emial"; did you mean "email"?'],
    ),
    (
        "an unknown field in a compound key",
        ('["phone", "first_name"]', '["phone", "last_name"]'),
        ['19: entities.contact.identify[2]: no field "last_name"; did you mean "first_name"?'],
    ),
    (
        "a key that is named twice",
        ('"customer_id", "email", [', '"email", "email", ['),
        ["19: entities.contact.identify[1]: named twice"],
    ),
    (
        "a consent that identifies",
        ('"customer_id", "email", [', '"customer_id", "sms_opt_in", ['),
        ['19: entities.contact.identify[1]: "sms_opt_in" is of type consent, which identifies nothing'],
    ),
    (
        "nothing that identifies",
        ('identify = ["customer_id", "email", ["phone", "first_name"]]', "identify = []"),
        ["19: entities.contact.identify: expected a list of one or more names of fields; found an empty list"],
    ),
    (
        "an empty compound key",
        ('["phone", "first_name"]', "[]"),
        ["19: entities.contact.identify[2]: expected the names of fields; found an empty list"],
    ),
    (
        "an unknown way to delete",
        ('on_delete = "archive"', 'on_delete = "archived"'),
        [
            '20: entities.contact.on_delete: expected one of "propagate", "archive", "unlink", "ignore";'
            ' did you mean "archive"?'
        ],
    ),
    (
        "an archive that nothing asks for",
        ('on_delete = "archive"', 'on_delete = "unlink"'),
        ['21: entities.contact.archive: goes with on_delete = "archive" only'],
    ),
    (
        "an archive that is missing",
        ('archive = { field = "status", value = "cancelled" }\n', ""),
        ['18: entities.contact.archive: missing; on_delete = "archive" needs { field = "...", value = ... }'],
    ),
    (
        "an archive in an unknown field",
        ('field = "status", value', 'field = "state", value'),
        ['21: entities.contact.archive.field: no field "state"; did you mean "status"?'],
    ),
    (
        "an archive with a value that the field cannot have",
        ('value = "cancelled" }', 'value = "gone" }'),
        ["21: entities.contact.archive.value: one of lead, active, cancelled expected"],
    ),
    (
        "an archive that clears a field",
        ('value = "cancelled" }', 'value = "" }'),
        ["21: entities.contact.archive.value: expected a value; found a blank"],
    ),
    (
        "an archive that sets a consent",
        ('field = "status", value', 'field = "sms_opt_in", value'),
        [
            "21: entities.contact.archive.field: a consent is set by the person's own act only, never by a delete",
        ],
    ),
    (
        "an unknown word for the first contact",
        ('first_contact = "newest"', 'first_contact = "newst"'),
        [
            "22: entities.contact.first_contact: expected newest, report, fill_blanks or a system;"
            ' did you mean "newest"?'
        ],
    ),
    (
        "an unknown type",
        ('{ type = "set" }', '{ type = "sets" }'),
        [
            "31: entities.contact.fields.tags.type: unknown type; expected one of boolean, consent, country, date,"
            " datetime, decimal, email, enum, integer, json, language, money, phone, set, text, url;"
            ' did you mean "set"?'
        ],
    ),
    (
        "a field without a type",
        ('{ type = "set" }', "{ }"),
        [
            "31: entities.contact.fields.tags.type: missing; expected one of boolean, consent, country, date,"
            " datetime, decimal, email, enum, integer, json, language, money, phone, set, text, url"
        ],
    ),
    (
        "a field that is no table",
        ('{ type = "set" }', '"set"'),
        ["31: entities.contact.fields.tags: expected a table; found text"],
    ),
    (
        "a field with a name that expressions cannot use",
        ('tags        = { type = "set" }', 'tags = { type = "set" }\nlast-name = { type = "text" }'),
        [
            "32: entities.contact.fields.last-name:"
            " expected a name of letters, digits and underscores that begins with no digit"
        ],
    ),
    (
        "an option of another type",
        ('{ type = "set" }', '{ type = "set", region = "US" }'),
        ["31: entities.contact.fields.tags.region: belongs to fields of type phone"],
    ),
    (
        "an unknown option of a field",
        ("max_length = 200", "max_lenght = 200"),
        ['26: entities.contact.fields.email.max_lenght: unknown key; did you mean "max_length"?'],
    ),
    (
        "a length of nothing",
        ("max_length = 200", "max_length = 0"),
        ["26: entities.contact.fields.email.max_length: expected a whole number from 1 to 65536"],
    ),
    (
        "a length that is no number",
        ("max_length = 200", 'max_length = "200"'),
        ["26: entities.contact.fields.email.max_length: expected a whole number from 1 to 65536; found text"],
    ),
    (
        "a region that is no country",
        ('region = "US"', 'region = "UK"'),
        ["27: entities.contact.fields.phone.region: `region` must be a country code of ISO 3166, such as US"],
    ),
    (
        "an enum without values",
        (STATUS, 'policy = "authority", authority = ["billing"]'),
        ["29: entities.contact.fields.status.values: missing; expected a list of one or more names"],
    ),
    (
        "an enum with a value twice",
        (STATUS, 'values = ["lead", "active", "cancelled", "lead"]'),
        ["29: entities.contact.fields.status.values: the same value is listed twice"],
    ),
    (
        "an unknown policy",
        ('policy = "max"', 'policy = "maximum"'),
        [
            '32: entities.contact.fields.score.policy: expected one of "latest", "authority", "most_restrictive",'
            ' "most_permissive", "max", "min", "union", "counter", "manual"; did you mean "max"?'
        ],
    ),
    (
        "a policy that does not suit the type",
        ('policy = "max"', 'policy = "union"'),
        [
            '32: entities.contact.fields.score.policy: policy "union" does not go with type "integer";'
            " expected one of latest, authority, manual, max, min, counter"
        ],
    ),
    (
        "a consent by the latest value",
        (CONSENT, 'channel = "sms", policy = "latest"'),
        [
            "30: entities.contact.fields.sms_opt_in.policy:"
            " a consent goes by most_restrictive, so that an opt-out always wins"
        ],
    ),
    (
        "an unknown system that may collect an opt-in",
        (CONSENT, 'channel = "sms", authorised = ["crm", "mial"]'),
        ['30: entities.contact.fields.sms_opt_in.authorised[1]: no system "mial"; did you mean "mail"?'],
    ),
    (
        "a policy by authority that names none",
        (STATUS, 'values = ["lead", "active", "cancelled"], policy = "authority"'),
        ['29: entities.contact.fields.status.authority: missing; policy = "authority" needs a list of systems'],
    ),
    (
        "an authority that the policy does not ask",
        (STATUS, 'values = ["lead", "active", "cancelled"], authority = ["billing"]'),
        ['29: entities.contact.fields.status.authority: goes with policy = "authority" only'],
    ),
    (
        "an unknown authority",
        ('authority = ["billing"]', 'authority = ["biling"]'),
        ['29: entities.contact.fields.status.authority[0]: no system "biling"; did you mean "billing"?'],
    ),
    (
        "a link of an unknown system",
        ("[links.billing.contact]", "[links.bill.contact]"),
        ['61: links.bill: no system "bill"; did you mean "billing"?'],
    ),
    (
        "a link of an unknown entity",
        ("[links.billing.contact]", "[links.billing.contacts]"),
        ['61: links.billing.contacts: no entity "contacts"; did you mean "contact"?'],
    ),
    (
        "a link without a direction",
        (BOTH_5M, 'live = true\nevery = "5m"'),
        ['35: links.crm.contact.direction: missing; expected one of "pull", "push", "both"'],
    ),
    (
        "an unknown direction",
        (BOTH_5M, 'direction = "two-way"'),
        ['38: links.crm.contact.direction: expected one of "pull", "push", "both"'],
    ),
    (
        "an empty name of an object",
        ('object = "contacts"', 'object = ""'),
        ["36: links.crm.contact.object: expected a name"],
    ),
    (
        "a duration without a unit",
        ('every = "5m"', 'every = "5"'),
        ['40: links.crm.contact.every: expected a duration such as "300ms", "30s", "5m", "1h" or "2d"'],
    ),
    (
        "a duration that is a number",
        ('every = "5m"', "every = 5"),
        [
            '40: links.crm.contact.every: expected a duration such as "300ms", "30s", "5m", "1h" or "2d";'
            " found a whole number"
        ],
    ),
    (
        "a duration of nothing",
        ('every = "5m"', 'every = "0s"'),
        ['40: links.crm.contact.every: expected a duration such as "300ms", "30s", "5m", "1h" or "2d"'],
    ),
    (
        "two timetables",
        ('every = "5m"', 'every = "5m"\ncron = "0 2 * * *"'),
        ["41: links.crm.contact.cron: `every` and `cron` exclude each other"],
    ),
    (
        "a cron line that is none",
        ('cron = "0 2 * * *"', 'cron = "0 25 * * *"'),
        [
            '50: links.mail.contact.cron: expected minute, hour, day, month and weekday, such as "0 2 * * *":'
            " Error validating expression '25': the last value (25) is higher than the maximum value (23)"
        ],
    ),
    (
        "an unknown field in a map",
        ('score = "n"', 'scores = "n"'),
        ['41: links.crm.contact.map.scores: no field "scores"; did you mean "score"?'],
    ),
    (
        "a map of a field to a number",
        ('score = "n"', "score = 7"),
        ["41: links.crm.contact.map.score: expected a name or a table; found a whole number"],
    ),
    (
        "an unknown key in a map",
        ('separator = "|"', 'seperator = "|"'),
        ['58: links.mail.contact.map.tags.seperator: unknown key; did you mean "separator"?'],
    ),
    (
        "a map without a native name",
        ('{ field = "Tags", separator = "|" }', '{ separator = "|" }'),
        ["58: links.mail.contact.map.tags.field: missing; expected a name"],
    ),
    (
        "two fields that write the same native one",
        ('email = "Email"', 'email = "Email"\nphone = "Email"'),
        ['57: links.mail.contact.map.phone: "Email" is written by email already'],
    ),
    (
        "a separator of what is no set",
        ('email = "Email"', 'email = { field = "Email", separator = ";" }'),
        ['56: links.mail.contact.map.email.separator: goes with type "set" only, not "email"'],
    ),
    (
        "a native form of what has one only",
        ('email = "Email"', 'email = { field = "Email", form = "minor" }'),
        ['56: links.mail.contact.map.email.form: goes with money, country and language only, not "email"'],
    ),
    (
        "a native form that is not there",
        ('email = "Email"', 'email = "Email"\nscore = { field = "Score", form = "cents" }'),
        ['57: links.mail.contact.map.score.form: goes with money, country and language only, not "integer"'],
    ),
    (
        "a currency that is none",
        ('{ type = "integer", policy = "max" }', '{ type = "money", currency = "ABC" }'),
        ["32: entities.contact.fields.score: `currency` must be a code of ISO 4217, such as EUR"],
    ),
    (
        "digits of a currency that no number has",
        ('{ type = "integer", policy = "max" }', '{ type = "money", digits = { EUR = 9 } }'),
        ["32: entities.contact.fields.score.digits.EUR: expected a whole number from 0 to 8"],
    ),
    (
        "a document that identifies",
        ('customer_id = { type = "text" }', 'customer_id = { type = "json" }'),
        ['19: entities.contact.identify[0]: "customer_id" is of type json, which identifies nothing'],
    ),
    (
        "a zone of what is no datetime",
        ('email = "Email"', 'email = { field = "Email", zone = "UTC" }'),
        ['56: links.mail.contact.map.email.zone: goes with type "datetime" only, not "email"'],
    ),
    (
        "a zone that does not exist",
        ("Europe/Berlin", "Europe/Berlni"),
        ['59: links.mail.contact.map.seen_at.zone: expected the name of a time zone, such as "Europe/Berlin"'],
    ),
    (
        "a native value for what no enum has",
        ('C = "cancelled"', 'C = "canceled"'),
        [
            "65: links.billing.contact.map.status.values.C: expected one of lead, active, cancelled;"
            ' did you mean "cancelled"?'
        ],
    ),
    (
        "a native value for no state of a consent",
        ("N = false", 'N = "no"'),
        ["57: links.mail.contact.map.sms_opt_in.values.N: expected one of in, out, unknown"],
    ),
    (
        "a native value of a consent that is a number",
        ("N = false", "N = 7"),
        ["57: links.mail.contact.map.sms_opt_in: `values` of a consent may only mean true, false, in, out or unknown"],
    ),
    (
        "native values where there are none",
        ('email = "Email"', 'email = { field = "Email", values = { a = "b" } }'),
        [
            "56: links.mail.contact.map.email.values: goes with text, enum, boolean, consent, country and language"
            ' only, not "email"'
        ],
    ),
    (
        "an empty map",
        (
            'customer_id = "customer", status = { field = "state", values = { A = "active", C = "cancelled" } }',
            "",
        ),
        ["65: links.billing.contact.map: expected one field or more; found an empty table"],
    ),
    (
        "a required field that a link leaves out",
        ("max_length = 200", "required = true"),
        ["65: links.billing.contact.map.email: missing; the field is required, so each link maps it"],
    ),
    (
        "an object with two entities",
        (
            "[links.billing.contact]\n",
            '[links.crm.person]\nobject = "contacts"\nkey = "id"\ndirection = "pull"\nmap = { name = "n" }\n'
            '[entities.person]\nidentify = ["name"]\n[entities.person.fields]\nname = { type = "text" }\n'
            "[links.billing.contact]\n",
        ),
        ['62: links.crm.person.object: "contacts" is linked to contact already; a record belongs to one entity'],
    ),
    (
        "an unknown name in an expression",
        ("sms_opt_in or status", "sms_optin or status"),
        ['52: links.mail.contact.where: unknown name "sms_optin" (character 1); did you mean "sms_opt_in"?'],
    ),
    (
        "a value in an expression that the enum has not",
        ("('lead', 'active')", "('lead', 'actve')"),
        ['52: links.mail.contact.where: "status" is never "actve" (character 15); did you mean "active"?'],
    ),
    (
        "an expression that is none",
        ("('lead', 'active')", "('lead'"),
        ["52: links.mail.contact.where: not an expression: '(' was never closed (character 25)"],
    ),
    (
        "an expression that is no text",
        ("where = \"sms_opt_in or status in ('lead', 'active')\"", "where = true"),
        ["52: links.mail.contact.where: expected text; found true or false"],
    ),
    (
        "a share without a sign",
        ('delete = "5%"', 'delete = "5"'),
        ['53: links.mail.contact.guard.delete: expected a share such as "5%", or "off"'],
    ),
    (
        "a share of more than all",
        ('delete = "5%"', 'delete = "101%"'),
        ['53: links.mail.contact.guard.delete: expected a share such as "5%", or "off"'],
    ),
    (
        "an unknown class of a guard",
        ('delete = "5%"', 'deletes = "5%"'),
        ['53: links.mail.contact.guard.deletes: unknown key; did you mean "delete"?'],
    ),
    (
        "a negative number of records",
        ("at_least = 3", "at_least = -3"),
        ["53: links.mail.contact.guard.at_least: expected a whole number of 0 or more"],
    ),
    (
        "an unknown way to opt in",
        ('opt_in = "strict"', 'opt_in = "allow"'),
        ['49: links.mail.contact.opt_in: expected one of "write", "strict"'],
    ),
]


@pytest.mark.parametrize(("change", "problems"), [w[1:] for w in WRONG], ids=[w[0].replace(" ", "-") for w in WRONG])
def test_what_is_wrong_is_said_with_its_place(change: tuple[str, str], problems: list[str], tmp_path: Path) -> None:
    assert said(changed(change), tmp_path) == problems


NOT_BUILT = [
    *[
        (("[systems.crm]\n", f"[{name}.x]\n[systems.crm]\n"), f"5: {name}:")
        for name in ("events", "audiences", "purposes", "alerts")
    ],
]


@pytest.mark.parametrize(("change", "place"), NOT_BUILT)
def test_what_is_not_built_yet_is_refused_by_name(change: tuple[str, str], place: str, tmp_path: Path) -> None:
    assert said(changed(change), tmp_path) == [f"{place} not built yet in this version"]
