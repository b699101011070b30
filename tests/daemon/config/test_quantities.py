"""Quantities: durations and shares as the config writes them."""

from __future__ import annotations

import pytest

from datasyncd.daemon.config.quantities import OFF, Duration, Share


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("30s", 30), ("5m", 300), ("1h", 3600), ("2d", 172_800), ("3650d", 315_360_000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert Duration.parse(text).seconds == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "0s", "-1s", "1.5h", "1 h", "1w", "1h30m", "3651d", "9999999999s", "٣s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        Duration.parse(text)


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("2.5 %", 0.025), ("0%", 0.0), ("100%", 1.0), ("off", OFF)])
def test_a_share_is_a_percentage_or_off(text: str, share: float) -> None:
    assert Share.parse(text) == share
    assert Share.parse(text).limits == (text != "off")


@pytest.mark.parametrize("text", ["", "5", "%", "-5%", "101%", "1e1%", "Off", "0.05", "٣%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a share"):
        Share.parse(text)
