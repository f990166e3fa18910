# SPDX-License-Identifier: Apache-2.0
"""One pass over the source for those targets that keep up with one another."""

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import held
from dcn_plugins.imagecopy import plan

# librbd has what it reads twice for a moment.
_MOST_READ_BYTES = 16 << 20


class Stream:
    """Reads pieces ahead and hands them, in their order, to some lanes.

    :param source: has ``read``, which takes what to call at its end.
    :param ranges: what is read of it; ``size`` of the image.
    :param memory: an :class:`~dcn_plugins.imagecopy.memory.Memory`.
    :param quota_bytes: of the memory, for this stream, at least; it may be
        raised.
    :param grains: a :class:`~dcn_plugins.imagecopy.grains.Grains`.
    :param digest: gets all pieces, too; ``None`` if there is none.
    :param events: queue for the thread that copies.
    :param begin: what lies before it was read by another stream.
    """

    def __init__(self, source, ranges, size, lanes, memory, quota_bytes,
                 grains, events, digest=None, begin=0):
        self.lanes = list(lanes)
        self.quota_bytes = quota_bytes
        self.is_ended = False
        self.is_paused = False
        self.error = None
        self._source = source
        self._size = size
        self._memory = memory
        self._grains = grains
        self._events = events
        self._digest = digest
        self._pieces = plan.pieces(ranges, plan.piece_bytes(
            quota_bytes, min((lane.target.object_bytes for lane in lanes),
                             default=plan.PIECE_BYTES)), begin)
        self._piece = next(self._pieces, None)
        self._reading = {}
        self._reading_bytes = 0
        self._held_bytes = 0
        self._begun = 0
        self._delivered = 0

    @property
    def is_starved(self):
        """Whether it can read no more as somebody holds what was read."""
        return self._piece is not None and not self._reading and (
            not self._has_room())

    @property
    def is_needed(self):
        """Whether anybody waits for what it reads."""
        return bool(self.lanes or self._digest)

    @property
    def is_active(self):
        """Whether it needs memory, now or later."""
        return self._held_bytes > 0 or (
            self.is_needed and self.error is None and not self.is_ended)

    def fill(self):
        """Read as far ahead as the memory allows; end when all is read."""
        while self._piece is not None and not self.is_paused and (
                self._has_room()):
            start, end = self._piece
            address = self._memory.take(end - start)
            if address is None:
                break
            self._piece = next(self._pieces, None)
            self._read(start, end - start, address)
        if self._piece is None and self._begun == self._delivered and (
                not self.is_ended):
            self._end()

    def _has_room(self):
        length = self._piece[1] - self._piece[0]
        return self._held_bytes + length <= self.quota_bytes and (
            self._reading_bytes + length <= _MOST_READ_BYTES)

    def _read(self, start, length, address):
        number = self._begun
        self._begun += 1
        self._held_bytes += length
        self._reading_bytes += length
        self._reading[number] = None

        def ended(code):
            self._events.put(
                (self._read_ended, (number, start, length, address, code)))

        try:
            self._source.read(start, address, length, ended)
        except exceptions.DCNError as exc:
            self.error = self.error or exc

    def _read_ended(self, number, start, length, address, code):
        if code != length and self.error is None:
            self.error = self._source.error(code)
        self._reading_bytes -= length
        self._reading[number] = (start, length, address)
        # In their order: hashes are made so, and what comes after an object
        # says that it is complete.
        while self._reading.get(self._delivered):
            piece = self._reading.pop(self._delivered)
            self._delivered += 1
            if self.error is None:
                self._deliver(*piece)
        self.fill()

    def _deliver(self, start, length, address):
        runs, sums = self._grains.scan(address, length)
        found = [self._hold(start + first, last - first, lead,
                            address + first) for first, last, lead in runs]
        position = 0
        for first, last, _lead in [*runs, (length, length, 0)]:
            self._give_back(address + position, first - position)
            position = last
        for lane in list(self.lanes):
            lane.take(start, length, found, sums)
        if self._digest:
            self._digest.add(start, found, sums)
        for run in found:
            run.release()

    def _hold(self, start, length, lead, address):
        return held.Held(start, length, lead, address,
                         lambda: self._give_back(address, length))

    def _give_back(self, address, length):
        if length:
            self._memory.give_back(address, length)
            self._held_bytes -= length

    def _end(self):
        self.is_ended = True
        for lane in self.lanes:
            lane.complete()
        if self._digest:
            self._digest.close()
