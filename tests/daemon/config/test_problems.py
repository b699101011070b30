"""Problems: how they are shown, and how the nearest name is found."""

from __future__ import annotations

import pytest

from datasyncd.daemon.config.lines import KeyPath, Places, index
from datasyncd.daemon.config.problems import ConfigInvalid, Findings, Problem, dotted, nearest


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem(file="c.toml", line=3, key="a.b", text="wrong"), "c.toml:3: a.b: wrong"),
        (Problem(file="c.toml", line=None, key="", text="wrong"), "c.toml: wrong"),
        (Problem(file="c.toml", line=3, key="a", text="no b", nearest="c"), 'c.toml:3: a: no b; did you mean "c"?'),
        (Problem(file="c.toml", line=3, key="a", text="odd", severity="warning"), "c.toml:3: warning: a: odd"),
    ],
)
def test_a_problem_is_shown_as_compilers_show_theirs(problem: Problem, text: str) -> None:
    assert str(problem) == text
    assert str(ConfigInvalid([problem, problem])) == f"{text}\n{text}"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("links", "crm", "contact"), "links.crm.contact"),
        (("a b", "c"), '"a b".c'),
        (("keys", 1, 0, "x"), "keys[1][0].x"),
    ],
)
def test_a_key_is_shown_as_toml_writes_it(path: KeyPath, text: str) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("name", "found"),
    [("emial", "email"), ("EMAIL", "email"), ("firstname", "first_name"), ("x", None), ("e" * 99, None)],
)
def test_the_nearest_name_is_like_the_one_that_is_written(name: str, found: str | None) -> None:
    assert nearest(name, ["email", "first_name", "phone"]) == found


def test_findings_are_told_in_the_order_of_the_file() -> None:
    findings = Findings(Places.of_file("c.toml", index("a = 1\n[b]\nc = 1\n")))

    findings.error(("b", "c"), "third")
    findings.warning(("b",), "second")
    findings.error(("none",), "first")

    assert [problem.text for problem in findings.in_order()] == ["first", "second", "third"]
    assert not findings.clean(("b",))
    assert findings.clean(("a",))
