"""Check of the entries that hosts on this machine have for this program."""

from collections.abc import Iterable
from typing import Final

from runway_mcp.doctor.finding import Finding, ok, warning
from runway_mcp.install.host_status import Standing

_INSTALL: Final = "useapi-runway-mcp install HOST"


def check_hosts(found: Iterable[Standing]) -> Finding:
    """Whether some host has an entry of this program, and each that has one starts this program as it is."""
    hosts = list(found)
    troubles = [each for each in hosts if each.trouble]
    ready = [each.host.title for each in hosts if each.name and not each.trouble]
    if troubles:
        told = "; ".join(f"{each.host.title}: {each.trouble}" for each in troubles)
        return warning("hosts", told, f"correct that entry, or write it anew: {_INSTALL}")
    if ready:
        return ok("hosts", f"{', '.join(ready)} {'has' if len(ready) == 1 else 'have'} an entry for this program")
    if hosts:
        without = ", ".join(each.host.title for each in hosts)
        return warning("hosts", f"of {without} none has an entry for this program", _INSTALL)
    return ok("hosts", "no host that is known was found on this machine")
