# SPDX-License-Identifier: Apache-2.0
"""``dcn-scrub`` in a process of its own, for what glance-api has it do.

It waits for clusters, for hours if it reads all of an image, and whatever it
does, glance-api lives.
"""

import os
import subprocess  # nosec B404
import tempfile
import time
import typing

from dcn_plugins import native

#: How often it is looked whether it has ended, and how often whether somebody
#: still waits for it.
POLL_SECONDS, WANTED_SECONDS = 0.2, 5.0

_MODULE = 'dcn_plugins.glance.scrub'


class Ended(typing.NamedTuple):
    """How it has ended, and what it has said."""

    code: int
    output: str
    errors: str


def run(files, words, stopped, is_wanted, elapsed=time.monotonic):
    """Run it; return how it has :class:`Ended`, ``None`` if it is for nobody.

    :param files: of the configuration of Glance.
    :param words: its other arguments.
    :param stopped: event; once it is set the command is for nobody.
    :param is_wanted: says whether it is for somebody still.
    """
    command = [native.interpreter(), '-m', _MODULE,
               *(word for name in files
                 for word in ('--config-file', os.fspath(name))), *words]
    with tempfile.TemporaryDirectory() as directory:
        paths = [os.path.join(directory, name) for name in (
            'output', 'errors')]
        # Files, as nobody reads a pipe meanwhile.
        with open(paths[0], 'wb') as stdout, open(paths[1], 'wb') as stderr:
            # Nothing of a request is a word of a shell.
            process = subprocess.Popen(  # nosec B603
                command, stdin=subprocess.DEVNULL, stdout=stdout,
                stderr=stderr)
        try:
            if not _has_ended(process, stopped, is_wanted, elapsed):
                return None
        finally:
            process.kill()
            process.wait()
        return Ended(process.returncode, *map(_content, paths))


def _has_ended(process, stopped, is_wanted, elapsed):
    """Wait for the end of a process; return False if it is for nobody."""
    look_at = elapsed() + WANTED_SECONDS
    while process.poll() is None:
        if stopped.wait(POLL_SECONDS):
            return False
        if elapsed() < look_at:
            continue
        look_at = elapsed() + WANTED_SECONDS
        if not is_wanted():
            return False
    return True


def _content(path):
    with open(path, errors='replace') as file:
        return file.read()
