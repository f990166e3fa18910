# SPDX-License-Identifier: Apache-2.0
"""python -m dcn_plugins.imagecopy: copy one image between two clusters."""

import argparse
import json
import logging
import shutil
import sys
import time

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import progress
from dcn_plugins.imagecopy import protocol
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import service

_INTERRUPTED = 130
_LINE_SECONDS = 5.0


def parse(arguments):
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m dcn_plugins.imagecopy',
        description='Copy an RBD image and its snapshot "snap" from one Ceph '
                    'cluster to others, verify it there, and give it its name '
                    'last. What was interrupted is gone on with.',
        epilog='A place is CONF:POOL or USER@CONF:POOL; the user is admin '
               'unless given.')
    parser.add_argument('image', help='name of the image')
    parser.add_argument('source', type=place, metavar='SOURCE')
    parser.add_argument('targets', type=place, nargs='+', metavar='TARGET')
    parser.add_argument(
        '--image-id', metavar='ID',
        help='of Glance, by which partial copies are known; the name of the '
             'image unless given')
    parser.add_argument(
        '--hash', metavar='HEX', help='that the content must have')
    parser.add_argument(
        '--hash-algorithm', default='sha512', metavar='NAME',
        help='sha512 unless given')
    parser.add_argument(
        '--base', metavar='IMAGE',
        help='name of an image at the targets with much of the same content: '
             'only what differs is sent')
    parser.add_argument(
        '--object-size', type=mebibytes, default=8 << 20, metavar='MIB',
        help='of the copies, 8 unless given')
    parser.add_argument(
        '--rate', type=mebibytes, metavar='MIB',
        help='a second, to all targets together; any unless given')
    parser.add_argument('--json', action='store_true',
                        help='print progress and results as JSON, by lines')
    return parser.parse_args(arguments)


def place(text):
    """Return the place of a text.

    :raises ValueError: if it is none.
    """
    conf, _colon, pool = text.rpartition(':')
    user, _at, path = conf.rpartition('@')
    if not (path and pool):
        raise ValueError(text)
    return requests.Place(text, path, user or 'admin', pool)


def mebibytes(text):
    """Return the bytes of a number of MiB, at least one of 64."""
    found = int(float(text) * (1 << 20))
    if found < 64 << 10:
        raise ValueError(text)
    return found


class Display:
    """Shows progress: a line that changes on a terminal, else new lines.

    :param stream: to write to.
    :param is_json: whether a program reads it.
    """

    def __init__(self, stream, is_json, clock=time.monotonic):
        self._stream = stream
        self._is_json = is_json
        self._is_terminal = not is_json and stream.isatty()
        self._clock = clock
        self._shown = {}
        self._told_at = None

    def progress(self, found):
        """Show how far a target is."""
        if self._is_json:
            self._print(json.dumps({'progress': protocol.packed(found)}))
            return
        self._shown[found.store] = found
        now = self._clock()
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            text = '  '.join(map(describe, self._shown.values()))
            self._stream.write('\r' + text[:width].ljust(width))
            self._stream.flush()
        elif self._told_at is None or now - self._told_at >= _LINE_SECONDS:
            self._told_at = now
            for one in self._shown.values():
                self._print(describe(one))

    def result(self, found):
        """Show what has become of a target."""
        self._shown.pop(found.store, None)
        if self._is_json:
            self._print(json.dumps({'result': protocol.packed(found)}))
            return
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write('\r' + ' ' * width + '\r')
        if found.error:
            self._print(f'{found.store}: failed: {found.error}')
        else:
            self._print(
                f'{found.store}: {found.outcome.value} in '
                f'{found.seconds:.1f} s, {size(found.sent_bytes)} sent, '
                f'{size(found.saved_bytes)} saved: {found.location}')

    def _print(self, text):
        print(text, file=self._stream, flush=True)


def describe(found):
    """Return the progress of a target in words."""
    share = (found.done_bytes / found.total_bytes if found.total_bytes
             else 0.0)
    left = progress.seconds_left(found.done_bytes, found.total_bytes,
                                 found.bytes_per_second)
    bar = '#' * int(share * 20)
    return (f'{found.store} {found.step} [{bar:20}] {share:4.0%} '
            f'{size(found.bytes_per_second)}/s'
            + ('' if left is None else f' {left:.0f} s left'))


def size(count):
    """Return a number of bytes for people."""
    for unit in ('B', 'KiB', 'MiB'):
        if count < 1024:
            return f'{count:.0f} {unit}'
        count /= 1024
    return f'{count:.1f} GiB'


def copy(options, display):
    """Copy and return the exit code; 0 if all targets have the image."""
    if options.rate:
        service.CONTROLS.set_rates(total=options.rate)
    found = service.copy(requests.CopyRequest(
        image_id=options.image_id or options.image, name=options.image,
        sources=(options.source,), targets=tuple(options.targets),
        object_bytes=1 << (options.object_size - 1).bit_length(),
        hash_algorithm=options.hash_algorithm, hash_value=options.hash,
        base=options.base, priority=requests.Priority.USER),
        display.result, display.progress)
    return max((getattr(result.error, 'exit_code', 1)
                for result in found.values() if result.error), default=0)


def main(arguments=None, stream=sys.stdout):
    """Copy one image; return the exit code."""
    options = parse(arguments)
    logging.basicConfig(level=logging.WARNING)
    try:
        return copy(options, Display(stream, options.json))
    except exceptions.DCNError as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        print('Interrupted. What was copied stays as a partial image; the '
              'same command goes on where it ended.', file=sys.stderr)
        return _INTERRUPTED


if __name__ == '__main__':
    sys.exit(main())
