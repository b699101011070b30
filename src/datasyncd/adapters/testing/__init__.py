"""What tests an adapter: the conformance suite, and a desk to try one at.

Only `AdapterConformance` needs pytest, and is imported when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from .scratch import Scratch, SecondConnection, Site, staged
from .stage import COLUMNS, PEOPLE, Stage

if TYPE_CHECKING:
    from .conformance import AdapterConformance

__all__ = ["COLUMNS", "PEOPLE", "AdapterConformance", "Scratch", "SecondConnection", "Site", "Stage", "staged"]


def __getattr__(name: str) -> Any:
    if name != "AdapterConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .conformance import AdapterConformance

    return AdapterConformance
