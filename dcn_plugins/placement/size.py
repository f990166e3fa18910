# SPDX-License-Identifier: Apache-2.0
"""Sizes as people write them. Pure."""

import re

# As Ceph and OpenStack count: 1024 of each are one of the next.
_UNITS = {'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40}
_TEXT = re.compile(r'([0-9]{1,9}) ?([MGT])(?:iB|B)?', re.ASCII)

LARGEST_BYTES = 9999 * _UNITS['T']


def number_of_bytes(text):
    """Return the bytes of ``100M``, ``500G``, ``500 GiB`` or ``2T``.

    :raises ValueError: if it is none of these, or not between 1M and 9999T.
    """
    found = _TEXT.fullmatch(text)
    value = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < value <= LARGEST_BYTES:
        raise ValueError(f'{text!r} is no size')
    return value


def words(number):
    """Return bytes as people read them."""
    for unit, one in sorted(_UNITS.items(), key=lambda item: -item[1]):
        if abs(number) >= one:
            return f'{number / one:.1f}{unit}'
    return f'{number} bytes'
