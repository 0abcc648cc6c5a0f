"""Checks of useapi.net and of what it shows of the account, made of what was read."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from runway_mcp.doctor.environment import EXTRA
from runway_mcp.doctor.finding import Finding, failure, ok, warning
from runway_mcp.doctor.reading import MOST_ACCOUNTS, Outcome, Readings
from runway_mcp.runway.errors import (
    AccountBroken,
    NotFound,
    RunwayError,
    SubscriptionLapsed,
    Unauthorized,
)
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import Credits
from runway_mcp.runway.running_tasks import LinkedAccount
from runway_mcp.settings import Settings
from runway_mcp.tasks.catalogue import MODELS
from runway_mcp.tasks.lineage import is_continuable, judge

LEAST_CREDITS: Final = min(model.credits_per_second * min(model.seconds) for model in MODELS.values())
"""What the cheapest extension costs."""

CLOCK_SECONDS: Final = 30.0
"""How far this machine's clock may be from upstream's."""

_NETWORK: Final = "check the network and the proxy settings of this machine, and USEAPI_URL"
_LINKING: Final = "https://useapi.net/docs/start-here/setup-runwayml"
_NAMED: Final = 3


def upstream_findings(settings: Settings, readings: Readings, *, now: float, has_media: bool) -> tuple[Finding, ...]:
    """One finding for each check; `now` is this machine's time in Unix seconds, `has_media` tells of the extra."""
    api = check_api(settings.url, readings)
    without = _without(settings, readings)
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("access", lambda: check_access(readings.accounts)),
        ("accounts", lambda: check_accounts(readings.accounts, settings.email)),
        ("credits", lambda: check_credits(readings)),
        ("slots", lambda: check_slots(readings)),
        ("clips", lambda: check_clips(readings, has_media=has_media)),
    )
    asked = [check() if without is None else warning(name, f"not checked: {without}") for name, check in checks]
    return (api, *asked, check_clock(readings.time, now))


def _without(settings: Settings, readings: Readings) -> str | None:
    """Why nothing can be told of the account; None if upstream answered."""
    if settings.token is None:
        return "there is no token"
    answered = not isinstance(readings.accounts, RunwayError) or readings.accounts.status is not None
    if readings.unresolved or readings.accounts is None or not answered:
        return "the API gave no answer"
    return None


def check_api(url: str, readings: Readings) -> Finding:
    """Whether useapi.net answers at all."""
    answer = readings.accounts
    if readings.unresolved:
        return failure("api", readings.unresolved, _NETWORK)
    if answer is None:
        return failure("api", f"{url} gave no answer in time", _NETWORK)
    if isinstance(answer, RunwayError) and answer.status is None:
        return failure("api", answer.message.rstrip("."), _NETWORK)
    if isinstance(answer, RunwayError) and answer.status is not None and answer.status >= 500:  # noqa: PLR2004  5xx
        if isinstance(answer, AccountBroken):
            return ok("api", f"{url} answers")
        return failure("api", f"{url} answers with HTTP {answer.status}", "try again later; the fault is not here")
    return ok("api", f"{url} answers")


def check_access(accounts: Outcome[tuple[LinkedAccount, ...]]) -> Finding:
    """Whether the token is accepted, and its subscription is paid."""
    if isinstance(accounts, Unauthorized):
        return failure("access", "useapi.net refuses the token", "use the whole token, from user: to its end")
    if isinstance(accounts, SubscriptionLapsed):
        return failure("access", "the useapi.net subscription is missing or has expired", "renew it at useapi.net")
    if isinstance(accounts, RunwayError) and not isinstance(accounts, NotFound | AccountBroken):
        return warning("access", f"not told: {accounts.message.rstrip('.')}", "try again later")
    return ok("access", "useapi.net accepts the token")


def check_accounts(accounts: Outcome[tuple[LinkedAccount, ...]], email: str | None) -> Finding:
    """Which Runway accounts are linked, by their e-mails alone, and which of them is meant."""
    if isinstance(accounts, NotFound) or accounts == ():
        return failure("accounts", "no Runway account is linked", f"link one: {_LINKING}")
    if not isinstance(accounts, tuple):
        return warning("accounts", "not told")
    names = [account.email for account in accounts]
    broken = [account.email for account in accounts if account.is_broken]
    if email is not None and email not in names:
        told = f"USEAPI_EMAIL names {email}, and linked are {_listed(names)}"
        return failure("accounts", told, "correct USEAPI_EMAIL, or link that account")
    if broken:
        return failure("accounts", f"useapi.net cannot use {_listed(broken)}", f"link it again: {_LINKING}")
    if len(names) > 1 and email is None:
        told = f"{len(names)} are linked: {_listed(names)}"
        return warning("accounts", told, "set USEAPI_EMAIL to the one whose clips are meant")
    return ok("accounts", f"linked: {_listed(names)}")


def check_credits(readings: Readings) -> Finding:
    """How many credits the plans have left."""
    read, accounts = readings.credits, readings.accounts
    if not read or not isinstance(accounts, tuple):
        return warning("credits", "not told")
    left = {email: each.remaining if isinstance(each, Credits) else None for email, each in read.items()}
    told = "; ".join(f"{email} {'unknown' if each is None else f'{each:,}'}" for email, each in left.items())
    told += f"; {len(accounts) - len(left)} more accounts" if len(accounts) > MOST_ACCOUNTS else ""
    if all(each is None for each in left.values()):
        return warning("credits", told, "look at Runway; prices are told without the balance")
    if all(each is not None and each < LEAST_CREDITS for each in left.values()):
        cheapest = f"{told}, and the cheapest extension costs {LEAST_CREDITS}"
        return warning("credits", cheapest, "add credits, or use exploreMode on an Unlimited plan")
    return ok("credits", told)


def check_slots(readings: Readings) -> Finding:
    """How many of the tasks that may run at once do run."""
    running, accounts = readings.running, readings.accounts
    if not isinstance(running, tuple) or not isinstance(accounts, tuple):
        return warning("slots", "not told")
    used = Counter(task.email or account_of(task.task_id) for task in running)
    shown = accounts[:MOST_ACCOUNTS]
    told = "; ".join(
        f"{each.email} {used[each.email]} of {'unknown' if each.max_jobs is None else each.max_jobs} in use"
        for each in shown
    )
    if all(each.max_jobs is not None and used[each.email] >= each.max_jobs for each in shown):
        return warning("slots", told, "wait for a task to end; until then submits wait for a slot")
    return ok("slots", told)


def check_clips(readings: Readings, *, has_media: bool) -> Finding:
    """How many of the newest videos can be extended natively, and how many continued from their last frame.

    Continuing needs the extra `media`.
    """
    videos, tasks = readings.videos, readings.tasks
    if not isinstance(videos, tuple) or not isinstance(tasks, tuple):
        return warning("clips", "not told")
    makers = {task.task_id: task for task in tasks}
    verdicts = Counter(
        judge(video, maker := makers.get(video.task_id or ""), read_failed=maker is None).extendable for video in videos
    )
    if not videos:
        return ok("clips", "the account has no video yet")
    told = f"of the newest {len(videos)} videos {verdicts['yes']} can be extended natively"
    told += f", of {verdicts['unknown']} it shows when they are named" if verdicts["unknown"] else ""
    others = sum(map(is_continuable, videos)) - verdicts["yes"] - verdicts["unknown"]
    if others and not has_media:
        return warning("clips", f"{told}; {others} more could be continued with the extra media", EXTRA)
    return ok("clips", told + (f", {others} more continued with a current model" if others else ""))


def check_clock(upstream: float | None, now: float) -> Finding:
    """How far this machine's clock is from upstream's, which is told to a second."""
    if upstream is None:
        return warning("clock", "not checked: upstream told no time")
    ahead = now - upstream
    told = f"this machine is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} useapi.net"
    if abs(ahead) > CLOCK_SECONDS:
        return warning("clock", told, "set this machine's clock, by NTP")
    return ok("clock", told)


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
