"""Sources: a config of several files is one config, and what is wrong in it is said of the right file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.daemon.config.consistency import consistency
from datasyncd.daemon.config.load import Config, load, load_home
from datasyncd.daemon.config.problems import ConfigInvalid
from datasyncd.daemon.config.sources import DEEPEST, MOST_FILES

from .sample import SAMPLE, adapter

HEAD = 'include = ["systems/*.toml", "contact.toml"]\n\n[daemon]\nstate_dir = "state"\n'


def section(name: str) -> str:
    """The tables of the sample whose names begin so."""
    tables = [f"[{table}" for table in SAMPLE.split("\n[")[1:]]
    return "\n".join(table for table in tables if table.startswith(f"[{name}"))


FILES = {
    "config.toml": HEAD,
    "contact.toml": section("entities"),
    "systems/billing.toml": section("systems.billing") + section("links.billing"),
    "systems/crm.toml": section("systems.crm") + section("links.crm"),
    "systems/mail.toml": section("systems.mail") + section("links.mail"),
}


def written(folder: Path, **changed: str) -> Path:
    """The sample in several files, some of them with another text; the first of them."""
    for name, text in {**FILES, **{key.replace("__", "/") + ".toml": text for key, text in changed.items()}}.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
    return folder / "config.toml"


def loaded(file: Path) -> Config:
    return load(file, {}, adapter)


def said(file: Path) -> list[str]:
    """All that is wrong, with file names relative to the folder of the first file."""
    with pytest.raises(ConfigInvalid) as invalid:
        loaded(file)
    return [str(problem).replace(f"{file.parent}/", "") for problem in invalid.value.problems]


def test_a_config_of_several_files_is_one_config(tmp_path: Path) -> None:
    config = loaded(written(tmp_path))

    assert list(config.systems) == ["billing", "crm", "mail"]
    assert list(config.links) == ["billing", "crm", "mail"]
    assert config.entities["contact"].fields["score"].policy == "max"
    assert config.home.state_dir == tmp_path / "state"


def test_what_a_file_says_itself_comes_before_what_it_includes(tmp_path: Path) -> None:
    file = written(tmp_path, config=HEAD + section("systems.mail"), systems__mail=section("links.mail"))

    assert list(loaded(file).systems) == ["mail", "billing", "crm"]


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    config = loaded(written(tmp_path))

    assert config.systems["crm"].base == tmp_path / "systems"


def test_a_mistake_names_the_file_it_is_in(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        config=HEAD.replace("state_dir", "statedir"),
        systems__mail=FILES["systems/mail.toml"].replace('where = "sms_opt_in', 'where = "sms_optin'),
        contact=FILES["contact.toml"].replace('"customer_id", "email"', '"customer", "email"'),
    )

    assert said(file) == [
        'config.toml:4: daemon.statedir: unknown key; did you mean "state_dir"?',
        'systems/mail.toml:14: links.mail.contact.where: unknown name "sms_optin" (character 1);'
        ' did you mean "sms_opt_in"?',
        'contact.toml:2: entities.contact.identify[0]: no field "customer"; did you mean "customer_id"?',
    ]


def test_what_does_not_go_together_is_said_of_its_file_too(tmp_path: Path) -> None:
    file = written(tmp_path, systems__more='\n[systems.more]\nadapter = "store"\npath = "x"\n')

    [problem] = consistency(loaded(file), {})

    assert (problem.file, problem.line) == (str(tmp_path / "systems/more.toml"), 2)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (section("systems.crm"), "systems.crm: stands in systems/crm.toml:1 already"),
        (section("entities"), "entities.contact: stands in contact.toml:1 already"),
        (section("links.crm"), "links.crm.contact: stands in systems/crm.toml:4 already"),
        ("systems = 1\n", "systems: stands in systems/billing.toml:1 already"),
        ('[daemon]\nlisten = ""\n', "daemon: stands in the first file alone, config.toml"),
    ],
    ids=["a system", "an entity", "a link", "something else", "the daemon"],
)
def test_what_stands_in_two_files_is_refused_with_both_places(more: str, text: str, tmp_path: Path) -> None:
    file = written(
        tmp_path, config=HEAD.replace("contact.toml", "contact.toml', 'more.toml").replace('"', "'"), more=more
    )

    assert said(file) == [f"more.toml:1: {text}"]


def test_links_of_one_system_may_stand_in_several_files(tmp_path: Path) -> None:
    entity = '[entities.shop]\nidentify = ["name"]\nfields = { name = { type = "text" } }\n'
    link = '[links.crm.shop]\nobject = "shops"\nkey = "id"\ndirection = "both"\nmap = { name = "name" }\n'

    config = loaded(written(tmp_path, systems__shop=entity + link))

    assert list(config.links["crm"]) == ["contact", "shop"]


NAMES = "expected the name of a file, or a pattern with * and ? and without **"


@pytest.mark.parametrize(
    ("include", "problems"),
    [
        ('["none.toml"]', ["config.toml:1: include[0]: no such file"]),
        ('["none/*.toml"]', ["config.toml:1: include[0]: no file has such a name"]),
        ('["systems"]', ["config.toml:1: include[0]: no such file"]),
        ('["**/x.toml"]', ["config.toml:1: include[0]: " + NAMES]),
        ('["a\\u0000"]', ["config.toml:1: include[0]: " + NAMES]),
        ('"contact.toml"', ["config.toml:1: include: expected a list; found text"]),
        ("[1]", ["config.toml:1: include[0]: expected a name; found a whole number"]),
        ('["config.toml"]', ["config.toml:1: include[0]: files include each other: config.toml -> config.toml"]),
    ],
)  # fmt: skip
def test_an_include_that_leads_nowhere_is_refused(include: str, problems: list[str], tmp_path: Path) -> None:
    assert said(written(tmp_path, config=f"include = {include}\n")) == problems


def test_files_that_include_each_other_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, contact='include = ["more.toml"]\n', more='include = ["contact.toml"]\n')

    circle = "files include each other: contact.toml -> more.toml -> contact.toml"
    assert said(file) == [f"more.toml:1: include[0]: {circle}"]


def test_a_circle_through_a_link_to_a_file_is_seen(tmp_path: Path) -> None:
    file = written(tmp_path, contact='include = ["alias.toml"]\n')
    (tmp_path / "alias.toml").symlink_to(file)

    assert said(file) == [
        "contact.toml:1: include[0]: files include each other: config.toml -> contact.toml -> config.toml"
    ]


def test_a_file_that_two_files_include_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, systems__mail='include = ["../contact.toml"]\n')

    assert said(file) == ["config.toml:1: include[1]: contact.toml is included in systems/mail.toml:1 already"]


def test_a_file_that_two_patterns_name_is_read_once(tmp_path: Path) -> None:
    file = written(tmp_path, config='include = [\n"contact.toml",\n"systems/crm.toml", "systems/*.toml", "c*t.toml"]\n')

    assert list(loaded(file).systems) == ["crm", "billing", "mail"]


def test_a_pattern_takes_files_alone_and_none_that_are_hidden(tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / "systems" / ".mail.toml").write_text("not = [")
    (tmp_path / "systems" / "old.toml").mkdir()

    assert list(loaded(file).systems) == ["billing", "crm", "mail"]


def test_every_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    file = written(tmp_path, systems__crm="a = [", systems__mail="b = \n")

    assert said(file) == [
        "systems/crm.toml: not TOML: Invalid value (at end of document)",
        "systems/mail.toml:1: not TOML: Invalid value",
    ]


def test_how_many_files_there_may_be_is_bounded(tmp_path: Path) -> None:
    file = written(tmp_path, **{f"systems__n{number}": "" for number in range(MOST_FILES)})

    assert f"config.toml:1: include[0]: more than {MOST_FILES} files" in said(file)


def test_how_far_files_lead_from_one_to_the_next_is_bounded(tmp_path: Path) -> None:
    chain = {f"n{number}": f'include = ["n{number + 1}.toml"]\n' for number in range(1, DEEPEST)}
    fits = {**chain, f"n{DEEPEST - 1}": FILES["contact.toml"]}
    config = HEAD.replace("contact", "n1")

    assert "contact" in loaded(written(tmp_path, config=config, **fits)).entities
    text = f"more than {DEEPEST} files that lead from one to the next"
    assert said(written(tmp_path, config=config, **chain, **{f"n{DEEPEST}": ""})) == [
        f"n{DEEPEST - 1}.toml:1: include[0]: {text}"
    ]


def test_the_state_folder_is_known_without_the_other_files(tmp_path: Path) -> None:
    file = written(tmp_path, contact="a = [")

    assert load_home(file, {}).state_dir == tmp_path / "state"


def test_the_digest_changes_with_each_file(tmp_path: Path) -> None:
    digests = {loaded(written(tmp_path, **{name: text})).digest for name, text in (
        ("config", HEAD), ("config", HEAD + "\n"), ("contact", FILES["contact.toml"] + "# more\n"),
    )}  # fmt: skip

    assert len(digests) == 3
