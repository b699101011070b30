"""`simulate`: histories by number, one told in full, and what it says when something does not hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from datasyncd.daemon.cli.group import group
from datasyncd.daemon.simulation import history
from datasyncd.daemon.simulation.oracle import Broken


def runs(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(group, ["simulate", *words], catch_exceptions=False)
    return done.exit_code, done.stdout


def document(*words: str) -> Any:
    return json.loads(runs(*words, "--json")[1])


def test_histories_that_hold_exit_with_0_and_say_what_came_up() -> None:
    code, shown = runs("--seeds", "3", "--json")
    found = json.loads(shown)

    assert code == 0
    assert (found["histories"], found["broken"]) == (3, [])
    assert found["seen"]["crash"] > 0
    assert "3 histories" in runs("--seeds", "3")[1]


def test_one_history_is_told_in_full_and_always_the_same() -> None:
    first, second = document("--seed", "1", "--trace"), document("--seed", "1", "--trace")
    told = [first, *(document("--seed", str(seed), "--trace") for seed in range(2, 9))]
    kinds = {line["who"] for each in told for line in each["trace"]}

    assert first["trace"] == second["trace"]
    assert kinds >= {"people", "read", "push", "crash"}
    times = [line["at_s"] for line in first["trace"]]
    assert times == sorted(times)
    _code, shown = runs("--seed", "1", "--trace")
    assert first["trace"][0]["what"] in shown


def test_telling_a_history_does_not_change_it() -> None:
    lines: list[object] = []

    assert history.run(4, lines.append).digest == history.run(4).digest


def test_what_does_not_hold_is_a_bug_and_names_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_everything: object) -> None:
        raise Broken("P2: an edit is nowhere")

    monkeypatch.setattr(history, "check", check)

    code, shown = runs("--seeds", "2")

    assert code == 70
    assert "seed 0: P2: an edit is nowhere" in shown
    assert "2 broken" in shown
    assert "datasyncd simulate --seed 0 --trace" in shown
    assert "the least of seed 0" in shown
    assert document("--seed", "1")["smallest"]
    assert document("--seed", "1")["broken"] == [{"seed": 1, "text": "seed 1: P2: an edit is nowhere"}]


def test_a_trace_is_of_one_history() -> None:
    assert runs("--seeds", "2", "--trace")[0] == 64
