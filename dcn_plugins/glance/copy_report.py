# SPDX-License-Identifier: Apache-2.0
"""Tell the jobs of an image how far its copies are, while they are made.

A thread of its own does so: an etcd that is away must not hold up a copy, nor
the beat of its task. Without etcd there are no numbers, and all else is the
same.
"""

import threading
import time

from oslo_log import log as logging

from dcn_plugins.conf import placement
from dcn_plugins import exceptions
from dcn_plugins.glance import placement_jobs
from dcn_plugins.imagecopy import request
from dcn_plugins.placement import job_progress

LOG = logging.getLogger(__name__)

#: How often the numbers of one image are written at most.
REPORT_SECONDS = 5.0

#: How long is waited after etcd has not answered.
PAUSE_SECONDS = 30.0


class CopyReport:
    """What is told of the copies of one image; a context.

    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`,
        or ``None``, and then nothing is told.
    """

    def __init__(self, image_id, found, clock=time.time):
        self._image_id = image_id
        self._found = found
        self._clock = clock
        self._latest = {}
        self._told = {}
        self._stop = threading.Event()

    def __enter__(self):
        if self._found is not None:
            threading.Thread(target=self._run, daemon=True,
                             name='dcn_report').start()
        return self

    def __exit__(self, *_error):
        # Not waited for: etcd may be away.
        self._stop.set()

    def take(self, progress):
        """Note a ``Progress`` of the engine; called by any thread."""
        self._latest[progress.store] = job_progress.Progress(
            self._clock(), progress.step, progress.done_bytes,
            progress.total_bytes, progress.bytes_per_second)

    def end(self, result):
        """Note the ``Result`` of a store; nothing more is told of it."""
        self._latest.pop(result.store, None)
        if self._found is not None and result.sent_bytes and (
                result.outcome is not request.Outcome.PRESENT):
            self._found.numbers.count(result.store,
                                      sent_bytes=result.sent_bytes)

    def write(self):
        """Write what is new; return for how long there is nothing to do."""
        try:
            news = {store: found for store, found
                    in self._latest.copy().items()
                    if self._told.get(store) != found}
            if news:
                self._found.reports.report(self._image_id, news)
                self._told.update(news)
            self._found.numbers.flush()
        except exceptions.EtcdError as exc:
            LOG.debug('Nobody is told how far the copies of image %s are: %s',
                      self._image_id, exc)
            return PAUSE_SECONDS
        return REPORT_SECONDS

    def _run(self):
        try:
            # Not at once: a small image is there before anybody looks.
            pause = REPORT_SECONDS
            while not self._stop.wait(pause):
                pause = self.write()
            self.write()
        # The top of a thread, of which nothing depends.
        except Exception:
            LOG.exception('Nobody is told any more how far the copies of '
                          'image %s are', self._image_id)


def of(conf, image_id):
    """Return the :class:`CopyReport` of copies of an image.

    Never raises: without a URL, or with a wrong one, nothing is told.
    """
    placement.register_opts(conf)
    try:
        return CopyReport(image_id, placement_jobs.of(conf))
    except exceptions.ConfigError as exc:
        LOG.warning('Nobody is told how far the copies of image %s are: %s',
                    image_id, exc)
        return CopyReport(image_id, None)
