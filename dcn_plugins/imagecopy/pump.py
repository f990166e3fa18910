# SPDX-License-Identifier: Apache-2.0
"""Reads, writes and checks, all in one thread that never waits for one."""

import queue

from dcn_plugins.imagecopy import plan
from dcn_plugins.imagecopy import stream as streams

# How often it is looked at what does not happen.
_TICK_SECONDS = 0.1

# A target that keeps others idle for so long goes on by itself. A fifth of
# the time is no reason: it would cost a second pass over the source.
_DETACH_SECONDS = 1.0
_FORGIVEN_SHARE = 0.25


class Pump:
    """Streams of one source, and the lanes that they fill.

    :param source: what :class:`~dcn_plugins.imagecopy.stream.Stream` reads.
    :param ranges: what is read of it.
    :param memory: for all streams together.
    :param digest: of the whole source; the first stream feeds it.
    """

    def __init__(self, source, ranges, size, memory, grains, events, clock,
                 digest):
        self._source = source
        self._ranges = ranges
        self._size = size
        self._memory = memory
        self._grains = grains
        self._events = events
        self._clock = clock
        self._digest = digest
        self._idle_seconds = 0.0
        self._ticked_at = clock()
        self._left_bytes = memory.total_bytes
        self.streams = []
        self.is_paused = False
        self.detached = []

    def add(self, lanes, begin=0):
        """Begin a pass over the source for some lanes."""
        quota_bytes = self._left_bytes
        if self.streams:
            # Enough for one piece that is read and one that is written, and
            # the first stream has less from now on.
            first = self.streams[0]
            quota_bytes = max(2 * plan.PIECE_BYTES,
                              first.quota_bytes // (len(first.lanes) + 1))
            first.quota_bytes = max(2 * plan.PIECE_BYTES,
                                    first.quota_bytes - quota_bytes)
        stream = streams.Stream(
            self._source, self._ranges, self._size, lanes, self._memory,
            quota_bytes, self._grains, self._events,
            None if self.streams else self._digest, begin)
        self.streams.append(stream)
        return stream

    def step(self):
        """Do what can be done, and what has ended meanwhile; may wait a bit.
        """
        delays = [_TICK_SECONDS]
        if not self.is_paused:
            for stream in self.streams:
                if stream.error is None:
                    stream.fill()
                delays += [delay for delay in map(_push, stream.lanes)
                           if delay]
        try:
            self._handle(self._events.get(timeout=min(delays)))
            for _number in range(64):
                self._handle(self._events.get_nowait())
        except queue.Empty:
            pass
        self._leave()
        now = self._clock()
        if now - self._ticked_at >= _TICK_SECONDS:
            self._tick(now - self._ticked_at)
            self._ticked_at = now

    @staticmethod
    def _handle(event):
        function, arguments = event
        function(*arguments)

    def _leave(self):
        """Let go of lanes that have failed, and of all for which we cannot
        read.
        """
        for stream in self.streams:
            if stream.error is not None:
                for lane in stream.lanes:
                    lane.fail(stream.error)
            stream.lanes = [lane for lane in stream.lanes
                            if lane.error is None]

    def _tick(self, elapsed):
        stream = self.streams[0] if self.streams else None
        if stream is None or len(stream.lanes) < 2 or self.is_paused:
            return
        is_held_up = stream.is_starved and any(
            lane.is_idle for lane in stream.lanes)
        if is_held_up:
            self._idle_seconds += elapsed
        else:
            self._idle_seconds = max(
                0.0, self._idle_seconds - elapsed * _FORGIVEN_SHARE)
        if self._idle_seconds >= _DETACH_SECONDS:
            self._idle_seconds = 0.0
            self.detach(stream, max(
                stream.lanes, key=lambda lane: (
                    lane.waiting_bytes + lane.under_way_bytes)))

    def detach(self, stream, lane):
        """Have a lane go on with a stream of its own."""
        stream.lanes.remove(lane)
        self.detached.append(lane.name)
        self.add([lane], lane.restart())


def _push(lane):
    return lane.push()
