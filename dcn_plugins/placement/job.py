# SPDX-License-Identifier: Apache-2.0
"""One job: an image is to come into a store. Pure.

A job waits until it is gone, has failed or was cancelled. Nothing says that it
runs but the claim of a worker, which ends with the worker's lease; so a worker
that dies leaves a job that waits, and there is nothing to be put right.

Each function takes a job as it is and returns what it is to be: another job,
the same one if there is nothing to do, or ``None`` if it is to go. All are
good to be called twice, for whoever got no answer the first time.
"""

import dataclasses
import enum
import json

from dcn_plugins import day_part
from dcn_plugins import json_fields

#: A try costs little when a site is away, and until then it is not known that
#: it is back: so at first it is tried about once a minute, for half an hour,
#: and then every quarter of an hour, for three days.
FIRST_SECONDS, OFTEN_SECONDS, SELDOM_SECONDS = 5.0, 60.0, 900.0
OFTEN_TRIES, MOST_TRIES = 30, 320

#: Above all that a policy can say: somebody waits.
MOST_POLICY_PRIORITY, ASKED_PRIORITY = 100, 1000

_REASON_CHARACTERS = 500


class State(enum.Enum):
    """What a job is."""

    WAITING = 'waiting'
    PAUSED = 'paused'
    FAILED = 'failed'
    CANCELLED = 'cancelled'


@dataclasses.dataclass(frozen=True)
class Job:
    """An image that is to come into a store.

    Times are seconds since 1970, of the clocks of several hosts: they decide
    when something is tried, and never whether it is right.

    :param deadline: when it should be done; ``None`` for some time.
    :param due_at: not to be tried before.
    :param tries: how often it was claimed since somebody asked for it.
    :param reason: why it is not done yet, for people.
    :param claim: id of the last claim; that of a worker who has died stays.
    :param is_asked: whether a user has asked for it, so that it is wanted
        whatever the policy wants.
    :param failures: how many tries have failed since somebody asked for it.
    :param windows: parts of the day in which it may begin, as texts like
        ``22:00-06:00``; none means all day.
    """

    image_id: str
    store: str
    registered_at: float
    due_at: float
    state: State = State.WAITING
    priority: int = 0
    deadline: float | None = None
    tries: int = 0
    reason: str = ''
    claim: str | None = None
    is_asked: bool = False
    failures: int = 0
    windows: tuple = ()

    @property
    def order(self):
        """The key by which jobs are sorted: who is first, goes first."""
        return (-self.priority, self.deadline or float('inf'),
                self.registered_at, self.image_id, self.store)

    def is_due(self, now):
        """Return whether it may be claimed."""
        return self.state is State.WAITING and self.due_at <= now

    def is_open(self, now, minute):
        """Return whether it may begin at this time of the day.

        Its windows do not hold it when somebody waits for it, and when it
        should be done by now.

        :param minute: of the day, where the worker is.
        """
        if (not self.windows or self.is_asked
                or self.priority > MOST_POLICY_PRIORITY):
            return True
        if self.deadline is not None and self.deadline <= now:
            return True
        return any(day_part.DayPart.from_text(text).covers(minute)
                   for text in self.windows)


def registered(job, wanted, now):
    """Return the job for what is wanted.

    One that was cancelled, paused or given up stays so: that an image is still
    wanted is no news. A greater priority and an earlier deadline count.

    :param job: ``None`` if there is none.
    :param wanted: a fresh :class:`Job`.
    """
    if job is None:
        return wanted
    deadlines = [deadline for deadline in (job.deadline, wanted.deadline)
                 if deadline is not None]
    is_urgent = wanted.priority > job.priority
    return dataclasses.replace(
        job, priority=max(job.priority, wanted.priority),
        deadline=min(deadlines, default=None),
        is_asked=job.is_asked or wanted.is_asked,
        windows=job.windows if wanted.is_asked else wanted.windows,
        # Somebody waits for it.
        due_at=min(job.due_at, now) if is_urgent else job.due_at)


def asked(job, wanted, now):
    """Return the job of somebody who waits, whatever has become of it.

    :param wanted: a fresh :class:`Job`.
    """
    if job is not None and job.state is State.PAUSED:
        job = resumed(job, now)
    elif job is not None and job.state is not State.WAITING:
        job = redone(job, now)
    elif job is not None:
        job = dataclasses.replace(job, due_at=min(job.due_at, now))
    return registered(job, wanted, now)


def claimed(job, claim, now):
    """Return the job of a worker that is to begin it.

    The try is counted now: a job that ends each of its workers must not do so
    for ever. So it may have failed by this.

    :param claim: id of the claim.
    """
    if job is None or not job.is_due(now):
        return job
    if job.tries >= MOST_TRIES:
        return dataclasses.replace(
            job, state=State.FAILED,
            reason=job.reason or 'its workers have ended without a word')
    return dataclasses.replace(job, tries=job.tries + 1, claim=claim)


def done(job, claim):
    """Return what is left of a job whose image is in the store: nothing.

    Also if it was paused or cancelled meanwhile, which came too late then.
    """
    return job if job is None or job.claim != claim else None


def failed(job, claim, reason, now, is_final=False):
    """Return the job after a try that has failed.

    :param is_final: whether no other try can succeed.
    """
    if job is None or job.claim != claim:
        return job
    job = dataclasses.replace(job, reason=_shortened(reason),
                              failures=job.failures + 1)
    if job.state is not State.WAITING:
        return job
    if is_final or job.tries >= MOST_TRIES:
        return dataclasses.replace(job, state=State.FAILED)
    return dataclasses.replace(job, due_at=now + pause_seconds(job.tries))


def postponed(job, claim, reason, now, seconds):
    """Return the job that could not be tried, which is no failure.

    :param seconds: after which it is due again.
    """
    if job is None or job.claim != claim:
        return job
    # By the claim it is known that this has not been done before.
    return dataclasses.replace(
        job, claim=None, tries=max(0, job.tries - 1),
        reason=_shortened(reason), due_at=now + seconds)


def paused(job):
    """Return the job that nobody is to begin until it is resumed."""
    if job is None or job.state is not State.WAITING:
        return job
    return dataclasses.replace(job, state=State.PAUSED)


def resumed(job, now):
    """Return a paused job that may go on."""
    if job is None or job.state is not State.PAUSED:
        return job
    return dataclasses.replace(job, state=State.WAITING, due_at=now)


def cancelled(job):
    """Return the job that is not to be done until somebody redoes it."""
    if job is None or job.state is State.CANCELLED:
        return job
    return dataclasses.replace(job, state=State.CANCELLED)


def left(job, reason):
    """Return the job of an image that had to leave, though it is wanted.

    It does not come back before somebody redoes the job, or asks for it.
    """
    return dataclasses.replace(job, state=State.CANCELLED,
                               reason=_shortened(reason))


def redone(job, now):
    """Return the job that is begun anew, whatever has become of it."""
    if job is None or job.state is State.PAUSED:
        return job
    return dataclasses.replace(job, state=State.WAITING, due_at=now, tries=0,
                               failures=0)


def prioritised(job, priority):
    """Return the job with another priority, also a lesser one."""
    return job and dataclasses.replace(job, priority=priority)


def pause_seconds(tries):
    """Return how long a job waits after so many tries have failed."""
    if tries >= OFTEN_TRIES:
        return SELDOM_SECONDS
    # The power is bounded: a float ends at 2 ** 1024.
    return min(OFTEN_SECONDS, FIRST_SECONDS * 2 ** min(tries - 1, 10))


def text_of(job):
    """Return a job as a text for etcd."""
    return json.dumps({**dataclasses.asdict(job), 'state': job.state.value})


def job_of(text):
    """Return the :class:`Job` of a text, ``None`` if it is none.

    What a later version has added is not looked at.
    """
    try:
        values = json_fields.values_of(Job, text)
        values['state'] = State(values['state'])
        values['windows'] = tuple(values.get('windows', ()))
        job = Job(**values)
        # All that is counted or compared.
        float(job.registered_at), float(job.due_at), float(job.deadline or 0)
        int(job.priority), int(job.tries), int(job.failures)
        for text in job.windows:
            day_part.DayPart.from_text(text)
        return job
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _shortened(reason):
    return str(reason)[:_REASON_CHARACTERS]
