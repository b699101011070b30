"""The JSON Schema says of a config what loading it says: right ones pass, and what a schema can see is refused."""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from datasyncd.adapters import registry
from datasyncd.daemon.config.schema import schema

from .sample import SAMPLE, adapter, changed, said
from .test_mistakes import NOT_BUILT, WRONG
from .test_mutations import mutated

ROOT = Path(__file__).parents[3]
SCHEMA = schema(["store"], adapter)
BUILT_IN = schema(registry.names(), registry.find)

BEYOND = {
    "a port that does not exist",
    "options of an adapter that do not go together",
    "a system named as a kind of first contact",
    "an unknown field that identifies",
    "an unknown field in a compound key",
    "a key that is named twice",
    "a consent that identifies",
    "an empty compound key",
    "a key of no field",
    "a key that names a field twice",
    "an archive in an unknown field",
    "an archive with a value that the field cannot have",
    "an archive that clears a field",
    "an archive that sets a consent",
    "an unknown word for the first contact",
    "a field with a name that expressions cannot use",
    "a region that is no country",
    "an enum with a value twice",
    "an unknown system that may collect an opt-in",
    "an unknown authority",
    "a link of an unknown system",
    "a link of an unknown entity",
    "a duration of nothing",
    "a cron line that is none",
    "an unknown field in a map",
    "two fields that write the same native one",
    "a separator of what is no set",
    "a zone of what is no datetime",
    "a native form of what has one only",
    "a native form that is not there",
    "a currency that is none",
    "a document that identifies",
    "a zone that does not exist",
    "a native value for what no enum has",
    "a native value for no state of a consent",
    "a native value of a consent that is a number",
    "native values where there are none",
    "a required field that a link leaves out",
    "an object with two entities",
    "an unknown name in an expression",
    "a value in an expression that the enum has not",
    "an expression that is none",
    "a share of more than all",
}
"""Mistakes that no schema sees: names that lead nowhere, values that depend on others or on the machine."""


def problems(text: str, known: dict[str, Any] = SCHEMA) -> list[str]:
    """Where the schema finds something wrong."""
    found = jsonschema.Draft7Validator(known).iter_errors(tomllib.loads(text))
    return sorted("/".join(map(str, error.absolute_path)) for error in found)


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator.check_schema(BUILT_IN)
    assert json.loads(json.dumps(BUILT_IN)) == BUILT_IN


def test_a_right_config_passes() -> None:
    assert problems(SAMPLE) == []
    assert problems((ROOT / "config.toml").read_text(), BUILT_IN) == []


@pytest.mark.parametrize("page", ["docs/how-to/write-a-config.md", "docs/tutorial/first-sync.md"])
def test_the_config_of_a_page_passes(page: str) -> None:
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```toml\n(.*?)^```$|^cat > config.toml <<'END'\n(.*?)^END$", text, re.MULTILINE | re.DOTALL)

    assert problems("\n".join("".join(block) for block in blocks), BUILT_IN) == []


@pytest.mark.parametrize(
    ("name", "change"), [(wrong[0], wrong[1]) for wrong in WRONG], ids=[w[0].replace(" ", "-") for w in WRONG]
)
def test_a_mistake_is_found_unless_no_schema_can_see_it(name: str, change: tuple[str, str]) -> None:
    assert bool(problems(changed(change))) == (name not in BEYOND), "what no schema can see stands in BEYOND"


@pytest.mark.parametrize("change", [change for change, _place in NOT_BUILT])
def test_what_is_not_built_yet_is_not_offered(change: tuple[str, str]) -> None:
    assert problems(changed(change)) != []


@given(mutated())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_called_wrong_that_is_right(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if said(text, Path(folder)) == []:
            assert problems(text) == []


def test_a_problem_stands_at_its_place() -> None:
    text = changed(('region = "US"', "region = 1"))

    assert problems(text) == ["entities/contact/fields/phone/region"]


def test_each_kind_of_system_has_its_own_options() -> None:
    systems = '[systems.a]\nadapter = "csv"\npath = "x"\ndelimiter = ";"\n[systems.b]\nadapter = "sqlite"\npath = "y"\n'

    assert [place for place in problems(systems, BUILT_IN) if place] == []
    assert "systems/b" in problems(systems.replace('"y"', '"y"\ndelimiter = ";"'), BUILT_IN)


def test_a_secret_may_stand_by_its_name_wherever_a_text_does() -> None:
    text = '[systems.a]\nadapter = "csv"\npath = { credential = "where" }\nsettle_ms = 1\n'

    assert [place for place in problems(text, BUILT_IN) if place] == []
    assert "systems/a/settle_ms" in problems(text.replace("= 1", '= { credential = "n" }'), BUILT_IN)


def test_every_key_of_the_file_is_described() -> None:
    described = keys(BUILT_IN, "")

    assert len(described) > 100
    assert [path for path, found in described if "description" not in found] == []


def keys(found: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    """Every property that is described by a schema of its own."""
    out: list[tuple[str, dict[str, Any]]] = []
    if isinstance(found, dict):
        for name, each in found.get("properties", {}).items():
            if isinstance(each, dict) and "const" not in each:
                out += [(f"{path}/{name}", each), *keys(each, f"{path}/{name}")]
        for part in ("additionalProperties", "items", "then"):
            out += keys(found.get(part), f"{path}/*" if part != "then" else path)
        for case in (*found.get("allOf", ()), *found.get("anyOf", ())):
            out += keys(case, path)
    return out


def test_a_kind_that_cannot_be_loaded_may_have_any_options() -> None:
    def find(name: str) -> registry.AdapterKind:
        if name == "broken":
            raise ImportError("something is missing")
        return adapter(name)

    text = '[systems.a]\nadapter = "broken"\nanything = 1\n'

    assert [place for place in problems(text, schema(["broken", "store"], find)) if place] == []
