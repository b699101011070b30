"""Match key: the form of a value by which two records are found to be the same thing.

Only for comparing: what a person sees and a system gets is the canonical value.
"""

from __future__ import annotations

import unicodedata

from datasyncd.reconcile.rules import Value


def match_text(type: str, value: Value) -> str:
    """The match key of a canonical value that is not blank.

    E-mail addresses compare without case, local part included: RFC 5321 lets a host tell them apart, and none
    that has customers does. Texts compare without case, outer blanks and compatibility forms (Unicode
    standard, 3.13 and annex 15).
    """
    match type:
        case "email":
            return unicodedata.normalize("NFC", str(value)).casefold()
        case "text":
            folded = unicodedata.normalize("NFKC", str(value)).casefold().strip()
            # Folding can bring back what normalising removes.
            return unicodedata.normalize("NFKC", folded)
    return str(value)
