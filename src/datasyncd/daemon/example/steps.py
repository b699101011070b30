"""Steps: what to try next, as commands that can be copied as they are.

They edit the stores directly, as the people do to whom the stores belong: the daemon is not told.
"""

from __future__ import annotations

import os
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
sleep 1; grep leonekohler var/mail/contacts.csv

2  She opts out of SMS in the preference centre. See who knows of it:

sed -i.bak '/leonekohler/s/"sms_ok": "in"/"sms_ok": "out"/' var/prefs/prefs.jsonl
sleep 1; {datasyncd} explain contact leonekohler@surfeu.de sms_opt_in

3  Two people change her language at the same moment, one in the CRM and one in the e-mail platform:

{python} - <<'END'
import pathlib, re, sqlite3
crm = sqlite3.connect("var/crm.db")
crm.execute("UPDATE contacts SET language = 'en' WHERE id = 1002")
mail = pathlib.Path("var/mail/contacts.csv")
mail.write_text(re.sub("(leonekohler.*,Germany),[a-z]*,", r"\\1,fr,", mail.read_text()))
crm.commit()
END
sleep 1; {datasyncd} conflicts

4  Nobody is overwritten until you choose. Take the CRM's value for the ID that `conflicts` shows:

{datasyncd} resolve ID --from crm

5  Why it is so, and how the daemon is:

{datasyncd} explain contact leonekohler@surfeu.de language
{datasyncd} status
"""


def steps(base: Path) -> str:
    """What to try, for somebody who stands in `base` (or is told to go there)."""
    folder = Path(sys.executable).parent
    here = Path(os.getcwd())
    place = "" if base == here else f" (cd {base})"
    python = _shown(folder / Path(sys.executable).name, base)
    command = folder / "datasyncd"
    datasyncd = _shown(command, base) if command.exists() else f"{python} -m datasyncd"
    return _STEPS.format(place=place, python=python, datasyncd=datasyncd)


def _shown(program: Path, base: Path) -> str:
    """A program as one types it in `base`."""
    return str(program.relative_to(base)) if program.is_relative_to(base) else str(program)
