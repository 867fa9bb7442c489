"""Functions of internet addresses."""

from __future__ import annotations

import re
import socket
import struct
from typing import Any

from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.failures import misused
from nemeton.query.expressions.vec import Vec, constant, map_values

_IPV4 = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\Z", re.ASCII)


def parse_ipv4(text: str) -> int | None:
    """An address as a number; None for what is none."""
    found = _IPV4.match(text)
    if found is None:
        return None
    parts = [int(part) for part in found.groups()]
    return None if max(parts) > 255 else int.from_bytes(bytes(parts), "big")


def _fits(number: int) -> bool:
    return 0 <= number < 2**32


@register("ipv4_parse", 1)
def ipv4_parse(args: list[Vec], count: int) -> Vec:
    """An address as a number; a number that is one stays; null for what is none, and for doubles."""
    (arg,) = args
    if arg.type not in ("STRING", "LONG"):
        return constant(None, "LONG")

    def one(value: Any) -> int | None:
        if isinstance(value, int):
            return value if _fits(value) else None
        return None if value is None else parse_ipv4(value)

    return map_values([arg], count, "LONG", one)


@register("ipv4_stringify", 1)
def ipv4_stringify(args: list[Vec], count: int) -> Vec:
    """A number as an address; a text that is one stays; null for what is none, and for doubles."""
    (arg,) = args
    if arg.type not in ("STRING", "LONG"):
        return constant(None, "STRING")

    def one(value: Any) -> str | None:
        if isinstance(value, int):
            return socket.inet_ntoa(struct.pack(">I", value)) if _fits(value) else None
        return value if value is not None and parse_ipv4(value) is not None else None

    return map_values([arg], count, "STRING", one)


def _network(name: str, subnet: Vec, version: int) -> Any:
    import ipaddress

    text = subnet.constant() if subnet.is_constant else None
    if not isinstance(text, str):
        raise misused(name, "subnet arg must be a literal")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or network.version != version or "/" not in text:
        raise misused(name, f"subnet arg has an invalid format: {text}")
    return network


@register("ipv4_match", 2)
def ipv4_match(args: list[Vec], count: int) -> Vec:
    """Whether an address (text or number) lies in a subnet; what is none does not."""
    network = _network("ipv4_match", args[1], 4)
    first, last = int(network.network_address), int(network.broadcast_address)
    if args[0].type not in ("STRING", "LONG"):
        return constant(0, "LONG")

    def one(value: Any) -> int:
        number = parse_ipv4(value) if isinstance(value, str) else value
        return int(number is not None and first <= number <= last)

    return map_values(args[:1], count, "LONG", one)


@register("ipv6_match", 2)
def ipv6_match(args: list[Vec], count: int) -> Vec:
    """Whether an address lies in a subnet; what is none does not."""
    import ipaddress

    network = _network("ipv6_match", args[1], 6)
    if args[0].type != "STRING":
        return constant(0, "LONG")

    def one(value: Any) -> int:
        try:
            return int(value is not None and ipaddress.IPv6Address(value) in network)
        except ValueError:
            return 0

    return map_values(args[:1], count, "LONG", one)
