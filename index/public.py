"""Keep requests to public addresses: for a server that fetches what others ask it to.

Part of load. Holds: a request goes to an address that was checked, not to a name that is looked up a second
time; a name with any address that is not public is refused, a port other than the web's too, and, before a
byte is sent, a connection of this machine with itself; redirects pass through here one by one.
Knows no article.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx

from index.errors import LoadError

Address = IPv4Address | IPv6Address
Trace = Callable[[str, Mapping[str, Any]], None]
"""httpx's extension: told of an event, such as a connection that was made."""
Resolve = Callable[[str, int], list[str]]
"""(host, port) -> its IP addresses. :raises OSError: it has none"""

MOST = 4  # addresses that are tried, in equal parts of the connection's time limit: 5 of 20 seconds
PORTS = (80, 443)  # where pages are; on others are services that trust whom they can hear
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA gives out to networks (RFC 4291, 2.4)
_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address in its last 32 bits (RFC 6052, 2.1)


class PublicOnly(httpx.BaseTransport):
    """Send requests to public addresses only, and never through a proxy.

    :param resolve: looks up a host's addresses
    :param allowed: says of an address whether it is public
    :param inner: sends the request on; None for httpx's own
    :param ports: may be asked
    """

    def __init__(
        self,
        resolve: Resolve | None = None,
        allowed: Callable[[Address], bool] | None = None,
        inner: httpx.BaseTransport | None = None,
        ports: tuple[int, ...] = PORTS,
    ) -> None:
        self._resolve = resolve or _addresses
        self._allowed = allowed or is_public
        self._ports = ports
        # Connections are kept by address: the next name at this one would get the first one's certificate.
        self._inner = inner or httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Look the host up, check what it leads to, and connect to that.

        :raises LoadError: it is not public, or this machine itself, or there is no such host: the same words,
            so that they tell nothing about the names of a private network; or the port is not allowed
        """
        host = request.url.raw_host.decode("ascii")
        refused = LoadError(f"{request.url.host[:200]} is not a public address")
        usual = 443 if request.url.scheme == "https" else 80
        port = usual if request.url.port is None else request.url.port
        try:
            found = self._resolve(host, port)
            addresses = [ip_address(address) for address in dict.fromkeys(found)]
        except (OSError, UnicodeError, ValueError):
            raise refused from None
        if not addresses or not all(self._allowed(address) for address in addresses):
            raise refused
        if port not in self._ports:
            raise LoadError(f"port {port}; only {' and '.join(map(str, self._ports))} are fetched from")
        tried = addresses[:MOST]
        *first, last = (_to(request, host, address, len(tried), refused) for address in tried)
        for attempt in first:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return self._inner.handle_request(attempt)
        return self._inner.handle_request(last)

    def close(self) -> None:
        self._inner.close()


def is_public(address: Address) -> bool:
    """Tell an address of the public internet from one of a host, a private network or a group."""
    if isinstance(address, IPv4Address):
        return address.is_global and not (address.is_multicast or address.is_reserved)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    # 6to4 and Teredo hold the IPv4 address of a host that anyone may write there.
    tunnelled = address.sixtofour is not None or address.teredo is not None
    return address in _GLOBAL_UNICAST and address.is_global and not tunnelled


def is_own(address: Address, local: str) -> bool:
    """Tell whether a connection to an address, made from ``local``, never left this machine.

    Systems give a connection to one of their own addresses that same address at both ends.
    """
    return ip_address(local.partition("%")[0]) == address


def _addresses(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _to(
    request: httpx.Request, host: str, address: Address, attempts: int, refused: LoadError
) -> httpx.Request:
    """Give a request that connects to an address, in its part of the time that there is to connect.

    Its Host header and certificate stay the name's. It raises ``refused`` if the address is this machine's.
    """
    extensions = dict(request.extensions)
    if host != str(address):
        extensions["sni_hostname"] = host
    limits = extensions.get("timeout", {})
    if limits.get("connect"):
        extensions["timeout"] = {**limits, "connect": limits["connect"] / attempts}
    extensions["trace"] = _watch(address, refused, extensions.get("trace"))
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )


def _watch(address: Address, refused: LoadError, trace: Trace | None) -> Trace:
    """Give a trace that ends a connection to this machine itself and tells ``trace`` of all others."""

    def watch(event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            stream = info["return_value"]
            if is_own(address, stream.get_extra_info("client_addr")[0]):
                stream.close()
                raise refused
        if trace:
            trace(event, info)

    return watch
