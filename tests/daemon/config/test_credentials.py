"""Credentials: where secrets are found, and that they are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.daemon.config.problems import ConfigInvalid

from .sample import StoreOptions, changed, loaded, said

SECRET = "s3cr3t-value"
NAMED = ('path = "crm.db"', 'path = { credential = "crm-path" }')
FROM_FILE = ("[daemon]\n", '[daemon]\nsecrets = "secrets.toml"\n')


def path_of(text: str, folder: Path, environ: dict[str, str]) -> str:
    options = loaded(text, folder, environ).systems["crm"].options
    assert isinstance(options, StoreOptions)
    return options.path


def secrets_file(folder: Path, content: str, mode: int = 0o600) -> None:
    file = folder / "secrets.toml"
    file.write_text(content)
    file.chmod(mode)


def test_systemd_comes_before_the_environment_before_the_file(tmp_path: Path) -> None:
    text = changed(NAMED, FROM_FILE)
    secrets_file(tmp_path, 'crm-path = "of the file"')
    environ: dict[str, str] = {}

    assert path_of(text, tmp_path, environ) == "of the file"
    environ["DATASYNCD_CRM_PATH"] = "of the environment"
    assert path_of(text, tmp_path, environ) == "of the environment"
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert path_of(text, tmp_path, environ) == "of the environment"
    (tmp_path / "crm-path").write_text("of systemd\n")
    assert path_of(text, tmp_path, environ) == "of systemd"


def test_a_credential_may_stand_deep_in_an_option(tmp_path: Path) -> None:
    text = changed(("lock = true", 'headers = { Authorization = { credential = "token" } }'))

    options = loaded(text, tmp_path, {"DATASYNCD_TOKEN": SECRET}).systems["mail"].options

    assert isinstance(options, StoreOptions)
    assert options.headers == {"Authorization": SECRET}


def test_a_credential_that_is_nowhere_says_where_it_was_looked_for(tmp_path: Path) -> None:
    secrets_file(tmp_path, 'crm-pth = "x"')

    assert said(changed(NAMED, FROM_FILE, ("lock = true", "lokc = true")), tmp_path) == [
        '8: systems.crm.path.credential: no credential "crm-path" in $CREDENTIALS_DIRECTORY/crm-path,'
        ' $DATASYNCD_CRM_PATH and the secrets file; did you mean "crm-pth"?',
        '13: systems.mail.lokc: unknown key; did you mean "lock"?',
    ]


@pytest.mark.parametrize("name", ['"../state.db"', '""', "7", '["a"]', '".."', '"a/b"'])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    assert said(changed(("crm.db", "x"), ('path = "x"', f"path = {{ credential = {name} }}")), tmp_path) == [
        "7: systems.crm.path.credential:"
        " expected the name of a credential: letters, digits, dots, dashes and underscores"
    ]


def test_an_empty_credential_is_refused(tmp_path: Path) -> None:
    assert said(changed(NAMED), tmp_path, {"DATASYNCD_CRM_PATH": ""}) == [
        '7: systems.crm.path.credential: the credential "crm-path" is empty'
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secrets_file_that_others_can_read_is_not_used(mode: int, tmp_path: Path) -> None:
    secrets_file(tmp_path, f'crm-path = "{SECRET}"', mode)
    file = tmp_path / "secrets.toml"

    first, second = said(changed(NAMED, FROM_FILE), tmp_path)

    assert (
        first
        == f"2: daemon.secrets: {file} can be read by others (mode 0{mode:o}); make it yours alone: chmod 600 {file}"
    )
    assert second.startswith('8: systems.crm.path.credential: no credential "crm-path"')


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f'a = "x"\ncrm-path = {SECRET}', " is not TOML: line 2"),
        (f'crm-path = "{SECRET}', " is not TOML"),
        (f'crm-path = ["{SECRET}"]', ' holds something else than texts; expected lines such as name = "secret"'),
        ("a = " + "[" * 20_000, " is not TOML"),
    ],
)
def test_a_broken_secrets_file_is_not_quoted(content: str, text: str, tmp_path: Path) -> None:
    secrets_file(tmp_path, content)

    problems = said(changed(FROM_FILE), tmp_path)

    assert [problem.removeprefix(f"2: daemon.secrets: {tmp_path}/secrets.toml") for problem in problems] == [text]


def test_a_secrets_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert said(changed(FROM_FILE), tmp_path) == [
        f"2: daemon.secrets: cannot read {tmp_path}/secrets.toml: No such file or directory"
    ]


def test_a_credential_of_systemd_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    (tmp_path / "crm-path").write_bytes(b"\xff\xfe")
    text = changed(NAMED)

    assert said(text, tmp_path, environ) == [
        '7: systems.crm.path.credential: the credential "crm-path" is not UTF-8 text'
    ]
    (tmp_path / "crm-path").unlink()
    (tmp_path / "crm-path").mkdir()
    assert said(text, tmp_path, environ) == [
        '7: systems.crm.path.credential: cannot read the credential "crm-path": Is a directory'
    ]


def test_a_secret_is_in_no_text_of_a_config(tmp_path: Path) -> None:
    config = loaded(changed(NAMED), tmp_path, {"DATASYNCD_CRM_PATH": SECRET})

    texts = [repr(config), str(config), repr(config.systems), str(config.__rich_repr__())]
    texts += [str(system.__rich_repr__()) for system in config.systems.values()]
    assert not [text for text in texts if SECRET in text]
    assert repr(config) == f"Config('{tmp_path}/config.toml')"
    assert repr(config.systems["crm"]) == "System('crm', adapter='store')"


@pytest.mark.parametrize(
    "options", ['mode = "strict"', "lock = { credential = 'key' }", "mode = { credential = 'key' }"]
)
def test_a_secret_is_in_no_problem(options: str, tmp_path: Path) -> None:
    text = changed(('path = "var/mail"\nlock = true', f'path = {{ credential = "crm-path" }}\n{options}'))

    with pytest.raises(ConfigInvalid) as invalid:
        loaded(text, tmp_path, {"DATASYNCD_CRM_PATH": SECRET, "DATASYNCD_KEY": SECRET})

    assert SECRET not in str(invalid.value)
    assert invalid.value.__context__ is None or SECRET not in str(invalid.value.__context__)
    assert len(invalid.value.problems) == 1


def test_options_with_a_secret_that_do_not_go_together_say_so(tmp_path: Path) -> None:
    text = changed(('path = "var/mail"\nlock = true', 'path = { credential = "crm-path" }\nmode = "strict"'))

    assert said(text, tmp_path, {"DATASYNCD_CRM_PATH": SECRET}) == ["9: systems.mail: these options do not go together"]
