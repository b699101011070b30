"""Steps: what to try next, as commands that can be copied as they are.

They edit the stores directly, as the people do to whom the stores belong: the daemon is not told.
"""

from __future__ import annotations

import sys
from pathlib import Path

PERSON = "leonekohler@surfeu.de"
"""Contact 1002 of the CRM, whom all three stores know."""

_STEPS = """\
Try it, in a second terminal{place}.

1  A customer gets another phone number in the CRM. Find it in the e-mail platform:

{python} - <<'END'
import sqlite3
crm = sqlite3.connect("var/crm.db")
crm.execute("UPDATE contacts SET phone = '+49 711 2842223' WHERE id = 1002")
crm.commit()
END
sleep 2; grep leonekohler var/mail/contacts.csv

2  She opts out of SMS in the preference centre. See who knows of it:

sed -i.bak '/leonekohler/s/"sms_ok": "in"/"sms_ok": "out"/' var/prefs/prefs.jsonl
sleep 2; {datasyncd} explain contact leonekohler@surfeu.de sms_opt_in

3  Two people change her language at the same moment, one in the CRM and one in the e-mail platform:

{python} - <<'END'
import pathlib, re, sqlite3
crm = sqlite3.connect("var/crm.db")
crm.execute("UPDATE contacts SET language = 'en' WHERE id = 1002")
mail = pathlib.Path("var/mail/contacts.csv")
mail.write_text(re.sub("(leonekohler.*,Germany),[a-z]*,", r"\\1,fr,", mail.read_text()))
crm.commit()
END
sleep 2; {datasyncd} conflicts

4  Nobody is overwritten until you choose. Take the CRM's value for the ID that `conflicts` shows:

{datasyncd} resolve ID --from crm

5  Why it is so, and how the daemon is:

{datasyncd} explain contact leonekohler@surfeu.de language
{datasyncd} status
"""


def steps(base: Path) -> str:
    """What to try, for somebody who stands in `base` (or is told to go there)."""
    place = "" if base == Path.cwd() else f" (cd {base})"
    return _STEPS.format(place=place, python=python(base), datasyncd=datasyncd(base))


def python(base: Path) -> str:
    """This interpreter, as one types it in `base`."""
    return _typed(Path(sys.executable), base)


def datasyncd(base: Path) -> str:
    """The command, as one types it in `base`."""
    command = Path(sys.executable).with_name("datasyncd")
    return _typed(command, base) if command.exists() else f"{python(base)} -m datasyncd"


def _typed(program: Path, base: Path) -> str:
    return str(program.relative_to(base)) if program.is_relative_to(base) else str(program)
