# SPDX-License-Identifier: Apache-2.0
"""Which copies leave a store. Pure.

What stays whatever a policy says: the best copy of each image, what is pinned,
what Glance has in hand, and all that no ``evict`` of the policy is about.
"""

import dataclasses

from dcn_plugins.placement import policy as policies
from dcn_plugins.placement import size
from dcn_plugins.placement import verdict

_STATES = {verdict.State.FORBIDDEN: policies.FORBIDDEN,
           verdict.State.EXPIRED: policies.EXPIRED,
           verdict.State.ALLOWED: policies.UNWANTED}
_WHY = {verdict.State.FORBIDDEN: 'a residency forbids it there',
        verdict.State.EXPIRED: 'its time at the edge is over',
        verdict.State.ALLOWED: 'no rule wants it there'}


# There are as many as copies that may have to leave, in a large cloud.
@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """An image in a store, as far as it matters for its removal.

    :param is_kept: whether it stays whatever room there is.
    """

    image_id: str
    state: verdict.State
    size: int
    created_at: float
    is_kept: bool


@dataclasses.dataclass(frozen=True)
class Leaving:
    """A copy that has to leave.

    :param reason: for people, with the name of the rule.
    """

    image_id: str
    state: verdict.State
    reason: str

    @property
    def is_wanted(self):
        """Whether the policy wants it where it leaves."""
        return self.state is verdict.State.WANTED


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done about one store.

    :param leaving: each :class:`Leaving`, in this order.
    :param unseen: ids of images to note that they were seen now.
    :param stale: ids of images whose notes are of no use.
    :param over_bytes: that are more than its quota, and cannot leave now.
    """

    leaving: tuple
    unseen: tuple
    stale: tuple
    over_bytes: int


def keeper(placement, present):
    """Return the store whose copy is the last to leave, or ``None``.

    The one that is wanted most; at a central site, of several.

    :param placement: :class:`~dcn_plugins.placement.verdict.Placement`.
    :param present: names of the stores that Glance lists.
    """
    # What is in a store that nobody knows, nobody can read.
    known = placement.stores.intersection(present)
    return min(known, default=None, key=lambda store: (
        store not in placement.pinned, store not in placement.wanted,
        store in placement.expired, store in placement.forbidden,
        store in placement.edge, store))


def why_kept(placement, store, kept, is_busy):
    """Return why a copy stays whoever wants it to leave, or an empty text.

    :param kept: what :func:`keeper` has returned.
    :param is_busy: whether Glance has the image in hand.
    """
    if kept is None:
        return 'none of its copies is in a store that is known'
    if store == kept:
        return 'it is the last copy, or the one that is wanted most'
    if store in placement.pinned:
        return 'it is pinned there'
    return 'Glance has the image in hand' if is_busy else ''


def copy_of(placement, store, kept, size_bytes, is_busy):
    """Return the :class:`Copy` of an image that is in a store.

    :param kept: what :func:`keeper` has returned.
    :param is_busy: whether Glance has the image in hand.
    """
    return Copy(
        placement.image.id, _state(placement, store), size_bytes,
        placement.image.created_at or 0.0,
        bool(why_kept(placement, store, kept, is_busy)))


def is_movable(copy, rule):
    """Return whether a copy may leave at some time, as things are."""
    if copy.is_kept:
        return False
    if copy.state is verdict.State.WANTED:
        return rule.quota_bytes is not None and rule.takes_wanted
    return rule.quota_bytes is not None or _STATES[copy.state] in rule.leave


def plan(rule, copies, kept_bytes, notes, now):
    """Return the :class:`Plan` of a store.

    :param rule: :class:`~dcn_plugins.placement.policy.Eviction` of the store.
    :param copies: each :class:`Copy` there that is movable.
    :param kept_bytes: of all others that are there.
    :param notes: of these copies, by image id;
        :class:`~dcn_plugins.placement.copy_note.Note`.
    :param now: seconds since 1970.
    """
    copies = sorted(copies, key=lambda copy: (
        copy.state is not verdict.State.FORBIDDEN,
        copy.state is not verdict.State.EXPIRED,
        copy.state is verdict.State.WANTED,
        _used_at(notes.get(copy.image_id), now), copy.created_at,
        copy.image_id))
    free = [copy for copy in copies
            if _is_free(copy, notes.get(copy.image_id), rule, now)]
    leaving = [copy for copy in free
               if _STATES.get(copy.state) in rule.leave]
    over = (kept_bytes + sum(copy.size for copy in copies)
            - sum(copy.size for copy in leaving)
            - rule.quota_bytes) if rule.quota_bytes else 0
    reasons = {copy.image_id: _WHY[copy.state] for copy in leaving}
    for copy in free:
        if over > 0 and copy.image_id not in reasons:
            over -= copy.size
            leaving.append(copy)
            reasons[copy.image_id] = (
                f'more than {size.words(rule.quota_bytes)} are there')
    known = {copy.image_id for copy in copies}
    return Plan(
        tuple(Leaving(copy.image_id, copy.state,
                      f'{reasons[copy.image_id]} ({rule.name!r}, line '
                      f'{rule.line})') for copy in leaving),
        tuple(sorted(known - notes.keys())),
        tuple(sorted(notes.keys() - known)), max(0, over))


def _is_free(copy, note, rule, now):
    """Return whether a copy may leave now."""
    if note is not None and note.due_at > now:
        return False
    if copy.state in (verdict.State.FORBIDDEN, verdict.State.EXPIRED):
        return True
    return note is not None and note.used_at + rule.unused_seconds <= now


def _used_at(note, now):
    return now if note is None else note.used_at


def _state(placement, store):
    if store in placement.forbidden:
        return verdict.State.FORBIDDEN
    if store in placement.wanted:
        return verdict.State.WANTED
    return (verdict.State.EXPIRED if store in placement.expired
            else verdict.State.ALLOWED)
