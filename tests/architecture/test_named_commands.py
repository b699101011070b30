"""Every command that a text names exists: in the documentation, in what the program says, and in its comments."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from datasyncd.daemon.cli.group import COMMANDS, group

ROOT = Path(__file__).parents[2]

_NAMED = re.compile(r"(?:^|[\s`'\"/({\[])datasyncd[ \t]+(?P<words>[a-z][a-z-]*(?:[ \t]+[a-z][a-z-]*)?)", re.MULTILINE)
_PROSE = frozenset({"as", "is", "has", "and", "works", "needs", "import", "does", "gives", "unit", "can", "on"})
"""Words that follow the name of the program in a sentence or in Python."""


def texts() -> Iterator[tuple[str, str]]:
    """Files that people read, and those whose words the program says: name and what of it may name a command."""
    for path in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", ROOT / "config.toml",
                 ROOT / "Makefile", *(ROOT / "docs").rglob("*"), *(ROOT / "systemd").rglob("*"),
                 *(ROOT / "src").rglob("*")):  # fmt: skip
        if path.suffix in (".md", ".toml", ".service", ".conf", ".py", ".sql") or path.name == "Makefile":
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".py":
                text = "\n".join(words(text))
            yield path.relative_to(ROOT).as_posix(), text


def words(source: str) -> Iterator[str]:
    """Strings and comments of a Python source."""
    kinds = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds:
            yield token.string


def named() -> Iterator[tuple[str, list[str]]]:
    """What stands after the program's name, one or two words, and in which file."""
    for name, text in texts():
        for found in _NAMED.finditer(text):
            said = found["words"].split()
            if said[0] not in _PROSE:
                yield name, said


def test_every_command_that_a_text_names_exists() -> None:
    found = list(named())

    assert len(found) > 50
    assert sorted({f"{name}: datasyncd {said[0]}" for name, said in found if said[0] not in COMMANDS}) == []


def test_every_second_word_of_a_command_with_parts_is_one_of_them() -> None:
    context = click.Context(group)
    wrong = []
    for name, said in named():
        command = group.get_command(context, said[0])
        if isinstance(command, click.Group) and len(said) == 2 and said[1] not in command.commands:
            wrong.append(f"{name}: datasyncd {' '.join(said)}")

    assert [each for each in wrong if not each.startswith("CHANGELOG.md")] == []


@pytest.mark.parametrize("page", ["systemd/README.md", "docs/reference/commands.md", "docs/reference/exit-codes.md"])
def test_every_word_in_code_that_looks_like_a_command_is_one(page: str) -> None:
    """Pages that name commands without the program: `check` looks at the config."""
    text = (ROOT / page).read_text(encoding="utf-8")
    bare = re.findall(r"`([a-z]+)`(?: (?:looks|shows|lists|says)\b)", text)

    assert [word for word in bare if word not in COMMANDS] == []
