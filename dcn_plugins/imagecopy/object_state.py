# SPDX-License-Identifier: Apache-2.0
"""One object of a target while it is written, and one write to it. Pure."""

import dataclasses


class ObjectState:
    """What an object should be, what it is, and what it waits for.

    :param start: of the object in the image; ``length``: of its data.
    :param expected: checksums of its grains, as if all were zeros.
    """

    def __init__(self, number, start, length, grain_bytes, block_bytes,
                 expected, is_compared):
        self.number = number
        self.start = start
        self.length = length
        self.expected = expected
        self.is_compared = is_compared
        self.known = None
        self._known_blocks = ()
        # (start, runs, sums) of pieces that wait for what is known.
        self.parts = []
        self.writes = 0
        self.done_bytes = 0
        self.is_cut = self.is_changed = self.is_settled = False
        self.is_forgotten = False
        self._grain_bytes = grain_bytes
        self._block_bytes = block_bytes
        self._zeros = tuple(expected)
        # Up to where it was written to, if it ended before that.
        self._end = 0
        # Up to which grain there were pieces, and the gaps between them.
        self._seen = 0

    @property
    def is_unknown(self):
        """Whether it is compared, and nobody has told what there is."""
        return self.is_compared and self.known is None

    @property
    def is_written(self):
        """Whether it waits for no write, and none can come of what it has."""
        return not (self.writes or self.parts or self.is_unknown)

    def expect(self, start, sums):
        """Note the checksums of a piece of it."""
        first = (start - self.start) // self._grain_bytes
        self._skip(first)
        self.expected[first:first + len(sums)] = sums
        self._seen = first + len(sums)

    def cut(self):
        """Note that no more pieces come; the rest of it is zeros."""
        self._skip(len(self.expected))
        self.is_cut = True

    def _skip(self, grain):
        """Have what no piece is about compared, too."""
        if self.is_compared and self._seen < grain:
            self.parts.append((self._place(self._seen), [], list(
                self._zeros[self._seen:grain])))
        self._seen = grain

    def know(self, sums, blocks):
        """Note what it has; where it has nothing it has zeros.

        :param blocks: the checksum of each block of it.
        """
        self.known = list(sums) + list(self._zeros[len(sums):])
        self._known_blocks = blocks

    def difference(self, sums):
        """Return where in the image it is not as it should be, or None.

        All of it is looked at: nobody else has a business there.
        """
        found = list(sums) + list(self._zeros[len(sums):])
        if found == self.expected:
            return None
        number = next(number for number, (one, other) in enumerate(
            zip(found, self.expected)) if one != other)
        return self.start + number * self._grain_bytes

    def differences(self, start, sums):
        """Yield ``(begin, end, is_data)`` of what a piece has and it has not.

        Neighbours of one kind are one.
        """
        first = (start - self.start) // self._grain_bytes
        begin = kind = None
        for number, found in enumerate(sums, first):
            if found == self.known[number]:
                now = None
            else:
                now = found != self._zeros[number]
            if now is not kind:
                if kind is not None:
                    yield begin, self._place(number), kind
                begin, kind = self._place(number), now
        if kind is not None:
            yield begin, self._place(first + len(sums)), kind

    def changed(self, start, sums, zero_sum):
        """Yield ``(begin, end)`` of the blocks that are not what it has.

        The last one may be shorter than that.

        :param start: of the first block; ``sums``: the checksum of each.
        :param zero_sum: of a block of zeros.
        """
        first = (start - self.start) // self._block_bytes
        known = self._known_blocks
        begin = None
        for number, found in enumerate(sums, first):
            is_changed = found != (known[number] if number < len(known)
                                   else zero_sum)
            if is_changed and begin is None:
                begin = number
            elif not is_changed and begin is not None:
                yield self._block(begin), self._block(number)
                begin = None
        if begin is not None:
            yield self._block(begin), self._block(first + len(sums))

    def note_end(self, position):
        """Note up to where in the image there is a write to it."""
        if position - self.start > len(self._known_blocks) * (
                self._block_bytes):
            self._end = max(self._end, position - self.start)

    def take_extension(self):
        """Return where it has to end, or ``None`` if it ends well; once.

        One that ends within a grain has no checksum.
        """
        end, self._end = self._end, 0
        if not end % self._grain_bytes or end >= self.length:
            return None
        return min(end - end % self._grain_bytes + self._grain_bytes,
                   self.length)

    def _block(self, number):
        return self.start + number * self._block_bytes

    def _place(self, number):
        return self.start + min(number * self._grain_bytes, self.length)


@dataclasses.dataclass(frozen=True)
class Job:
    """A write to an object, or some zeros if nothing is held for it."""

    state: ObjectState
    held: object
    start: int
    end: int

    @property
    def length(self):
        return self.end - self.start

    @property
    def address(self):
        """Of the data in memory."""
        return self.held.address + self.start - self.held.start

    def split(self, length):
        """Return this as two jobs, the first one of that length."""
        self.held.keep()
        self.state.writes += 1
        middle = self.start + length
        return (dataclasses.replace(self, end=middle),
                dataclasses.replace(self, start=middle))
