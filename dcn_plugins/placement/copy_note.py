# SPDX-License-Identifier: Apache-2.0
"""What is remembered of one copy that may have to leave. Pure.

Nobody tells when a copy is used: a server is cloned from it by Ceph, and
Glance hears nothing. So a note begins with the moment in which the copy was
first seen, and is moved on by whatever shows that it is in use.
"""

import dataclasses
import json

from dcn_plugins import json_fields

#: A copy that Glance did not remove is tried again after these, at last.
FIRST_SECONDS, SELDOM_SECONDS = 300.0, 86400.0

_REASON_CHARACTERS = 500


@dataclasses.dataclass(frozen=True)
class Note:
    """What is known of an image in a store.

    Times are seconds since 1970.

    :param used_at: the last time that anybody is known to have used it; at
        first when it was first seen.
    :param due_at: not to be removed before.
    :param tries: how often Glance has not removed it.
    :param reason: why it is there still, for people.
    """

    used_at: float
    due_at: float = 0.0
    tries: int = 0
    reason: str = ''


def kept(note, reason, now, is_used=False):
    """Return the note of a copy that could not be removed.

    :param note: ``None`` if there is none.
    :param is_used: whether that is because somebody uses it.
    """
    note = note or Note(now)
    seconds = min(SELDOM_SECONDS, FIRST_SECONDS * 2 ** min(note.tries, 10))
    return dataclasses.replace(
        note, used_at=now if is_used else note.used_at, due_at=now + seconds,
        tries=note.tries + 1, reason=str(reason)[:_REASON_CHARACTERS])


def used(note, now):
    """Return the note of a copy that was used; never one of the past."""
    return (Note(now) if note is None else dataclasses.replace(
        note, used_at=max(now, note.used_at)))


def text_of(note):
    """Return a note as a text for etcd."""
    return json_fields.text_of(note)


def note_of(text):
    """Return the :class:`Note` of a text, ``None`` if it is none."""
    try:
        values = json.loads(text)
        return Note(float(values['used_at']), float(values['due_at']),
                    int(values['tries']), str(values['reason']))
    except (KeyError, TypeError, ValueError):
        return None
