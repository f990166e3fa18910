# SPDX-License-Identifier: Apache-2.0
"""How far copies are, as a text for people that programs can read. Pure."""

import re

from dcn_plugins.imagecopy import request

SEPARATOR = '; '

#: How the message of a task may begin.
MARK = 'dcn_plugins: '

_MIB = 1 << 20

_PART = re.compile(
    r'(?P<store>\S+) (?:(?P<step>plan|verify|publish|waits|pump)'
    r'|\d+% (?P<done>\d+)/(?P<total>\d+) MiB (?P<rate>\d+) MB/s'
    r'(?: ETA \d+s)?)', re.ASCII)


def text_of(progress):
    """Return ``53% 540/1024 MiB 118 MB/s ETA 4s``, or only the step."""
    if progress.step != 'pump' or not progress.total_bytes:
        return progress.step
    left = max(progress.total_bytes - progress.done_bytes, 0)
    parts = [f'{100 * progress.done_bytes // progress.total_bytes}%',
             f'{progress.done_bytes // _MIB}/{progress.total_bytes // _MIB}'
             ' MiB',
             f'{progress.bytes_per_second / 1e6:.0f} MB/s']
    if progress.bytes_per_second > 0:
        parts.append(f'ETA {left / progress.bytes_per_second:.0f}s')
    return ' '.join(parts)


def progress_of(text):
    """Return what a text says of stores whose copies have not ended.

    :param text: ``STORE`` and a text of :func:`text_of`, of each store, with
        :data:`SEPARATOR` between them, behind :data:`MARK` or not. What is
        anything else is passed over.
    :returns: :class:`~dcn_plugins.imagecopy.request.Progress`, exact to MiB
        and MB/s, by store.
    """
    found = {}
    for part in text.removeprefix(MARK).split(SEPARATOR):
        match = _PART.fullmatch(part)
        if match:
            done, total, rate = (int(match[name] or 0)
                                 for name in ('done', 'total', 'rate'))
            found[match['store']] = request.Progress(
                match['store'], match['step'] or 'pump', done * _MIB,
                total * _MIB, rate * 1e6)
    return found
