"""Judges where a link may lead: its form, and the addresses of its host. Pure; resolves and opens nothing."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from runway_mcp.media.errors import RefusedLink

HTTPS_PORT: Final = 443
LONGEST_LINK: Final = 8192

_PORTS: Final = {"https": HTTPS_PORT, "http": 80}
# `is_global` of some Python versions lets these pass: protocol assignments and relays of IPv4, Teredo and its
# neighbours, 6to4 and documentation of IPv6.
_NOT_PUBLIC_4: Final = tuple(IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24"))
_NOT_PUBLIC_6: Final = tuple(IPv6Network(net) for net in ("2001::/23", "2002::/16", "3fff::/20"))
# All global unicast of today. What lies outside can carry any IPv4 address (mapped, compatible, NAT64) or is multicast.
_UNICAST_6: Final = IPv6Network("2000::/3")


@dataclass(frozen=True)
class Target:
    """A judged link, in the parts that a request needs; `path` begins with a slash and includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port


def is_public(address: str) -> bool:
    """Whether an IP address, as a resolver gives it, belongs to the public internet and to one host.

    False for what is no address, for addresses with a scope, and for every form that carries an IPv4 address in IPv6.
    """
    ip = _ip(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast and not any(ip in net for net in _NOT_PUBLIC_4)
    if ip is None or ip.scope_id is not None:
        return False
    return ip in _UNICAST_6 and ip.is_global and not any(ip in net for net in _NOT_PUBLIC_6)


def is_loopback(address: str) -> bool:
    """Whether an IP address leads to this machine: 127.0.0.0/8 or ::1."""
    ip = _ip(address)
    return ip is not None and ip.is_loopback and (isinstance(ip, IPv4Address) or ip.ipv4_mapped is None)


def may_dial(addresses: AbstractSet[str], *, loopback: bool) -> bool:
    """Whether a name with these addresses may be dialled: all of them are public, or with `loopback` all loopback."""
    judge = is_loopback if loopback else is_public
    return bool(addresses) and all(judge(address) for address in addresses)


def judged_link(link: str, *, allowed_origin: str | None = None, ports: AbstractSet[int] | None = None) -> Target:
    """The parts of a link that may be followed, as far as its form tells.

    It is https with a host, and has no login; http is taken for `allowed_origin` (`http://127.0.0.1:8000`) alone, whose
    host and port are taken in no other way. With `ports` its port is one of them. Raises `RefusedLink`.
    """
    parts = _split(link)
    target = _target(parts)
    allowed = None if allowed_origin is None else _target(_split(allowed_origin))
    if allowed is not None and target.origin == allowed.origin:
        return target
    if target.scheme != "https":
        raise RefusedLink("The link is not https.")
    if allowed is not None and (target.host, target.port) == (allowed.host, allowed.port):
        raise RefusedLink("The link leads to the stand-in by another way than its own.")
    if ports is not None and target.port not in ports:
        raise RefusedLink(f"The link leads to port {target.port}, where no films are served.")
    return target


def redirected(target: Target, location: str, *, allowed_origin: str | None, first_port: int) -> Target:
    """Where a redirect from `target` leads, judged as a link is; its port is 443 or that of the first link.

    A redirect never leads to http, except from the allowed origin to itself. Raises `RefusedLink`.
    """
    host = f"[{target.host}]" if ":" in target.host else target.host
    here = f"{target.scheme}://{host}:{target.port}{target.path}"
    try:
        link = urljoin(here, location)
    except ValueError:
        raise RefusedLink("The link redirects to what is no link.") from None
    inside = target.scheme == "http"
    judged = judged_link(link, allowed_origin=allowed_origin, ports={HTTPS_PORT, first_port})
    if judged.scheme == "http" and not inside:
        raise RefusedLink("The link redirects to plain http.")
    return judged


def _ip(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


def _split(link: str) -> SplitResult:
    # Splitting would drop line breaks and tabs silently, and others read a backslash as a slash.
    if len(link) > LONGEST_LINK or any(ord(letter) <= ord(" ") or letter in '\\<>"\x7f' for letter in link):
        raise RefusedLink("The link is malformed.")
    try:
        parts = urlsplit(link)
        _ = parts.port, parts.hostname
    except ValueError:
        raise RefusedLink("The link is malformed.") from None
    return parts


def _target(parts: SplitResult) -> Target:
    host = (parts.hostname or "").lower()
    if parts.scheme not in _PORTS or not host or not host.isascii() or "%" in host:
        raise RefusedLink("The link is no absolute link to a host.")
    if "@" in parts.netloc:
        raise RefusedLink("The link holds a login.")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    if port == 0:
        raise RefusedLink("The link is malformed.")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, port, quote((parts.path or "/") + query, safe="/?:@!$&'()*+,;=%~[]|{}^`"))
