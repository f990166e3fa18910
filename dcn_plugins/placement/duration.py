# SPDX-License-Identifier: Apache-2.0
"""Lengths of time as people write them. Pure."""

import re

_UNITS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}
# Of ASCII: int() would take the digits of any script.
_TEXT = re.compile(r'([0-9]{1,9}) ?([smhdw])', re.ASCII)

LONGEST_SECONDS = 10 * 366 * 86400


def seconds(text):
    """Return the seconds of ``90s``, ``15m``, ``1h``, ``30d`` or ``2w``.

    :raises ValueError: if it is none of these, or not between one second and
        ten years.
    """
    found = _TEXT.fullmatch(text)
    value = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < value <= LONGEST_SECONDS:
        raise ValueError(f'{text!r} is no length of time')
    return value
