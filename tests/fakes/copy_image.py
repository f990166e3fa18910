# SPDX-License-Identifier: Apache-2.0
"""Sources and targets of copies in memory.

They end what they begin at once, or when they are told to.
:mod:`tests.contracts.copy_contract` holds them and Ceph to the same.
"""

import ctypes
import errno
import hashlib

from dcn_plugins import exceptions

GRAIN_BYTES, BLOCK_BYTES = 64 << 10, 4096


def sum_of(address, length):
    """Return a checksum of 64 bits of some memory."""
    return sum_of_bytes(ctypes.string_at(address, length))


def sum_of_bytes(data):
    """Return a checksum of 64 bits of some bytes."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), 'big')


class Calls:
    """What was begun and has not ended, if it does not end at once."""

    def __init__(self):
        self.is_held = False
        self._waiting = []

    def end(self, done, *found):
        if self.is_held:
            self._waiting.append((done, found))
        else:
            done(*found)

    def release(self, count=None):
        """End the first of what waits."""
        count = len(self._waiting) if count is None else count
        ended, self._waiting = self._waiting[:count], self._waiting[count:]
        for done, found in ended:
            done(*found)

    def __len__(self):
        return len(self._waiting)


class FakeSource:
    """A snapshot: some bytes, and where it says that there are any."""

    name = 'FSID/images/1@2'

    def __init__(self, data, ranges=None):
        self.data = bytearray(data)
        self.size = len(data)
        self.ranges = [(0, self.size)] if ranges is None else ranges
        self.attributes = {}
        self.calls = Calls()
        self.read_bytes = 0
        self.code = None
        self.is_there = True
        self.is_closed = False

    def extents(self):
        return self.ranges

    def read(self, offset, address, length, done):
        data = bytes(self.data[offset:offset + length])
        ctypes.memmove(address, data, len(data))
        self.read_bytes += length
        self.calls.end(done, len(data) if self.code is None else self.code)

    def error(self, code):
        return exceptions.CephRefused('reading', 'no', code)

    def is_unchanged(self):
        return self.is_there

    def attribute(self, key):
        return self.attributes.get(key)

    def set_attribute(self, key, text):
        self.attributes[key] = text

    def close(self):
        self.is_closed = True


class FakeTarget:
    """An image that is copied to, with its objects."""

    location = 'rbd://F/images/1/snap'

    def __init__(self, size, object_bytes=1 << 20):
        self.size = size
        self.object_bytes = object_bytes
        self.objects = {}
        self.attributes = {}
        self.calls = Calls()
        self.writes = []
        self.code = 0
        self.steps = []

    @property
    def data(self):
        """All of the image."""
        found = bytearray(self.size)
        for number, data in self.objects.items():
            start = number * self.object_bytes
            found[start:start + len(data)] = data
        return bytes(found[:self.size])

    def put(self, offset, data):
        """Change what there is, and count nothing."""
        while data:
            number, begin = divmod(offset, self.object_bytes)
            part = data[:self.object_bytes - begin]
            found = self.objects.setdefault(number, bytearray())
            if len(found) < begin:
                found.extend(bytes(begin - len(found)))
            found[begin:begin + len(part)] = part
            offset, data = offset + len(part), data[len(part):]

    def write(self, offset, address, length, done):
        data = ctypes.string_at(address, length)
        self.writes.append((offset, length))
        if not self.code:
            self.put(offset, data)
        self.calls.end(done, self.code)

    def zero(self, offset, length, done):
        number, begin = divmod(offset, self.object_bytes)
        found = self.objects.get(number)
        if found and begin < len(found):
            end = min(len(found), begin + length)
            found[begin:end] = bytes(end - begin)
            if begin + length == self.object_bytes:
                del found[begin:]
        if offset + length == self.size and self.size % self.object_bytes:
            tail = self.size % GRAIN_BYTES or GRAIN_BYTES
            self.put(offset + length - tail, bytes(tail))
        self.calls.end(done, self.code)

    def extend(self, number, length, done):
        found = self.objects[number]
        found.extend(bytes(length - len(found)))
        self.calls.end(done, self.code)

    def sums(self, number, length, done):
        self._tell(number, [(0, length, GRAIN_BYTES)], done)

    def fine_sums(self, number, length, done):
        self._tell(number, [(0, length, GRAIN_BYTES),
                            (0, length, BLOCK_BYTES)], done)

    def _tell(self, number, ranges, done):
        data = bytes(self.objects.get(number, b''))
        ends = [min(len(data), offset + length)
                for offset, length, _size in ranges]
        if any(offset < end < offset + length and (end - offset) % size
               for end, (offset, length, size) in zip(ends, ranges)):
            self.calls.end(done, -errno.EINVAL, [[] for _part in ranges])
            return
        self.calls.end(done, 0, [[
            sum_of_bytes(data[start:min(start + size, end)])
            for start in range(offset, end, size)]
            for end, (offset, _length, size) in zip(ends, ranges)])

    def error(self, code):
        return exceptions.CephRefused('writing', 'no', code)

    def attribute(self, key):
        return self.attributes.get(key)

    def set_attribute(self, key, text):
        self.attributes[key] = text

    def freeze(self):
        self.steps.append('freeze')

    def publish(self):
        self.steps.append('publish')

    def discard(self):
        self.steps.append('discard')

    def close(self):
        self.steps.append('close')
