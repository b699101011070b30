"""The conformance suite for pytest: what every adapter promises, tested against the real system.

Each test is named by the promise, and numbered as in the list of promises. Of a promise that an adapter does not make
by its `capabilities` the test holds it to the opposite.
"""

from __future__ import annotations

import pytest

from .stage import Stage
from .suite import Promises


@pytest.mark.asyncio
class AdapterConformance(Promises):
    """Subclass it as `Test...`, and override the fixture `stage`."""

    @pytest.fixture
    def stage(self) -> Stage:
        """The system under test."""
        raise NotImplementedError("override the fixture `stage`")
