# SPDX-License-Identifier: Apache-2.0
"""The one thread of a process that compares copies when somebody asks."""

import json
import time

from oslo_log import log as logging

from dcn_plugins.glance import copy_need
from dcn_plugins.glance import copy_users
from dcn_plugins.glance import image_api
from dcn_plugins.glance import rounds
from dcn_plugins.glance import scrub_command
from dcn_plugins.placement import image_scrub as steps

LOG = logging.getLogger(__name__)

#: How often requests are looked for.
LOOK_SECONDS = 10.0


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
        scrub = asked.scrub

        def is_wanted():
            return self._found.locks.is_valid(held) and (
                self._found.scrubs.of(scrub.image_id) == asked)

        ended = scrub_command.run(self._files, [
            '--image', scrub.image_id, '--json', '--grace-seconds',
            str(float(scrub.grace_seconds)),
            *(['--deep'] if scrub.is_deep else [])],
            self._stopped, is_wanted, self._elapsed)
        if ended is None:
            return None
        # With 2 it may have said what it knows all the same.
        try:
            return steps.answered(scrub, json.loads(ended.output))
        except ValueError:
            return steps.failed(scrub, ended.errors.strip() or (
                f'the comparison has ended with {ended.code}'))
