# SPDX-License-Identifier: Apache-2.0
"""Since when nobody seems to have worked on an object. Pure.

It is stuck if for some time its state and its last change have been the same,
and at no look in that time anybody has had or queued for one of its locks, nor
has a lock that was lost left a record to be settled.

That is not all. A message also waits in a process all of whose threads are
busy, and then nobody has a claim yet. If as many objects are worked on as one
process has threads, nothing is held against an object that no process has
taken over.
"""

import collections
import dataclasses

from dcn_plugins.cinder import stuck_states

#: Some work is done under no lock, above all the download of an image. It is
#: given so many times the usual time.
SLOW_FACTOR = 30

#: How often a deletion is repeated. It may be refused each time: a volume
#: that is attached, for instance, stays "deleting".
MOST_REPETITIONS = 3


@dataclasses.dataclass
class _Suspicion:
    fingerprint: frozenset
    since: float
    repetitions: int = 0
    is_around: bool = False


class Suspects:
    """Remember since when nobody seems to have worked on objects.

    A look is :meth:`look`, then :meth:`claimed` for those of the returned
    units that somebody has a claim to, then :meth:`due`. All times are those
    of one clock that never goes back.

    :param quiet_seconds: how long an object stays as it is before it counts
        as stuck, and how long a pause between looks may be.
    :param most_at_work: how many operations a process works on at a time.
    """

    def __init__(self, quiet_seconds, most_at_work):
        self._quiet_seconds = quiet_seconds
        self._most_at_work = most_at_work
        self._units = {}
        self._suspicions = {}
        self._busy = set()
        self._last = None

    def forget(self):
        """Begin anew: for some time nothing was known."""
        self._suspicions = {}
        self._last = None

    def look(self, all_found, now):
        """Take what is found now; return the units to ask claims about.

        Lists of Found by unit. What was not here at the last look, or has
        changed since, is not among them.

        :param all_found: each has a remedy.
        """
        if self._last is None or now - self._last > self._quiet_seconds:
            self._suspicions = {}
        self._last = now
        self._units = collections.defaultdict(list)
        for found in all_found:
            self._units[found.unit or found.id].append(found)
        self._busy = {found.id for found in all_found if _is_slow(found)
                      and found.worker == stuck_states.ALIVE}
        known, self._suspicions = self._suspicions, {}
        for unit, members in self._units.items():
            fingerprint = frozenset(member.fingerprint for member in members)
            suspicion = known.get(unit)
            if suspicion is None or suspicion.fingerprint != fingerprint:
                suspicion = _Suspicion(fingerprint, now)
            suspicion.is_around = False
            self._suspicions[unit] = suspicion
        return {unit: self._units[unit]
                for unit, suspicion in self._suspicions.items()
                if suspicion.since < now}

    def claimed(self, unit, is_own=True):
        """Note that somebody has a claim to a unit, or to what is around."""
        self._busy.update(found.id for found in self._units[unit])
        if is_own:
            self._suspicions[unit].since = self._last
        else:
            self._suspicions[unit].is_around = True

    def due(self):
        """Return by unit the pairs of what is stuck and its Remedy."""
        is_crowded = len(self._busy) >= self._most_at_work
        all_due = {}
        for unit, suspicion in self._suspicions.items():
            members = self._units[unit]
            if is_crowded and not all(found.is_begun for found in members):
                # A process may have more messages than threads, and what
                # seems to be left alone waits for one of these.
                suspicion.since = self._last
            is_slow = suspicion.is_around or any(map(_is_slow, members))
            patience = self._quiet_seconds * (SLOW_FACTOR if is_slow else 1)
            if self._last - suspicion.since < patience:
                continue
            choose = stuck_states.remedy
            if suspicion.repetitions >= MOST_REPETITIONS:
                choose = stuck_states.last_remedy
            all_due[unit] = [(found, choose(found)) for found in members]
        return all_due

    def repeated(self, unit):
        """Note that messages have been sent once more for a unit."""
        suspicion = self._suspicions[unit]
        suspicion.repetitions += 1
        suspicion.since = self._last


def _is_slow(found):
    return stuck_states.remedy(found).is_slow
