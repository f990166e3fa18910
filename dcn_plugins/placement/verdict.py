# SPDX-License-Identifier: Apache-2.0
"""What a policy says of one image, store by store. Pure."""

import dataclasses
import enum

from dcn_plugins.placement import image as images
from dcn_plugins.placement import policy as policies


class State(enum.Enum):
    """What is to be true of an image and a store."""

    WANTED = 'wanted'
    ALLOWED = 'allowed'
    EXPIRED = 'expired'
    FORBIDDEN = 'forbidden'


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a policy says of one image and one store.

    :param rule: name of the rule that has decided.
    :param line: where that is in the file.
    :param reason: why, for people.
    :param expires_at: when the image is to leave the store, as far as it is
        known by now; ``None`` for never.
    """

    store: str
    state: State
    rule: str
    line: int
    reason: str
    is_pinned: bool = False
    expires_at: float | None = None

    def __str__(self):
        return (f'{self.store}: {self.state.value} by {self.rule!r} (line '
                f'{self.line}): {self.reason}')


@dataclasses.dataclass(frozen=True)
class Placement:
    """What a policy says of one image; every set has names of stores.

    :param rule: the :class:`~dcn_plugins.placement.policy.Rule`.
    :param bounds: pairs of a residency and the stores that it leaves.
    :param asked: what its user has asked for and may; ``None`` if that is
        nothing that counts.
    :param refused: words of the property that have no effect, shortened.
    :param expires_at: when it is to leave the edge; ``None`` for never.
    :param deadline: when it is to be where it is wanted; ``None`` for some
        time.
    """

    image: images.Image
    stores: frozenset
    rule: policies.Rule
    bounds: tuple
    wanted: frozenset
    expired: frozenset
    forbidden: frozenset
    pinned: frozenset
    edge: frozenset
    asked: frozenset | None
    refused: tuple
    expires_at: float | None
    deadline: float | None

    @property
    def priority(self):
        """That of the copies of the image."""
        return self.rule.priority

    @property
    def windows(self):
        """The parts of the day in which its copies may begin."""
        return self.rule.windows

    def verdict(self, store):
        """Return the :class:`Verdict` of a store.

        :raises KeyError: if it is none of those that there are.
        """
        if store not in self.stores:
            raise KeyError(store)
        if store in self.forbidden:
            bound = next(residency for residency, left in self.bounds
                         if store not in left)
            return Verdict(store, State.FORBIDDEN, bound.name, bound.line,
                           'images of its owner stay in other stores')
        is_pinned = store in self.pinned
        state, reason = self._state(store)
        is_leaving = store in self.edge and not is_pinned
        return Verdict(store, state, self.rule.name, self.rule.line, reason,
                       is_pinned, self.expires_at if is_leaving else None)

    def verdicts(self):
        """Return the verdicts of all stores, by their names."""
        return [self.verdict(store) for store in sorted(self.stores)]

    def _state(self, store):
        if store in self.pinned:
            return State.WANTED, 'it is pinned there'
        if store in self.expired:
            return State.EXPIRED, 'its time at the edge is over'
        if self.asked is None:
            return ((State.WANTED, 'the rule names it')
                    if store in self.wanted else
                    (State.ALLOWED, 'the rule does not name it'))
        if store in self.wanted:
            return State.WANTED, f'{images.PROPERTY} asks for it'
        return State.ALLOWED, f'{images.PROPERTY} does not ask for it'


def decide(image, policy, stores, now):
    """Return the :class:`Placement` of an image.

    The property of an image only chooses among what its rule lets users ask
    for, and a residency is above everything. A property of which no word
    counts is as none at all.

    :param image: :class:`~dcn_plugins.placement.image.Image`.
    :param policy: :class:`~dcn_plugins.placement.policy.Policy`.
    :param stores: frozenset of the names of all stores.
    :param now: seconds since 1970.
    """
    rule = policy.rule_of(image)
    bounds = tuple((found, policy.resolved(found.stores, stores))
                   for found in policy.residencies_of(image))
    allowed = stores.intersection(*(left for _residency, left in bounds))
    asked, refused = _asked(image, policy, rule, stores)
    pinned = policy.resolved(rule.pinned, stores) & allowed
    wanted = (policy.resolved(rule.stores, stores) if asked is None
              else asked) & allowed | pinned
    edge = stores - policy.central
    expires_at = _later(image, rule.edge_seconds)
    expired = ((edge & allowed) - pinned
               if expires_at is not None and expires_at <= now
               else frozenset())
    return Placement(
        image=image, stores=stores, rule=rule, bounds=bounds,
        wanted=wanted - expired, expired=expired, forbidden=stores - allowed,
        pinned=pinned, edge=edge, asked=asked, refused=refused,
        expires_at=expires_at, deadline=_later(image, rule.within_seconds))


def _later(image, seconds):
    """Return the time so long after the creation of an image, if known."""
    if seconds is None or image.created_at is None:
        return None
    return image.created_at + seconds


def _asked(image, policy, rule, stores):
    """Return ``(stores, words without effect)`` of the property."""
    text = image.asked
    if text is None:
        return None, ()
    if len(text) > images.MOST_CHARACTERS:
        return None, (f'{len(text)} characters',)
    may_ask = policy.resolved(rule.may_ask, stores)
    found, refused, counts = frozenset(), [], False
    for word in images.words(text):
        chosen = _chosen(word, policy, stores)
        # What there is and may not be asked for is a mistake to tell, too.
        if chosen is None or (chosen and not chosen & may_ask):
            refused.append(word[:100])
            continue
        counts = True
        found |= chosen & may_ask
    return (found if counts else None), tuple(refused)


def _chosen(word, policy, stores):
    """Return the stores of a word; ``None`` if it means nothing."""
    if word == policies.ALL:
        return stores
    if word == policies.NONE:
        return frozenset()
    if word.startswith(policies.GROUP):
        group = word[len(policies.GROUP):]
        if not policy.has_group(group):
            return None
        return policy.resolved(
            policies.Choice(groups=frozenset([group])), stores)
    return frozenset([word]) if word in stores else None
