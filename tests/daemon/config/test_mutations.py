"""Mutations: whatever is done to a config, it is either right or refused with its problems."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasyncd.adapters.contract import Capabilities
from datasyncd.daemon.config.compile import compile_rules, objects_of
from datasyncd.daemon.config.consistency import consistency
from datasyncd.daemon.config.load import load_home
from datasyncd.daemon.config.problems import ConfigInvalid

from .sample import SAMPLE, loaded

VALUES = st.sampled_from(
    [
        "1", "-1", "0", "99999999999999999999999999", "1.5", "nan", "inf", "true", "false", '""', '"x"', "'in'", "[]",
        "{}", "[1]", '["email"]', '["crm", "crm"]', "[[]]", '[["phone"], "email"]', "1979-05-27", "07:32:00",
        "1979-05-27T07:32:00Z", "{ a = 1 }", '{ credential = "x" }', "{ credential = 1 }", '{ type = "text" }',
        '{ type = "money" }', '{ field = "x" }', '{ field = "x", values = { a = 1 } }', '"5%"', '"off"', '"30s"',
        '"both"', '"0 2 * * *"', '"* * * * * *"', '"latest"', '"authority"', '"union"', '"email or ("', '"\\u0000"',
        '"\\U0001F600"', '"' + "a" * 3000 + '"', '"' + "(" * 500 + '"', "[" * 60 + "]" * 60, '"crm"', '"Europe/../etc"',
    ]
)  # fmt: skip
SIGNS = (
    """[ ] { } " ' \"\"\" \'\'\' = , . # - % é \\ type [[links]]\n [systems]\n values=1\n [links.crm.contact.map]\n"""
)
PIECES = st.sampled_from([*SIGNS.split(" "), " ", "\t", "\n", "\r\n", "\x00", "\n[entities.contact.archive]\n"])

ASSIGNED = [match.span(1) for match in re.finditer(r"= (\"[^\"]*\"|true|\[[^\n]*\]|\{[^\n]*\}|[0-9]+)", SAMPLE)]
WORDS = [match.span() for match in re.finditer(r"[A-Za-z_]+", SAMPLE)]
LINES = SAMPLE.splitlines(keepends=True)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The sample with one to three things done to it."""
    text = SAMPLE
    for _ in range(draw(st.integers(1, 3))):
        spot = draw(st.integers(0, len(text) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                start, end = draw(st.sampled_from(ASSIGNED))
                text = text[:start] + draw(VALUES) + text[end:]
            case 1:
                start, end = draw(st.sampled_from(WORDS))
                text = text[:start] + draw(st.text(alphabet="aeimnost_-1é", max_size=8)) + text[end:]
            case 2:
                text = text[:spot] + draw(PIECES) + text[spot:]
            case 3:
                text = text[:spot] + text[spot + draw(st.integers(1, 40)) :]
            case 4:
                text = text.replace(draw(st.sampled_from(LINES)), draw(st.sampled_from(["", "\n", "x = 1\n"])))
            case _:
                line = draw(st.sampled_from(LINES))
                text = text[:spot] + line + text[spot:]
    return text


@given(mutated())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_config_is_right_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            config = loaded(text, Path(folder))
        except ConfigInvalid as invalid:
            refused = invalid
        else:
            promised = {(system, entity): Capabilities() for system in config.links for entity in config.links[system]}
            consistency(config, promised)
            compile_rules(config, lambda entity, field: list(config.entities[entity].fields).index(field), promised)
            for system in config.systems:
                objects_of(config, system)
            load_home(Path(folder) / "config.toml", {})
            return
    lines = [problem.line or 0 for problem in refused.problems]
    assert lines == sorted(lines)
    assert all(line <= text.count("\n") + 1 for line in lines)
    assert all(problem.text for problem in refused.problems)
