# SPDX-License-Identifier: Apache-2.0
"""One copy: from what is asked for to a result for each target."""

import functools
import logging
import queue
import threading
import time

from dcn_plugins import exceptions
from dcn_plugins import extents
from dcn_plugins.imagecopy import course as courses
from dcn_plugins.imagecopy import digest as digests
from dcn_plugins.imagecopy import grains
from dcn_plugins.imagecopy import hasher
from dcn_plugins.imagecopy import lane
from dcn_plugins.imagecopy import manifest
from dcn_plugins.imagecopy import memory
from dcn_plugins.imagecopy import places
from dcn_plugins.imagecopy import plan
from dcn_plugins.imagecopy import pump
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import throttle
from dcn_plugins.imagecopy import window

LOG = logging.getLogger(__name__)

#: Of all data that are under way to one target. With the libraries and with
#: what librbd has for a moment while it reads it stays below 160 MiB.
MEMORY_BYTES = 80 << 20
# What a further target needs for its connections, and what is left in the end.
_TARGET_BYTES = 8 << 20
_LEAST_MEMORY_BYTES = 24 << 20

# How long targets that are ready wait for the others, so that the source is
# read once for all.
_GATHER_SECONDS = 3.0
_PROGRESS_SECONDS = 1.0
# What is under way when a copy is cancelled, or has failed, has so long to
# come back. librbd sends from our memory, and says nothing of a write before
# it has let go of it: with a line that is cut that may take a quarter of an
# hour.
_DRAIN_SECONDS = 10.0
_FAILED_DRAIN_SECONDS = 30.0


def memory_for(targets):
    """Return the bytes of memory for the data to some targets."""
    return max(_LEAST_MEMORY_BYTES,
               MEMORY_BYTES - _TARGET_BYTES * (targets - 1))


class Engine:
    """Copies one image.

    :param request: a :class:`~dcn_plugins.imagecopy.request.CopyRequest`.
    :param site: opens what it names, as
        :class:`~dcn_plugins.imagecopy.places.Places`.
    :param on_result: called with the result of each target.
    :param on_progress: called with the progress of each, once a second.
    """

    def __init__(self, request, site, on_result, on_progress,
                 memory_bytes=None, clock=time.monotonic):
        self.events = queue.SimpleQueue()
        self._request = request
        self._site = site
        self._on_result = on_result
        self._on_progress = on_progress
        self._clock = clock
        self._begun_at = self._told_at = clock()
        self._memory = memory.Memory(
            memory_bytes or memory_for(len(request.targets)))
        self._grains = grains.Grains(
            places.GRAIN_BYTES, places.BLOCK_BYTES, plan.PIECE_BYTES,
            site.sum_of)
        self._total = throttle.Throttle()
        self._courses = [
            courses.Course(place, request.image_id, self.events,
                           throttle.Throttle())
            for place in request.targets]
        self._source = None
        self._source_ready = threading.Event()
        self._extents = None
        self._total_bytes = 0
        self._proof = None
        self._is_proved = False
        self._digest = None
        self._pump = None
        self._ready_at = None
        self._is_checked = None
        self._is_cancelled = threading.Event()
        self._cancelled_at = None
        self._is_paused = False
        self._keeper = None

    def run(self):
        """Copy; return when each target has its result.

        :raises CopyError: if there is nothing to copy from.
        """
        first = courses.Course(None, self._request.image_id, self.events,
                               None)
        first.place = requests.Place('source', '', '', '')
        first.work(self._read_source, self._source_opened)
        for course in self._courses:
            course.work(functools.partial(self._open, course),
                        functools.partial(self._opened, course))
        try:
            while any(course.result is None for course in self._courses):
                self._step()
                if first.error:
                    raise first.error
                for course in self._courses:
                    if course.result is None:
                        self._advance(course)
                self._tell()
        finally:
            self._is_cancelled.set()
            self._source_ready.set()

    # What blocks, in threads of their own.

    def _read_source(self):
        source = self._site.open_source()
        self._source = source
        self._source_ready.set()
        text = source.attribute(record.PROOF_KEY)
        proof = manifest.Proof.from_text(text)
        return source.extents(), proof

    def _open(self, course):
        course.client = self._site.connect(course.place)
        self._source_ready.wait()
        self._check()
        return self._site.open_target(
            course.client, course.place, self._source, self._check)

    def _check(self):
        if self._is_cancelled.is_set():
            raise exceptions.CopyInterrupted(
                self._request.image_id, 'it was cancelled')

    # What they have found.

    def _source_opened(self, found):
        self._extents, proof = found
        request = self._request
        is_proved = proof is not None and proof.is_of(
            self._source.size, request.hash_algorithm, request.hash_value)
        self._is_proved = is_proved
        self._proof = proof if is_proved else None
        self._digest = digests.Digest(
            self._source.size, self._grains, self._site.sum_of_bytes,
            None if is_proved else hasher.Hasher(
                request.hash_algorithm, self.events))

    def _opened(self, course, found):
        course.target, course.found = found
        course.step = courses.PLAN
        if self._ready_at is None:
            self._ready_at = self._clock()

    # The way of each target.

    def _step(self):
        if self._pump is None:
            self._begin()
        if self._pump is not None:
            self._pump.step()
            return
        try:
            function, arguments = self.events.get(timeout=0.1)
            function(*arguments)
        except queue.Empty:
            pass

    def _begin(self):
        """Begin to read when all targets are ready, or some have waited."""
        if self._extents is None or self._ready_at is None:
            return
        waiting = [course for course in self._courses
                   if course.step == courses.WAITS and not course.error]
        if waiting and self._clock() - self._ready_at < _GATHER_SECONDS:
            return
        ready = [course for course in self._courses
                 if course.step == courses.PLAN]
        size = self._source.size
        ranges = plan.wanted(self._extents, size, self._grains.grain_bytes)
        self._total_bytes = extents.total_bytes(ranges)
        self._pump = pump.Pump(
            self._source, ranges, size, self._memory, self._grains,
            self.events, self._clock, self._digest)
        self._pump.pause(self._is_paused)
        self._pump.add([self._lane(course) for course in ready])

    def _lane(self, course):
        course.step = courses.PUMP
        course.lane = lane.Lane(
            course.place.store, course.target, self._source.size,
            self._grains, window.Window(self._memory.total_bytes),
            (course.throttle, self._total), self.events, self._clock,
            is_compared=course.found is not places.NOTHING,
            may_write=course.found is not places.WHOLE)
        return course.lane

    def _advance(self, course):
        if course.lane is not None and course.lane.error:
            course.error = course.error or course.lane.error
        if course.error:
            self._fail(course)
        elif course.step == courses.PLAN and self._pump is not None:
            # It was late: the source is read once more, for it alone.
            self._pump.add([self._lane(course)])
        elif course.step == courses.PUMP and course.lane.is_written:
            course.step = courses.VERIFY
            if course.found is places.WHOLE:
                course.is_frozen = True
            else:
                course.work(course.target.freeze,
                            functools.partial(self._frozen, course))
        elif course.step == courses.VERIFY and course.is_frozen and (
                course.lane.is_verified and self._digest.is_known):
            self._judge(course)

    @staticmethod
    def _frozen(course, _found):
        course.is_frozen = True

    def _judge(self, course):
        """Publish a target, if the source was what it should be."""
        if self._is_checked is None:
            self._is_checked = self._verdict()
        if self._is_checked:
            course.error = self._is_checked
            return
        course.step = courses.PUBLISH
        course.work(functools.partial(self._publish, course),
                    functools.partial(self._published, course))

    def _verdict(self):
        """Return the error of the source, or what is false if it has none."""
        request, digest = self._request, self._digest
        if self._is_proved:
            offset = self._proof.difference(digest.digests)
            if offset is not None:
                return exceptions.VerifyFailed(
                    self._source.name, offset, 'the source is not what it '
                    'was when its hash was verified')
            return False
        if request.hash_value not in (None, digest.value):
            return exceptions.VerifyFailed(
                self._source.name, None,
                f'its {request.hash_algorithm} is {digest.value} and should '
                f'be {request.hash_value}')
        self._proof = manifest.Proof(
            self._source.size, request.hash_algorithm, digest.value,
            digest.digests)
        return False

    def _publish(self, course):
        if not self._source.is_unchanged():
            raise exceptions.SourceChanged(
                self._request.image_id, self._source.name)
        if course.found is places.WHOLE:
            return
        course.target.set_attribute(record.PROOF_KEY, self._proof.to_text())
        course.target.publish()

    def _published(self, course, _found):
        self._keep_proof()
        outcome = (requests.Outcome.PRESENT if course.found is places.WHOLE
                   else requests.Outcome.COPIED)
        course.end(outcome, self._clock() - self._begun_at,
                   self._source.size, self._proof.value)
        self._finish(course)

    def _keep_proof(self):
        """Have later copies spare the hash, if we may write to the source."""
        if self._is_proved:
            return
        self._is_proved = True

        def keep():
            try:
                self._source.set_attribute(
                    record.PROOF_KEY, self._proof.to_text())
            except exceptions.CephError as exc:
                LOG.info('The hash is computed again next time: %s', exc)

        self._keeper = threading.Thread(target=keep, name='dcn-proof',
                                        daemon=True)
        self._keeper.start()

    def _fail(self, course):
        """End a target that has an error, once nothing is under way."""
        if course.failed_at is None:
            course.failed_at = self._clock()
        if course.lane is not None:
            course.lane.fail(course.error)
        if course.is_working or self._is_draining(course):
            return
        if self._is_to_be_explained(course):
            course.is_explained = True
            course.work(functools.partial(
                self._site.explained, course.client, course.error),
                functools.partial(self._explained, course))
            return
        if self._is_of_no_use(course.error) and course.target and (
                course.found is not places.WHOLE) and (
                    course.step != courses.WAITS):
            course.step = courses.WAITS
            course.work(course.target.discard, None)
            return
        outcome = (requests.Outcome.CANCELLED if self._is_cancelled.is_set()
                   else requests.Outcome.FAILED)
        course.end(outcome, self._clock() - self._begun_at)
        self._finish(course)

    @staticmethod
    def _is_to_be_explained(course):
        return course.client is not None and not course.is_explained and (
            isinstance(course.error, exceptions.ClusterUnreachable))

    @staticmethod
    def _explained(course, error):
        course.error = error

    def _is_draining(self, course):
        if course.lane is None or not course.lane.under_way_bytes:
            return False
        if self._is_cancelled.is_set():
            return self._clock() - self._cancelled_at < _DRAIN_SECONDS
        return self._clock() - course.failed_at < _FAILED_DRAIN_SECONDS

    def _is_of_no_use(self, error):
        """Whether what was copied would never become what was asked for."""
        return error is self._is_checked or isinstance(
            error, exceptions.SourceChanged)

    def _finish(self, course):
        self._on_result(course.result)

        def close():
            if course.target:
                course.target.close()

        course.work(close, None)

    # What is told, and what others order; the latter by way of the events.

    def _tell(self):
        now = self._clock()
        if now - self._told_at < _PROGRESS_SECONDS:
            return
        self._told_at = now
        for course in self._courses:
            if course.result is None:
                done = course.lane.done_bytes if course.lane else 0
                self._on_progress(requests.Progress(
                    course.place.store, course.step, done,
                    self._total_bytes, course.rate.note(now, done)))

    def pause(self, is_paused):
        """Stop to read and write, or go on."""
        self._is_paused = is_paused
        if self._pump is not None:
            self._pump.pause(is_paused)

    def set_rates(self, total, stores):
        """Change bytes a second; of a store that is not named, to any."""
        now = self._clock()
        self._total.set_rate(now, total)
        for course in self._courses:
            course.throttle.set_rate(now, stores.get(course.place.store))

    def cancel(self):
        """End all that has not ended; what is there is gone on with later."""
        self._cancelled_at = self._clock()
        self._is_cancelled.set()
        for course in self._courses:
            if course.result is None and course.step != courses.PUBLISH:
                course.error = course.error or exceptions.CopyInterrupted(
                    self._request.image_id, 'it was cancelled')

    def discard(self, store):
        """Remove the image of a target that nobody wants after all."""
        for course in self._courses:
            if course.place.store == store and course.target:
                course.work(course.target.discard, None)

    def settle(self, seconds):
        """Wait for what still runs."""
        end = self._clock() + seconds
        while self._clock() < end and any(
                course.is_working for course in self._courses):
            try:
                function, arguments = self.events.get(timeout=0.05)
                function(*arguments)
            except queue.Empty:
                continue

        if self._keeper is not None:
            self._keeper.join(max(0.0, end - self._clock()))

    def close(self):
        """Close the source; raises CephError."""
        if self._source is not None:
            self._source.close()
        self._source = None
