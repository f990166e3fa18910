# SPDX-License-Identifier: Apache-2.0
"""What is known of an image, store by store: for people and programs. Pure."""

import dataclasses
import enum

from dcn_plugins.placement import verdict


class Course(enum.Enum):
    """Where an image is on its way into a store."""

    PRESENT = 'present'
    COPYING = 'copying'
    WAITING = 'waiting'
    PAUSED = 'paused'
    FAILED = 'failed'
    CANCELLED = 'cancelled'
    LACKING = 'lacking'
    ABSENT = 'absent'
    LEAVING = 'leaving'


@dataclasses.dataclass(frozen=True)
class StoreState:
    """One image and one store.

    :param course: ``LACKING`` is wanted and has no job yet, ``ABSENT`` is
        neither there nor wanted.
    :param verdict: of the policy; ``None`` of a store that is none any more.
    :param tries: of its job; 0 without one.
    :param reason: why it is not there yet, as far as anybody has said.
    :param age_seconds: of its job; ``None`` without one.
    :param is_late: whether it is not there at its deadline.
    :param failures: how many tries have failed since it was asked for.
    :param windows: the parts of the day in which it may begin; none for all.
    :param step: what the copy is at; empty if nobody has told. So are the
        numbers: of bytes that are there and are to be there, their rate, how
        long the rest takes, and how long ago that was so.
    """

    store: str
    course: Course
    verdict: verdict.Verdict | None
    priority: int = 0
    tries: int = 0
    reason: str = ''
    age_seconds: float | None = None
    deadline: float | None = None
    is_late: bool = False
    failures: int = 0
    windows: tuple = ()
    step: str = ''
    done_bytes: int | None = None
    total_bytes: int | None = None
    bytes_per_second: float | None = None
    eta_seconds: float | None = None
    progress_age_seconds: float | None = None


def overview(placement, present, entries, now):
    """Return the :class:`StoreState` of each store, by their names.

    :param placement: :class:`~dcn_plugins.placement.verdict.Placement`.
    :param present: names of the stores that Glance lists.
    :param entries: of its jobs, :class:`~dcn_plugins.placement.jobs.Entry`.
    :param now: seconds since 1970.
    """
    listed = {entry.job.store: entry for entry in entries}
    return [_state(store, placement, present, listed.get(store), now)
            for store in sorted(placement.stores.union(present, listed))]


def _state(store, placement, present, entry, now):
    told = (placement.verdict(store) if store in placement.stores else None)
    if store in present or entry is None:
        is_wanted = store in placement.wanted
        course = (Course.PRESENT if store in present else
                  Course.LACKING if is_wanted else Course.ABSENT)
        deadline = placement.deadline if course is Course.LACKING else None
        return StoreState(store, course, told, deadline=deadline,
                          is_late=deadline is not None and deadline < now)
    job = entry.job
    return StoreState(
        store, Course.COPYING if entry.claim else Course(job.state.value),
        told, job.priority, job.tries, job.reason,
        max(0.0, now - job.registered_at), job.deadline,
        job.deadline is not None and job.deadline < now, job.failures,
        job.windows, **_told(entry.claim, now))


def with_removal(states, removal, notes):
    """Return states with what is known of copies that have to leave.

    :param states: what :func:`overview` has returned.
    :param removal: of the image,
        :class:`~dcn_plugins.placement.removal.Removal`; ``None`` if there is
        none.
    :param notes: :class:`~dcn_plugins.placement.copy_note.Note` by store: why
        a copy is there still that was to leave.
    """
    found = []
    for state in states:
        if state.course is Course.PRESENT and state.store in notes:
            note = notes[state.store]
            state = dataclasses.replace(state, tries=note.tries,
                                        reason=note.reason)
        if removal is not None and removal.store == state.store:
            state = dataclasses.replace(
                state, course=Course.LEAVING, reason=removal.reason)
        found.append(state)
    return found


def _told(claim, now):
    """Return what is known of a copy that is under way."""
    found = claim and claim.progress
    if not found:
        return {}
    return {'step': found.step, 'done_bytes': found.done_bytes,
            'total_bytes': found.total_bytes,
            'bytes_per_second': found.bytes_per_second,
            'eta_seconds': found.eta_seconds,
            'progress_age_seconds': found.age_seconds(now)}
