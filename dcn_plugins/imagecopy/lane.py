# SPDX-License-Identifier: Apache-2.0
"""One target of a copy: what it is sent, and how that is verified.

All of it runs in one thread. A target begins what it is told and puts
``(function, arguments)`` into the queue of events when it has ended.
"""

import collections
import errno

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import object_state

# Checksums are asked for so many objects at a time: a round trip each.
_MOST_QUESTIONS = 64

# More than a call to a cluster may take, see Cluster: it ends then, but with
# a line that is cut librbd may keep the end of a write to itself.
STALL_SECONDS = 75.0
# Who stood still himself for so long has heard nothing for that reason.
_ABSENT_SECONDS = 5.0


class Lane:
    """A target, with what is under way to it.

    It is given the pieces of the source in their order. A target that has
    something already, from a base or from a copy that was interrupted, tells
    the checksums of each object first, and is sent the blocks that differ.

    :param name: of the store.
    :param target: has ``object_bytes``, and ``write``, ``zero``, ``sums``,
        ``fine_sums`` and ``extend``, each of which takes what to call at its
        end.
    :param grains: a :class:`~dcn_plugins.imagecopy.grains.Grains`.
    :param is_compared: whether there may be something else than zeros.
    :param may_write: whether a difference is written, or is an error.
    :param events: queue for the thread that copies.
    :param clock: seconds that never go back.
    """

    def __init__(self, name, target, size, grains, window, throttles, events,
                 clock, is_compared=False, may_write=True):
        self.name = name
        self.target = target
        self._size = size
        self._grains = grains
        self.window = window
        self._throttles = throttles
        self._events = events
        self._clock = clock
        self._compared_below = -(-size // target.object_bytes) * is_compared
        self._may_write = may_write
        self.error = None
        self.is_paused = False
        self.sent_bytes = self.saved_bytes = self.done_bytes = 0
        self.under_way_bytes = self.waiting_bytes = 0
        self._heard_at = self._looked_at = clock()
        self._jobs = collections.deque()
        self._questions = collections.deque()
        self._holes = collections.deque()
        self._asked = 0
        self._objects = {}
        self._current = None
        self._next = 0
        self._is_complete = False

    @property
    def is_compared(self):
        """Whether what comes next is compared with what there is."""
        return self._next < self._compared_below

    @property
    def is_idle(self):
        """Whether it could be sent more."""
        return not self._jobs and (
            self.under_way_bytes <= self.window.size_bytes // 2)

    @property
    def is_written(self):
        """Whether all has been written, and nothing remains but to verify."""
        return self._is_complete and not (
            self.under_way_bytes or self._holes) and all(
                state.is_written for state in self._objects.values())

    @property
    def is_verified(self):
        """Whether all is as it is at the source."""
        return self._is_complete and not (
            self._objects or self._holes or self.error)

    def take(self, start, length, runs, sums):
        """Take a piece of the source.

        :param runs: each ``Held`` with data; it is kept as long as needed.
        :param sums: the checksum of each grain.
        """
        number = start // self.target.object_bytes
        if self._current is None or self._current.number != number:
            self._begin(number)
        self._current.expect(start, sums)
        self.done_bytes += length - sum(run.length for run in runs)
        if self._current.is_compared:
            for run in runs:
                run.keep()
            self._current.parts.append((start, runs, sums))
            self._compare(self._current)
        else:
            for run in runs:
                self.done_bytes += run.lead
                self._add(self._current, run, run.start + run.lead, run.end)
        self.push()

    def complete(self):
        """Note that the last piece has been taken."""
        self._begin(-(-self._size // self.target.object_bytes))
        self._current = None
        self._is_complete = True
        self.push()

    def push(self):
        """Send as much as the link holds; return the seconds to wait."""
        if self.error is None and self._is_stalled():
            self.fail(exceptions.ClusterUnreachable(
                f'writing to {self.name}', 'no OSD has answered for '
                f'{STALL_SECONDS:g} s'))
        if self.error or self.is_paused:
            return 0.0
        while self._asked < _MOST_QUESTIONS:
            state = self._next_question()
            if state is None:
                break
            self._ask(state)
        while self._jobs:
            length = self._jobs[0].length
            if self.under_way_bytes and (
                    self.under_way_bytes + length > self.window.size_bytes):
                break
            now = self._clock()
            delay = max((throttle.delay(now)
                         for throttle in self._throttles), default=0.0)
            if delay:
                return delay
            self._send(now)
        return 0.0

    def _is_stalled(self):
        now = self._clock()
        if now - self._looked_at > _ABSENT_SECONDS:
            self._heard_at = now
        self._looked_at = now
        return self.under_way_bytes > 0 and (
            now - self._heard_at > STALL_SECONDS)

    def restart(self):
        """Forget what was not sent yet; return from where it is needed again.

        For a target that is too slow for the others: it goes on with a reader
        of its own. What it has of these objects by then is compared, so that
        nothing is sent twice.
        """
        dropped = {job.state.number for job in self._jobs} | {
            state.number for state in self._objects.values() if state.parts}
        if self._current is not None:
            dropped.add(self._current.number)
        number = min(dropped, default=self._next)
        self._drop_jobs()
        for state in [state for state in self._objects.values()
                      if state.number >= number]:
            self._forget(state)
        self._compared_below = max(self._compared_below, self._next)
        self._holes = collections.deque(
            (begin, min(end, number)) for begin, end in self._holes
            if begin < number)
        self._current = None
        self._next = number
        return number * self.target.object_bytes

    def fail(self, error):
        """Note the first error and let go of everything."""
        if self.error is None:
            self.error = error
        self._drop_jobs()
        for state in list(self._objects.values()):
            self._forget(state)

    def _begin(self, number):
        """Begin with an object; all that lies before it has been seen."""
        if self._current is not None:
            self._current.cut()
            self._compare(self._current)
            self._settle(self._current)
        # What is a hole at the source may be something here.
        end = min(number, self._compared_below)
        if self._next < end:
            self._holes.append((self._next, end))
        self._next = number + 1
        if number * self.target.object_bytes >= self._size:
            return
        self._current = self._state(number, number < self._compared_below)
        self._objects[number] = self._current
        if self._current.is_compared:
            self._questions.append(self._current)

    def _next_question(self):
        """Return the object that is to be asked for next, or ``None``."""
        if self._questions:
            return self._questions.popleft()
        if not self._holes:
            return None
        number, end = self._holes.popleft()
        if number + 1 < end:
            self._holes.appendleft((number + 1, end))
        state = self._state(number, is_compared=True)
        state.cut()
        self._objects[number] = state
        return state

    def _state(self, number, is_compared):
        length = min(self.target.object_bytes,
                     self._size - number * self.target.object_bytes)
        return object_state.ObjectState(
            number, number * self.target.object_bytes, length,
            self._grains.grain_bytes, self._grains.block_bytes,
            self._grains.zero_sums(length), is_compared)

    def _ask(self, state):
        self._asked += 1

        def told(code, sums):
            self._events.put((self._answered, (state, code, sums)))

        if state.is_unknown:
            self._try(lambda: self.target.fine_sums(
                state.number, state.length, told))
        else:
            self._try(lambda: self.target.sums(
                state.number, state.length, told))

    def _answered(self, state, code, sums):
        self._asked -= 1
        if state.is_forgotten or self.error:
            return
        is_first = state.is_unknown
        if code == -errno.EINVAL and is_first and self._may_write:
            self._clear(state)
            return
        if code < 0:
            self.fail(self.target.error(code))
            return
        if is_first:
            state.know(*sums)
            self._compare(state)
        else:
            offset = state.difference(*sums)
            if offset is not None:
                self.fail(exceptions.VerifyFailed(self.name, offset))
                return
            del self._objects[state.number]
        self.push()

    def _clear(self, state):
        """Empty an object that was not made by us and has no checksum."""
        self._asked += 1

        def ended(code):
            self._events.put((self._answered, (state, code, [[], []])))

        self._try(lambda: self.target.zero(state.start, state.length, ended))

    def _compare(self, state):
        if state.is_unknown or state.is_forgotten:
            return
        parts, state.parts = state.parts, []
        for start, runs, sums in parts:
            written = zeroed = 0
            for begin, end, is_data in state.differences(start, sums):
                if not self._may_write:
                    self.fail(exceptions.VerifyFailed(self.name, begin))
                    return
                if not is_data:
                    self._add(state, None, begin, end)
                    zeroed += end - begin
                for run in runs if is_data else ():
                    written += self._renew(state, run, max(run.start, begin),
                                           min(run.end, end))
            data_bytes = sum(run.length for run in runs)
            self.saved_bytes += data_bytes - written
            self.done_bytes += data_bytes - written
            for run in runs:
                run.release()
        self._settle(state)

    def _renew(self, state, run, start, end):
        """Write the blocks of a run that differ; return how many bytes."""
        if start >= end:
            return 0
        written = 0
        sums = self._grains.block_sums(
            run.address + start - run.start, end - start)
        for first, last in state.changed(
                start, sums, self._grains.zero_block_sum):
            last = min(last, end)
            self._add(state, run, first, last)
            state.note_end(last)
            written += last - first
        return written

    def _add(self, state, held, start, end):
        if held:
            held.keep()
        state.writes += 1
        self.waiting_bytes += end - start if held else 0
        self._jobs.append(object_state.Job(state, held, start, end))

    def _send(self, now):
        job = self._jobs.popleft()
        most = min((throttle.part_bytes for throttle in self._throttles
                    if throttle.part_bytes), default=job.length)
        if job.held and job.length > most:
            job, rest = job.split(most)
            self._jobs.appendleft(rest)
        if not self.under_way_bytes:
            self._heard_at = now
        self.under_way_bytes += job.length
        if job.held:
            self.waiting_bytes -= job.length
            for throttle in self._throttles:
                throttle.spend(job.length)

        def ended(code):
            self._events.put((self._written, (job, now, code)))

        if job.held:
            self._try(lambda: self.target.write(
                job.start, job.address, job.length, ended), job)
        else:
            self._try(lambda: self.target.zero(
                job.start, job.length, ended), job)

    def _try(self, begin, job=None):
        try:
            begin()
        except exceptions.DCNError as exc:
            if job:
                self._leave(job)
            self.fail(exc)

    def _leave(self, job):
        self.under_way_bytes -= job.length
        if job.held:
            job.held.release()

    def _written(self, job, begun_at, code):
        self._heard_at = self._clock()
        self._leave(job)
        if code < 0:
            self.fail(self.target.error(code))
            return
        if job.held:
            self.sent_bytes += job.length
            now = self._clock()
            self.window.acknowledge(now, job.length, now - begun_at)
        job.state.is_changed = True
        job.state.writes -= 1
        if job.held and not job.state.is_forgotten:
            self.done_bytes += job.length
            job.state.done_bytes += job.length
        self._settle(job.state)
        self.push()

    def _settle(self, state):
        """See whether an object is as it should be."""
        if state.is_forgotten or not state.is_cut or not state.is_written or (
                state.is_settled):
            return
        length = state.take_extension()
        if length is not None:
            self._extend(state, length)
            return
        state.is_settled = True
        if state.is_changed:
            self._questions.append(state)
            self.push()
        else:
            del self._objects[state.number]

    def _extend(self, state, length):
        state.writes += 1

        def ended(code):
            self._events.put((self._extended, (state, code)))

        self._try(lambda: self.target.extend(state.number, length, ended))

    def _extended(self, state, code):
        state.writes -= 1
        if code < 0:
            self.fail(self.target.error(code))
            return
        self._settle(state)

    def _drop_jobs(self):
        for job in self._jobs:
            job.state.writes -= 1
            if job.held:
                job.held.release()
        self._jobs.clear()
        self.waiting_bytes = 0

    def _forget(self, state):
        state.is_forgotten = True
        self.done_bytes -= state.done_bytes
        for _start, runs, _sums in state.parts:
            for run in runs:
                run.release()
        state.parts = []
        self._objects.pop(state.number, None)
        if state in self._questions:
            self._questions.remove(state)
