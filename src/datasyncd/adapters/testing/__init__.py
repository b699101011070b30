"""What tests an adapter: the conformance suite, and a desk to try one at."""

import pytest

for name in ("lifetime", "readings", "steps", "values", "writes"):
    pytest.register_assert_rewrite(f"{__name__}.{name}")

from .conformance import AdapterConformance  # noqa: E402
from .stage import PEOPLE, Stage  # noqa: E402

__all__ = ["PEOPLE", "AdapterConformance", "Stage"]
