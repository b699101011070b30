"""The conformance suite: what every adapter promises, tested against the real system.

Each test is named by the promise, and numbered as in the list of promises. Of a promise that an adapter does not make
by its `capabilities` the test holds it to the opposite.
"""

from __future__ import annotations

import pytest

from .lifetime import LifetimePromises
from .readings import ReadingPromises
from .stage import Stage
from .values import ValuePromises
from .writes import WritePromises


@pytest.mark.asyncio
class AdapterConformance(ReadingPromises, WritePromises, ValuePromises, LifetimePromises):
    """Subclass it as `Test...`, and override the fixture `stage`."""

    many = 2500
    """Records that need several pages."""

    @pytest.fixture
    def stage(self) -> Stage:
        """The system under test."""
        raise NotImplementedError("override the fixture `stage`")
