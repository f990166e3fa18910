# SPDX-License-Identifier: Apache-2.0
"""Reads, writes and checks, all in one thread that never waits for one."""

import queue

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
        self._lanes = []
        self.streams = []
        self._is_paused = False
        self.detached = []

    def add(self, lanes, begin=0):
        """Begin a pass over the source for some lanes."""
        self._lanes += [lane for lane in lanes if lane not in self._lanes]
        stream = streams.Stream(
            self._source, self._ranges, self._size, lanes, self._memory,
            self._share_bytes, self._grains, self._events,
            None if self.streams else self._digest, begin)
        self.streams.append(stream)
        self._share()
        self.pause(self._is_paused)
        return stream

    def pause(self, is_paused):
        """Begin nothing more, or go on; what is under way ends."""
        self._is_paused = is_paused
        # Each goes on by itself, too, when something has ended.
        for part in (*self.streams, *self._lanes):
            part.is_paused = is_paused

    @property
    def _share_bytes(self):
        """What one stream may hold that is not the first.

        However many targets answer nothing, the others have some memory left:
        a target may have a share that has been read for it alone, and what
        is left of an equal part of all under way.
        """
        return self._memory.total_bytes // (2 * len(self._lanes) + 1)

    def _share(self):
        """Divide the memory among the streams, and among those they feed."""
        active = [stream for stream in self.streams if stream.is_active]
        share_bytes = self._share_bytes
        for stream in active:
            stream.quota_bytes = (
                self._memory.total_bytes - share_bytes * (len(active) - 1)
                if stream is active[0] else share_bytes)
        going = [lane for lane in self._lanes
                 if not (lane.error or lane.is_verified)]
        count = len(going)
        for lane in going:
            lane.window.limit(
                self._memory.total_bytes // count - share_bytes if count > 1
                else self._memory.total_bytes)

    def step(self, wait_seconds=_TICK_SECONDS):
        """Do what can be done, and what has ended meanwhile.

        :param wait_seconds: how long it may wait for something to do.
        """
        delays = [wait_seconds]
        if not self._is_paused:
            for stream in self.streams:
                if stream.error is None and stream.is_needed:
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
        """Let go of lanes that have failed, or that we cannot read for."""
        for stream in self.streams:
            if stream.error is not None:
                for lane in stream.lanes:
                    lane.fail(stream.error)
            stream.lanes = [lane for lane in stream.lanes
                            if lane.error is None]

    def _tick(self, elapsed):
        self._share()
        stream = self.streams[0] if self.streams else None
        if stream is None or len(stream.lanes) < 2 or self._is_paused:
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
