# SPDX-License-Identifier: Apache-2.0
"""Whether a copy of an image has kept its promises. Pure."""

import dataclasses

from tests.chaos import checker

#: Headers, metadata and what a line sends twice by itself.
OVERHEAD = 0.05
OVERHEAD_BYTES = 4 << 20


@dataclasses.dataclass
class Copy:
    """A copy that was disturbed, and what became of it.

    :param hash_value: that the image has.
    :param data_bytes: of it that are not zero.
    :param is_deleted: whether the image was deleted meanwhile.
    :param is_lost: whether nothing is left to copy from.
    :param end: how the first attempt has ended: ``copied``, ``failed`` or,
        if it has not in time, ``stuck``.
    :param reason: that Glance gives for ``failed``.
    :param retried: how the last attempt has ended, when all was whole again.
    :param registered: hash of the content, ``None`` if it cannot be read, by
        store that Glance names.
    :param names: of what is in the pools (and their trash) in the end and has
        the image in its name, by store.
    :param sent_bytes: that went to the target over the line, in all attempts.
    :param attempts: that were interrupted.
    """

    image_id: str
    hash_value: str
    data_bytes: int
    is_deleted: bool = False
    is_lost: bool = False
    end: str = 'stuck'
    reason: str = ''
    retried: str = ''
    registered: dict = dataclasses.field(default_factory=dict)
    names: dict = dataclasses.field(default_factory=dict)
    sent_bytes: int | None = None
    attempts: int = 0


def check(copy, window_bytes):
    """Return the violations of a copy.

    :param window_bytes: that may be sent again for each interruption.
    """
    found = [text for rule in (_contents, _ends, _left_over)
             for text in rule(copy)]
    return [checker.Violation(rule, text) for rule, text in [
        *found, *_sent_again(copy, window_bytes)]]


def _contents(copy):
    for store, value in sorted(copy.registered.items()):
        if value is None:
            yield 'unreadable', f'Glance names {store}, which has no such copy'
        elif value != copy.hash_value:
            yield 'wrong content', f'{store} has {value[:16]}...'


def _ends(copy):
    if copy.end == 'stuck':
        yield 'stuck', 'the copy has neither ended nor failed'
    if copy.end == 'failed' and not copy.reason and not copy.is_deleted:
        yield 'no reason', 'the copy has failed and Glance does not say why'
    if not copy.is_deleted and not copy.is_lost and copy.retried != 'copied':
        yield 'not retryable', f'once more: {copy.retried or "not asked"}'


def _left_over(copy):
    for store, names in sorted(copy.names.items()):
        is_known = store in copy.registered and not copy.is_deleted
        for name in names:
            if not (is_known and name == copy.image_id):
                yield 'left over', f'{name} in {store}'


def _sent_again(copy, window_bytes):
    if copy.sent_bytes is None:
        return
    most = (copy.data_bytes * (1 + OVERHEAD) + OVERHEAD_BYTES
            + copy.attempts * window_bytes)
    if copy.sent_bytes > most:
        yield 'sent again', (
            f'{copy.sent_bytes >> 20} MiB for {copy.data_bytes >> 20} MiB '
            f'and {copy.attempts} interruptions')
