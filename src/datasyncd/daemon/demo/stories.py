"""Stories: an order that brings its product's context, an opt-out that counts on its channel everywhere, and a win-back
that waits for the support. Each is about customers of its own, so that it can be played alone.
"""

from __future__ import annotations

from .stage import Person, Stage
from .tour import Act, Script, Watched, at

NORA = Person("Nora", "nora@example.com", "+12025550101")
BEN = Person("Ben", "ben@example.com", "+12025550102")
IVY = Person("Ivy", "ivy@example.com", "+12025550103")
SAM = Person("Sam", "sam@example.com", "+12025550104")


def order() -> Script:
    return Script(
        "An order brings its product's context to the e-mail platform",
        [
            Act(
                "Nora orders a hand grinder in the shop. The e-mail platform has never heard of her order.",
                lambda stage: stage.orders(NORA, "MILL-40", "2026-03-14 09:26:00"),
                [
                    at("shop", NORA, "last_product", "Hand grinder 40"),
                    at("mail", NORA, "LastProduct", "Hand grinder 40"),
                    at("mail", NORA, "LastCategory", "grinder"),
                    at("mail", NORA, "LastOrder", "2026-03-14T09:26:00Z"),
                    at("mail", NORA, "Template", "onboarding-grinder"),
                ],
            ),
            Act(
                "She orders beans as well: the next letter is about these.",
                lambda stage: stage.orders(NORA, "BEAN-250", "2026-03-20 18:05:00"),
                [
                    at("mail", NORA, "LastProduct", "House blend, 250 g"),
                    at("mail", NORA, "LastOrder", "2026-03-20T18:05:00Z"),
                    at("mail", NORA, "Template", "onboarding-beans"),
                ],
            ),
        ],
    )


def opt_out() -> Script:
    def both_at_once(stage: Stage) -> None:
        stage.edits("prefs", IVY, sms_ok="in")
        stage.edits("sms", IVY, Subscribed="no")

    return Script(
        "An opt-out of SMS counts everywhere, and e-mail goes on",
        [
            Act(
                "Ben answers an SMS with STOP. Only the SMS platform knows.",
                lambda stage: stage.edits("sms", BEN, Subscribed="no"),
                [
                    at("sms", BEN, "Subscribed", "no"),
                    at("prefs", BEN, "sms_ok", "out"),
                    at("mail", BEN, "SMS", "N"),
                    at("shop", BEN, "sms_ok", "0"),
                    at("prefs", BEN, "email_ok", "in"),
                    at("mail", BEN, "Newsletter", "Y"),
                    at("shop", BEN, "email_ok", "1"),
                ],
            ),
            Act(
                "Ivy says STOP as well, while somebody ticks SMS for her in the preference centre. "
                "Neither knows of the other.",
                both_at_once,
                [
                    at("sms", IVY, "Subscribed", "no"),
                    at("prefs", IVY, "sms_ok", "out"),
                    at("mail", IVY, "SMS", "N"),
                    at("shop", IVY, "sms_ok", "0"),
                    at("mail", IVY, "Newsletter", "Y"),
                    Watched("conflicts", "sms_opt_in", _settled, "in from prefs, out from sms: out"),
                ],
            ),
        ],
    )


def win_back() -> Script:
    def leaves_angry(stage: Stage) -> None:
        stage.edits("desk", SAM, open_tickets=2)
        stage.edits("billing", SAM, status="cancelled")

    return Script(
        "A win-back waits for the support",
        [
            Act(
                "Sam opens two tickets with the support, and cancels his subscription with billing.",
                leaves_angry,
                [
                    at("billing", SAM, "status", "cancelled"),
                    at("desk", SAM, "open_tickets", "2"),
                    at("mail", SAM, "Campaign", "service first"),
                ],
            ),
            Act(
                "The support closes one ticket. One is still open.",
                lambda stage: stage.edits("desk", SAM, open_tickets=1),
                [at("desk", SAM, "open_tickets", "1"), at("mail", SAM, "Campaign", "service first")],
            ),
            Act(
                "The support closes the other one. Now he may be asked to come back.",
                lambda stage: stage.edits("desk", SAM, open_tickets=0),
                [at("desk", SAM, "open_tickets", "0"), at("mail", SAM, "Campaign", "win back")],
            ),
        ],
    )


def _settled(stage: Stage) -> str | None:
    """What the report says about Ivy; None: there is none."""
    for report in stage.runs("conflicts", "list", "--all"):
        if report["key"] == IVY.email and report["field"] == "sms_opt_in":
            said = sorted(f"{each['value']} from {each['system']}" for each in report["candidates"])
            return f"{', '.join(said)}: {report['chosen']}"
    return None


STORIES = (order, opt_out, win_back)
"""In the order in which they are played."""
