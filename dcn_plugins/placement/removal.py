# SPDX-License-Identifier: Apache-2.0
"""One removal: an image is leaving a store. Pure.

There is one at most for an image, whatever its stores: so of several copies
never two leave at the same time. It stays until it is known that nothing is
being removed any more, whoever dies meanwhile.

Glance is asked once. If it has answered, the removal is over. If not, the
request may be under way for a while longer, and until it surely is not, no
other copy of the image leaves and none comes.
"""

import dataclasses

from dcn_plugins import json_fields

#: How long one worker has for a removal before another one takes it over. It
#: needs no clock to be right: whoever is late finds that it was taken.
WORK_SECONDS = 600.0

#: How long a request that got no answer may be under way still, counted from
#: when its store was last out of reach.
QUIET_SECONDS = 1800.0

#: How long a request of an operator is good for. A store that was away for
#: longer must not lose a copy that nobody thinks of any more.
REQUEST_SECONDS = 3600.0

_REASON_CHARACTERS = 500


@dataclasses.dataclass(frozen=True)
class Removal:
    """An image that leaves a store.

    Times are seconds since 1970.

    :param worker: whoever takes care of it; no other has this name.
    :param reason: of the policy, for people.
    :param due_at: when somebody else may take care of it.
    :param asked_at: when Glance was asked, or was last not to be asked what
        has become of it; ``None`` if there is no request under way.
    :param is_wanted: whether the policy wants the image there, so that it is
        not to come back by itself.
    :param is_requested: whether an operator wants it, and no policy: a worker
        has yet to look whether the copy may leave.
    """

    image_id: str
    store: str
    worker: str
    reason: str
    registered_at: float
    due_at: float
    asked_at: float | None = None
    is_wanted: bool = False
    is_requested: bool = False


def made(leaving, store, worker, now):
    """Return a removal that has just begun.

    :param leaving: :class:`~dcn_plugins.placement.eviction.Leaving`.
    """
    return Removal(leaving.image_id, store, worker,
                   leaving.reason[:_REASON_CHARACTERS], now,
                   now + WORK_SECONDS, is_wanted=leaving.is_wanted)


def requested(image_id, store, operator, reason, now):
    """Return a removal that any worker who has the store may take at once.

    :param operator: a name that no worker and no other operator has.
    """
    return Removal(image_id, store, operator, reason[:_REASON_CHARACTERS],
                   now, now, is_requested=True)


def is_open(removal, now):
    """Return whether a request is yet to be carried out.

    Not once Glance was asked, whatever has become of it.
    """
    return (removal.is_requested and removal.asked_at is None
            and now < removal.registered_at + REQUEST_SECONDS)


def taken(removal, worker, now):
    """Return it with another worker; ``None`` if it is not to be had yet."""
    if removal.due_at > now:
        return None
    return dataclasses.replace(removal, worker=worker,
                               due_at=now + WORK_SECONDS)


def asked(removal, now):
    """Return it as it is to be before Glance is asked."""
    return dataclasses.replace(removal, asked_at=now,
                               due_at=now + WORK_SECONDS)


def answered(removal):
    """Return it after an answer of Glance: nothing is under way."""
    return dataclasses.replace(removal, asked_at=None)


def unanswered(removal):
    """Return it after Glance has not answered."""
    return dataclasses.replace(
        removal, due_at=removal.asked_at + QUIET_SECONDS)


def unreachable(removal, now):
    """Return it when nobody can reach the store now."""
    return dataclasses.replace(removal, asked_at=now,
                               due_at=now + QUIET_SECONDS)


def is_quiet(removal, now):
    """Return whether no request can be under way any more."""
    return (removal.asked_at is None
            or removal.asked_at + QUIET_SECONDS <= now)


def text_of(removal):
    """Return a removal as a text for etcd."""
    return json_fields.text_of(removal)


def removal_of(text):
    """Return the :class:`Removal` of a text, ``None`` if it is none."""
    try:
        removal = Removal(**json_fields.values_of(Removal, text))
        float(removal.due_at), float(removal.asked_at or 0)
        return removal
    except (AttributeError, TypeError, ValueError):
        return None
