# SPDX-License-Identifier: Apache-2.0
"""Compare the content of an image with the hash that it should have.

Where a proof is kept with the image, as with each copy of ours, the OSDs tell
the checksums of all grains, and these are folded as they were when the hash
was known: nothing is read over the network but eight bytes for 64 KiB. That
finds whatever has broken. It does not withstand somebody who makes collisions
of xxHash on purpose; the hash of all bytes does. Nothing is called different
before its bytes have been hashed.
"""

import contextlib
import hashlib
import queue
import time

from dcn_plugins.ceph import checksums
from dcn_plugins.ceph import copy_source
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import digest as digests
from dcn_plugins.imagecopy import grains
from dcn_plugins.imagecopy import hasher
from dcn_plugins.imagecopy import manifest
from dcn_plugins.imagecopy import memory
from dcn_plugins.imagecopy import places
from dcn_plugins.imagecopy import plan
from dcn_plugins.imagecopy import pump
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import stored_image

_MEMORY_BYTES = 32 << 20
# Of objects whose checksums are asked for at a time.
_UNDER_WAY = 32
# More than a call may take, see Cluster.
_ANSWER_SECONDS = 120.0


def compare(client, pool, found, algorithm, value, is_read=False):
    """Return the :class:`~stored_image.Content` of an image.

    :param client: a :class:`~dcn_plugins.ceph.cluster.Cluster`.
    :param found: :class:`~stored_image.StoredImage`; without its snapshot
        the image itself is read, which somebody may be writing.
    :param algorithm: of the hash, a name of hashlib; ``value``: that it
        should have, hexadecimal.
    :param is_read: hash all bytes, also where there is a proof.
    :raises CephError: if it cannot be read, or is another one by the end.
    """
    if algorithm not in hashlib.algorithms_available or not value:
        return stored_image.Content(None, 'Glance has no hash of it that we '
                                    'can compute')
    source = copy_source.CopySource(
        client, pool, found.name,
        requests.SNAPSHOT if found.snapshot else None)
    try:
        seen = _compared(source, found.proof, algorithm, value, is_read)
        # What is read of a snapshot that was removed may be zeros.
        if not source.is_unchanged():
            raise exceptions.CephRefused(
                f'reading {source.name}', 'it was removed meanwhile')
        return seen
    finally:
        source.close()


def _compared(source, proof, algorithm, value, is_read):
    offset = None
    if not is_read and source.is_summable and proof is not None and (
            proof.is_of(source.size, algorithm, value)):
        found = summed(source)
        if found is not None:
            offset = proof.difference(found)
            if offset is None:
                return stored_image.Content(True, stored_image.CHECKSUMS)
    try:
        hashed = _hashed(source, algorithm)
    except exceptions.VerifyFailed as exc:
        return stored_image.Content(False, exc.reason, exc.offset)
    return stored_image.Content(
        hashed == value, stored_image.HASH,
        offset if hashed != value else None)


def summed(source):
    """Return the digests of an image by what the OSDs say; see manifest.

    :returns: ``None`` if they do not say it, for instance of an object that
        ends within a grain.
    :raises CephError: if one does not answer.
    """
    grain = checksums.GRAIN_BYTES
    tail = source.size % grain
    kept = manifest.Manifest(
        source.size, grain, checksums.of_bytes(bytes(grain)),
        checksums.of_bytes)
    with contextlib.closing(_in_order(source)) as answers:
        for number, found in answers:
            if found is None:
                return None
            kept.add(number * source.object_bytes, found)
    return kept.close(checksums.of_bytes(bytes(tail)) if tail else None)


def _in_order(source):
    """Yield the number of each object and its checksums, or ``None``."""
    count = -(-source.size // source.object_bytes)
    answers = queue.SimpleQueue()
    asked, heard, waiting = 0, 0, {}
    try:
        for number in range(count):
            while asked < min(count, number + _UNDER_WAY):
                source.sums(asked, lambda code, sums, asked=asked: answers.put(
                    (asked, code, sums)))
                asked += 1
            while number not in waiting:
                answered, code, sums = _answer(answers)
                heard += 1
                if code < 0 and isinstance(source.error(code),
                                           exceptions.ClusterUnreachable):
                    raise source.error(code)
                waiting[answered] = None if code < 0 else sums[0]
            yield number, waiting.pop(number)
    finally:
        # librados ends the process that lets go of what it is asked for.
        for _number in range(asked - heard):
            _answer(answers)


def _answer(answers):
    try:
        return answers.get(timeout=_ANSWER_SECONDS)
    except queue.Empty:
        raise exceptions.ClusterUnreachable(
            'asking for checksums',
            f'no OSD has answered for {_ANSWER_SECONDS:g} s') from None


def _hashed(source, algorithm):
    """Return the hash of all bytes; raises CephError, VerifyFailed."""
    events = queue.SimpleQueue()
    held = memory.Memory(_MEMORY_BYTES)
    looked = grains.Grains(checksums.GRAIN_BYTES, checksums.BLOCK_BYTES,
                           plan.PIECE_BYTES, places.Places.sum_of)
    ranges = plan.wanted(source.extents(), source.size,
                         checksums.GRAIN_BYTES)
    digest = digests.Digest(source.size, looked, checksums.of_bytes,
                            hasher.Hasher(algorithm, events))
    reading = pump.Pump(source, ranges, source.size, held, looked, events,
                        time.monotonic, digest)
    stream = reading.add([])
    try:
        while not digest.is_known:
            reading.step()
            if stream.error is not None:
                raise stream.error
        return digest.value
    except BaseException:
        digest.drop()
        # It waits for what is under way, which needs the memory.
        source.close()
        raise
