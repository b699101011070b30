"""The state folder: one that cannot be made or written is said beforehand, and in the same words by all commands."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasyncd.state.folder import refusal

from .shop import Shop

FIX = "name a folder that can be made and written in [daemon] state_dir"


@pytest.mark.parametrize(("folder", "blocking"), [("var", "var"), ("var/lib/state", "var")])
def test_a_file_in_the_place_of_the_folder_is_an_error_of_each_command(
    folder: str, blocking: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path)
    shop.config.write_text(shop.config.read_text().replace('state_dir = "var"', f'state_dir = "{folder}"'))
    (tmp_path / blocking).write_text("notes")
    said = f"{tmp_path / folder}: {tmp_path / blocking} is there and is no folder; move it away, or {FIX}"

    checked = shop.runs("check", "--json")

    errors = [found for found in checked.json["findings"] if found["severity"] == "error"]
    assert (checked.exit_code, [error["text"] for error in errors]) == (78, [f"daemon.state_dir: {said}"])
    assert errors[0]["place"] == f"{shop.config}:3"
    for command in ("plan", "sync", "run", "conflicts"):
        done = shop.runs(command)
        assert (done.exit_code, done.err.strip()) == (69, f"datasyncd: {said}")
    assert (tmp_path / blocking).read_text() == "notes"


def test_check_makes_no_folder(tmp_path: Path) -> None:
    shop = Shop(tmp_path)

    assert (shop.runs("check").exit_code, shop.runs("plan").exit_code) == (0, 0)

    assert not (tmp_path / "var").exists()


def test_a_name_that_is_too_long_says_so(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    assert str(refusal(folder)) == f"{folder}: File name too long; {FIX}"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may look into."""
    folder = Path(tempfile.mkdtemp(prefix="datasyncd-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def _said_without_rights(folder: Path) -> str:
    """What somebody is told who is neither its owner nor root."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(into, str(refusal(folder)).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


def test_a_folder_that_may_not_be_written_is_trouble(shared: Path) -> None:
    shared.chmod(0o555)
    may_not = "may not write there; give it the right, or"

    with_name = _said_without_rights(shared / "var")
    itself = _said_without_rights(shared)

    assert with_name.startswith(f"{shared / 'var'}: it cannot be made in {shared}: the user ")
    assert itself.startswith(f"{shared}: the user ")
    assert with_name.endswith(f"{may_not} {FIX}")
    assert itself.endswith(f"{may_not} {FIX}")
