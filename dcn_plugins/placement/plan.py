# SPDX-License-Identifier: Apache-2.0
"""Which jobs an image needs, and which no longer. Pure."""

import dataclasses

from dcn_plugins.placement import job as jobs


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done about the jobs of one image.

    :param register: jobs that are not there, or that are not urgent enough.
    :param drop: names of stores whose jobs are of no use any more.
    """

    register: tuple
    drop: tuple


def plan(placement, present, entries, now):
    """Return the :class:`Plan` of an image.

    Looking again at what is as it should be plans nothing.

    :param placement: :class:`~dcn_plugins.placement.verdict.Placement`.
    :param present: names of the stores that Glance lists.
    :param entries: of its jobs, :class:`~dcn_plugins.placement.jobs.Entry`.
    :param now: seconds since 1970.
    """
    listed = {entry.job.store: entry for entry in entries}
    register = []
    for store in sorted(placement.wanted.difference(present)):
        wanted = jobs.Job(placement.image.id, store, now, now,
                          priority=placement.priority,
                          deadline=placement.deadline,
                          windows=placement.windows)
        job = listed[store].job if store in listed else None
        if jobs.registered(job, wanted, now) != job:
            register.append(wanted)
    return Plan(tuple(register), tuple(
        store for store, entry in sorted(listed.items())
        if not _is_of_use(entry, store, placement, present)))


def _is_of_use(entry, store, placement, present):
    if store in present:
        # Whoever has claimed it is about to see that, too.
        return entry.claim is not None
    if store in placement.wanted:
        return True
    # A store that nobody knows any more may be one that is away.
    return entry.job.is_asked and store not in placement.forbidden
