"""Examples: configs to start from, each a commented file beside this one."""

from __future__ import annotations

from importlib import resources

DEFAULT = "sqlite-csv"


def names() -> list[str]:
    """Sorted, the default first."""
    folder = resources.files(__package__)
    found = [entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return sorted(found, key=lambda name: (name != DEFAULT, name))


def example(name: str) -> str:
    """The text of one of `names`."""
    return (resources.files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
