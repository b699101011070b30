"""Patching: other functions in the places of some that the daemon calls, in the process that is to be tortured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def put(owner: Any, **functions: Callable[..., Any]) -> None:
    """In the place of functions of a module or class."""
    for name, function in functions.items():
        setattr(owner, name, function)
