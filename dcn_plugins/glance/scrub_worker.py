# SPDX-License-Identifier: Apache-2.0
"""The one thread of a process that compares copies when somebody asks.

The comparison is ``dcn-scrub`` in a process of its own: it waits for clusters,
for hours if it reads all of an image, and whatever it does, glance-api lives.
"""

import json
import os
import subprocess  # nosec B404
import tempfile
import time

from oslo_log import log as logging

from dcn_plugins.glance import copy_need
from dcn_plugins.glance import copy_users
from dcn_plugins.glance import image_api
from dcn_plugins.glance import rounds
from dcn_plugins import native
from dcn_plugins.placement import image_scrub as steps

LOG = logging.getLogger(__name__)

#: How often requests are looked for.
LOOK_SECONDS = 10.0

#: How often it is looked whether a comparison has ended, and how often whether
#: somebody still waits for it.
POLL_SECONDS, WANTED_SECONDS = 0.2, 5.0

_MODULE = 'dcn_plugins.glance.scrub'


def made(conf, found):
    """Return the worker of this process.

    :param conf: of Glance.
    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`.
    """
    return ScrubWorker(found, image_api.ImageAPI(conf),
                       copy_users.CopyUsers(conf).stores(), conf.config_file)


class ScrubWorker(rounds.Rounds):
    """Carry requests out, one after the other.

    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`.
    :param own: names of the stores of this glance-api.
    :param files: of its configuration.
    """

    def __init__(self, found, api, own, files, clock=time.time,
                 elapsed=time.monotonic):
        super().__init__('dcn_scrub', 'comparison of copies',
                         lambda: LOOK_SECONDS)
        self._found = found
        self._api = api
        self._own = own
        self._files = tuple(files)
        self._clock = clock
        self._elapsed = elapsed

    def work(self):
        """Do what is asked for."""
        for asked in self._found.scrubs.all():
            if steps.is_over(asked.scrub, self._clock()):
                self._found.scrubs.end(asked)
            elif not asked.scrub.is_answered and self._has_stores(
                    asked.scrub.image_id):
                self._take(asked)

    def _has_stores(self, image_id):
        image = self._api.get_image(image_id)
        # What Glance does not know may be in any of our pools.
        return image is None or self._own >= set(
            copy_need.names(image.get('stores')))

    def _take(self, asked):
        """Carry a request out, unless another process does."""
        image_id = asked.scrub.image_id
        held = self._found.locks.acquire([(f'scrub {image_id}', 'x')], 0)
        if held is None:
            return
        try:
            # Another one may have ended it meanwhile.
            if self._found.scrubs.of(image_id) == asked:
                LOG.info('The copies of image %s are compared, as somebody '
                         'has asked for it', image_id)
                answer = self._compared(asked, held)
                if answer is not None:
                    self._found.scrubs.answer(asked, answer)
        finally:
            self._found.locks.release(held)

    def _compared(self, asked, held):
        """Return the request with its answer, ``None`` if it was dropped."""
        with tempfile.TemporaryDirectory() as directory:
            paths = [os.path.join(directory, name) for name in (
                'output', 'errors')]
            code = self._run_command(asked, held, *paths)
            output, errors = map(_content, paths)
        if code is None:
            return None
        # With 2 it may have said what it knows all the same.
        try:
            return steps.answered(asked.scrub, json.loads(output))
        except ValueError:
            return steps.failed(asked.scrub, errors.strip() or (
                f'the comparison has ended with {code}'))

    def _run_command(self, asked, held, output, errors):
        """Return how the command has ended, ``None`` if it is for nobody."""
        # Files, as nobody reads a pipe meanwhile.
        with open(output, 'wb') as stdout, open(errors, 'wb') as stderr:
            # Nothing of a request is a word of a shell.
            process = subprocess.Popen(  # nosec B603
                self._command(asked.scrub), stdin=subprocess.DEVNULL,
                stdout=stdout, stderr=stderr)
        try:
            return (process.returncode
                    if self._is_waited_for(process, asked, held) else None)
        finally:
            process.kill()
            process.wait()

    def _command(self, scrub):
        return [native.interpreter(), '-m', _MODULE,
                *(word for name in self._files
                  for word in ('--config-file', os.fspath(name))),
                '--image', scrub.image_id, '--json', '--grace-seconds',
                str(float(scrub.grace_seconds)),
                *(['--deep'] if scrub.is_deep else [])]

    def _is_waited_for(self, process, asked, held):
        """Wait for the end of a process; return False if it is for nobody."""
        look_at = self._elapsed() + WANTED_SECONDS
        while process.poll() is None:
            if self._stopped.wait(POLL_SECONDS):
                return False
            if self._elapsed() < look_at:
                continue
            look_at = self._elapsed() + WANTED_SECONDS
            if not self._found.locks.is_valid(held) or (
                    self._found.scrubs.of(asked.scrub.image_id) != asked):
                return False
        return True


def _content(path):
    with open(path, errors='replace') as file:
        return file.read()
