# SPDX-License-Identifier: Apache-2.0
"""Something that is known, since when, or why it is not. Pure.

What is not known is never shown as if all were well: an old value is not the
answer to "how is it now?".
"""

import dataclasses
import datetime

#: A fact that is older says so where its age is not asked for.
OLD_SECONDS = 120.0

_UNITS = ((86400 * 2, 86400, 'd'), (3600 * 2, 3600, 'h'), (120, 60, 'm'))


@dataclasses.dataclass(frozen=True)
class Fact:
    """A value that was true at a time, or the reason why there is none.

    :param value: anything that JSON can say; ``None`` if it is not known.
    :param at: seconds since 1970, when it was true; of one that is not known
        when anything was last heard, ``None`` if nobody tells.
    :param problem: why it is not known; empty if it is.
    :param is_asked: whether anybody was asked at all; if not, the problem
        says what to configure.
    """

    value: object = None
    at: float | None = None
    problem: str = ''
    is_asked: bool = True

    @property
    def is_known(self):
        """Whether there is a value."""
        return not self.problem

    def age_seconds(self, now):
        """Return its age; ``None`` if nobody tells."""
        # Clocks of two hosts may differ.
        return None if self.at is None else max(0.0, now - self.at)

    def text(self, now, told=str):
        """Return it for people.

        :param told: makes a text of the value.
        """
        if self.is_known:
            age = self.age_seconds(now)
            late = ('' if age is None or age <= OLD_SECONDS
                    else f' ({duration(age)} ago)')
            return f'{told(self.value)}{late}'
        if not self.is_asked:
            return '-'
        if self.at is None:
            return 'unknown'
        return (f'unknown since {moment(self.at)} '
                f'({duration(self.age_seconds(now))})')

    def for_programs(self, now):
        """Return it as a dictionary that JSON can say."""
        age = self.age_seconds(now)
        return {'value': self.value, 'is_known': self.is_known,
                'at': None if self.at is None else moment(self.at),
                'age_seconds': None if age is None else round(age, 1),
                'problem': self.problem or None}


def unasked(remedy):
    """Return the fact that nobody was asked for."""
    return Fact(problem=remedy, is_asked=False)


def oldest(facts):
    """Return when the oldest of those that are known was true, or ``None``."""
    return min((fact.at for fact in facts
                if fact.is_known and fact.at is not None), default=None)


def duration(seconds):
    """Return a length of time for people: ``45s``, ``12m``, ``3h``, ``9d``."""
    for least, unit, sign in _UNITS:
        if seconds >= least:
            return f'{seconds / unit:.0f}{sign}'
    return f'{seconds:.0f}s'


def moment(seconds):
    """Return a time as text, in UTC."""
    return datetime.datetime.fromtimestamp(
        seconds, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')


def seconds_of(text):
    """Return the seconds since 1970 of a time of Nova, Cinder or Glance.

    They are in UTC and do not all say so. ``None`` if it is none.
    """
    try:
        return datetime.datetime.fromisoformat(
            text.removesuffix('Z').partition('+')[0]).replace(
                tzinfo=datetime.timezone.utc).timestamp()
    except (AttributeError, ValueError, OverflowError):
        return None
