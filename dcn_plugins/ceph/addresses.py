# SPDX-License-Identifier: Apache-2.0
"""Addresses of RADOS clients as entries of Ceph's blocklist. Pure.

An entry ``ADDRESS:PORT/NONCE`` names one client instance. With the nonce 0 it
names every client of the host, guests too, and Ceph takes that from any user
who may add entries at all. So nothing is guessed here: what is not provably
one instance is an error.
"""

import ipaddress
import re

_BROADCAST = ipaddress.IPv4Address('255.255.255.255')
_MOST_PORT = 0xffff
# Ceph reads a nonce with atoi: one more than this would be taken for 0.
_MOST_NONCE = 0xffffffff

# No number may begin with 0, and [0-9] is less than \d: Ceph writes plain
# numbers, and reads others in ways of its own.
_NUMBER = r'0|[1-9][0-9]{0,9}'

# What get_addrs() says since Ceph 16: one address, or several in brackets.
# The type is that of the protocol. The blocklist does not know it; monitors
# take it off.
_ADDRESS = re.compile(
    r'(?:(?:v1|v2|any):)?'
    r'(?:(?P<v4>[0-9.]+)|\[(?P<v6>[0-9A-Fa-f:.]+)\])'
    rf':(?P<port>{_NUMBER})/(?P<nonce>{_NUMBER})')


def parsed(text):
    """Return the blocklist entries for what ``Rados.get_addrs()`` says.

    :param text: like ``127.0.0.1:0/123``, ``v2:[::1]:0/123`` or
        ``[v2:10.0.0.1:0/123,v1:10.0.0.1:0/123]``.
    :returns: a tuple of ``ADDRESS:PORT/NONCE``, each once.
    :raises ValueError: for whatever is not a list of single instances: nonce
        0 or none, no port, an address of many, a range, an empty list.
    """
    if not isinstance(text, str):
        raise ValueError(f'{text!r} is not a text')
    entries = [_entry(part, text) for part in _unwrapped(text).split(',')]
    return tuple(dict.fromkeys(entries))


def _unwrapped(text):
    # A single IPv6 address begins with a bracket, too, but does not end so.
    if text.startswith('[') and text.endswith(']'):
        return text[1:-1]
    return text


def _entry(part, text):
    found = _ADDRESS.fullmatch(part)
    if found is None:
        raise ValueError(
            f'{text!r} is not a list of client instances ADDRESS:PORT/NONCE')
    port, nonce = int(found['port']), int(found['nonce'])
    if port > _MOST_PORT:
        raise ValueError(f'{text!r}: there is no port {port}')
    if not 0 < nonce <= _MOST_NONCE:
        raise ValueError(
            f'{text!r}: the nonce {nonce} does not name one client, but all '
            'of its host')
    return f'{_host(found, text)}:{port}/{nonce}'


def _host(found, text):
    if found['v4']:
        return str(_one_host(ipaddress.IPv4Address(found['v4']), text))
    host = _one_host(ipaddress.IPv6Address(found['v6']), text)
    if host.ipv4_mapped is None:
        return f'[{host.compressed}]'
    _one_host(host.ipv4_mapped, text)
    # Ceph cannot read an address that ends like one of IPv4.
    return f'[{host.exploded}]'


def _one_host(host, text):
    if host.is_unspecified or host.is_multicast or host == _BROADCAST:
        raise ValueError(f'{text!r}: {host} is not the address of one host')
    return host
