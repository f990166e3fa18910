# SPDX-License-Identifier: Apache-2.0
"""The rules of a placement policy. Pure.

Stores are named by a :class:`Choice`, which becomes a set of names only when
it is known which stores there are.
"""

import dataclasses
import enum

#: Words of a choice that are not the name of a store.
ALL, NONE, GROUP = 'all', 'none', 'group:'

#: Groups that every policy has.
CENTRAL, EDGE = 'central', 'edge'

#: What a rule is called that is in no file.
NO_RULE = 'no rule'


class Kind(enum.Enum):
    """What an image is; Nova notes it in the property ``image_type``."""

    BASE = 'base'
    SNAPSHOT = 'snapshot'
    BACKUP = 'backup'


#: What an eviction may have leave, whatever room there is: what no residency
#: allows, what its time at the edge is over for, and what no rule wants there.
FORBIDDEN, EXPIRED, UNWANTED = 'forbidden', 'expired', 'unwanted'
LEAVE = (FORBIDDEN, EXPIRED, UNWANTED)

#: What a quota takes, too, when nothing else is left.
WANTED = 'wanted'
QUOTA_TAKES = (UNWANTED, WANTED)

#: How long a copy stays that was used, or was seen for the first time.
UNUSED_SECONDS = 3600

VISIBILITIES = ('public', 'community', 'shared', 'private')


@dataclasses.dataclass(frozen=True)
class Choice:
    """Stores as a rule names them.

    :param names: of single stores; they need not exist.
    :param groups: names of groups.
    :param is_all: whether it is every store there is.
    """

    names: frozenset = frozenset()
    groups: frozenset = frozenset()
    is_all: bool = False


EVERYWHERE = Choice(is_all=True)
NOWHERE = Choice()


@dataclasses.dataclass(frozen=True)
class Residency:
    """Stores that the images of projects never leave.

    It looks at the owner only: what kind an image is says a property that any
    user may change.

    :param projects: ids; ``None`` for all projects.
    """

    name: str
    line: int
    projects: frozenset | None
    stores: Choice

    def is_about(self, image):
        """Return whether an image is bound."""
        return self.projects is None or image.owner in self.projects


@dataclasses.dataclass(frozen=True)
class Rule:
    """Where some images are wanted.

    :param projects: ids of owners; ``None`` for any.
    :param kinds: of images; ``None`` for any.
    :param visibilities: ``None`` for any.
    :param stores: where an image is wanted whose user asks for nothing.
    :param may_ask: where an image may be wanted at its user's request.
    :param pinned: where an image stays wanted whatever its user asks for, and
        for ever.
    :param edge_seconds: since the creation of an image, after which it is to
        leave the edge; ``None`` for never.
    :param within_seconds: since the creation of an image, within which it is
        to be where it is wanted; ``None`` for some time.
    :param priority: of its copies; those with the greatest number go first.
    :param windows: parts of the day in which its copies may begin, as texts;
        none for all day.
    """

    name: str
    line: int
    stores: Choice
    may_ask: Choice
    pinned: Choice = NOWHERE
    projects: frozenset | None = None
    kinds: frozenset | None = None
    visibilities: frozenset | None = None
    edge_seconds: int | None = None
    within_seconds: int | None = None
    priority: int = 0
    windows: tuple = ()

    def is_about(self, image):
        """Return whether an image is one of those."""
        return ((self.projects is None or image.owner in self.projects)
                and (self.kinds is None or image.kind in self.kinds)
                and (self.visibilities is None
                     or image.visibility in self.visibilities))


@dataclasses.dataclass(frozen=True)
class Eviction:
    """Which copies may be removed from some stores.

    :param leave: words of :data:`LEAVE`: what leaves whatever room there is.
    :param quota_bytes: that the copies in each store may have; ``None`` for
        any number.
    :param takes_wanted: whether the quota takes what is wanted there, too.
    :param unused_seconds: that a copy was not used for, as far as anybody
        knows, before the quota takes it or it leaves as unwanted.
    """

    name: str
    line: int
    stores: Choice
    leave: frozenset = frozenset()
    quota_bytes: int | None = None
    takes_wanted: bool = False
    unused_seconds: int = UNUSED_SECONDS


@dataclasses.dataclass(frozen=True)
class Policy:
    """All rules of a file.

    :param source: the name of the file, for people.
    :param central: names of the stores that are at no edge.
    :param groups: names of stores by the name of their group.
    :param rules: in the order in which they are asked; the last one is about
        every image.
    :param lines: where each name of a store stands first.
    :param evictions: in the order in which they are asked; without any of
        them nothing is ever removed.
    """

    source: str
    central: frozenset
    groups: dict
    residencies: tuple
    rules: tuple
    lines: dict = dataclasses.field(default_factory=dict)
    evictions: tuple = ()

    def rule_of(self, image):
        """Return the first :class:`Rule` that is about an image."""
        return next(rule for rule in self.rules if rule.is_about(image))

    def residencies_of(self, image):
        """Return each :class:`Residency` that binds an image."""
        return tuple(found for found in self.residencies
                     if found.is_about(image))

    def eviction_of(self, store, stores):
        """Return the first :class:`Eviction` of a store, or ``None``.

        :param stores: a frozenset of all names.
        """
        return next((found for found in self.evictions
                     if store in self.resolved(found.stores, stores)), None)

    def resolved(self, choice, stores):
        """Return the names of a choice that are among the stores there are.

        :param stores: a frozenset of all names.
        """
        if choice.is_all:
            return stores
        found = choice.names & stores
        for group in choice.groups:
            found |= self._group(group, stores)
        return found

    def _group(self, name, stores):
        if name == CENTRAL:
            return self.central & stores
        if name == EDGE:
            return stores - self.central
        return self.groups.get(name, frozenset()) & stores

    def has_group(self, name):
        """Return whether there is a group of that name."""
        return name in (CENTRAL, EDGE) or name in self.groups

    def strangers(self, stores):
        """Return ``[(line, name)]`` of names that are no store there is."""
        return sorted((line, name) for name, line in self.lines.items()
                      if name not in stores)
