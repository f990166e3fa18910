# SPDX-License-Identifier: Apache-2.0
"""A copy that some glance-api makes as a job, from the first look to the last.

The job is one for all that want the image in the store: volumes of other
cinder-volumes, Nova, and the placement policy. It goes before all that nobody
waits for, and outlives whoever waits.
"""

import threading

from oslo_log import log as logging

from dcn_plugins.cinder import image_api
from dcn_plugins import exceptions
from dcn_plugins.locking import connection
from dcn_plugins.placement import connected
from dcn_plugins.placement import job

LOG = logging.getLogger(__name__)

SOURCE = 'cinder.conf [dcn] placement_jobs_url'

#: For how long nobody may do anything about a job before Glance is asked in
#: our own name. Its workers hear of it within seconds, if there are any.
UNCLAIMED_SECONDS = 60.0

# For how long Glance may not answer before we give up.
AWAY_SECONDS = 60.0

# What one glance-api knows, the next one may read from another member of the
# database.
UNSEEN_SECONDS = 10.0


class JobFlight:
    """One job that somebody waits for.

    :param jobs: :class:`~dcn_plugins.placement.jobs.Jobs`.
    :param api: :class:`~dcn_plugins.cinder.image_api.ImageAPI`.
    :param clock: seconds that never go back.
    """

    def __init__(self, jobs, api, context, image_id, store, clock):
        self._jobs = jobs
        self._api = api
        self._context = context
        self._image_id = image_id
        self._store = store
        self._clock = clock
        self._answered_at = clock()
        self._asked = None
        self._seen = None
        self._moved_at = None
        self._is_idle = False
        self._gone_at = None

    def run(self, deadline, pauses, pause):
        """Return the image with the store among its stores.

        :param pauses: seconds between two looks, one after the other.
        :returns: ``None`` if nobody does such jobs.
        :raises CopyRefused: if it cannot come.
        :raises CopyPostponed: if it has not come in time.
        :raises EtcdError: if etcd is away; the job may be done all the same.
        """
        for seconds in pauses:
            image = self._image()
            if image is not None and self._store in image_api.names(
                    image, 'stores'):
                return image
            if image is not None:
                self._advance(image)
            now = self._clock()
            if self._is_idle:
                LOG.warning('Nobody has begun the job of image %s and the '
                            'store %s within %d s', self._image_id,
                            self._store, UNCLAIMED_SECONDS)
                return None
            if now >= deadline:
                raise exceptions.CopyPostponed(
                    self._image_id, 'it did not come in time '
                    '(image_copy_seconds)')
            pause(min(seconds, deadline - now))

    def _image(self):
        """Return the image; ``None`` if Glance does not answer for now."""
        try:
            found = self._api.image(self._context, self._image_id)
        except exceptions.CopyPostponed as exc:
            if self._clock() - self._answered_at > AWAY_SECONDS:
                raise
            LOG.debug('%s', exc)
            return None
        self._answered_at = self._clock()
        return found

    def _advance(self, image):
        if image.get('status') != 'active':
            raise self._refused(f'it is {image.get("status")}')
        if self._asked is None:
            self._ask()
        else:
            self._look()

    def _ask(self):
        if self._store not in self._api.stores(self._context,
                                               self._image_id):
            raise self._refused(
                f'Glance has no store of the name {self._store}. Name that '
                'of this site in dcn_store of the backend')
        self._asked = self._jobs.ask(self._image_id, self._store)
        if self._asked is None:
            raise self._refused('it was deleted')
        self._moved_at = self._clock()
        LOG.info('Image %s is to be copied to the store %s: a volume waits '
                 'for it', self._image_id, self._store)

    def _look(self):
        entry = self._jobs.entry(self._image_id, self._store)
        if entry is None:
            # It ends when the image is there, which is about to be seen.
            self._gone_at = self._gone_at or self._clock()
            if self._clock() - self._gone_at > UNSEEN_SECONDS:
                raise self._refused(
                    'its job was dropped: a residency forbids it there, or '
                    'it was deleted')
            return
        if entry.job.failures > self._asked.failures:
            raise self._refused(entry.job.reason)
        if entry.job.state is not job.State.WAITING:
            raise self._refused(f'its job is {entry.job.state.value}: '
                                f'{entry.job.reason or "by an operator"}')
        if entry.claim is not None or entry.found.revision != self._seen:
            self._moved_at = self._clock()
        self._seen = entry.found.revision
        self._is_idle = self._clock() - self._moved_at > UNCLAIMED_SECONDS

    def _refused(self, reason):
        return exceptions.CopyRefused(self._image_id, (self._store,), reason)


def jobs_of(conf):
    """Return what gives the jobs of cinder.conf at the first need.

    :returns: a function without arguments that returns
        :class:`~dcn_plugins.placement.jobs.Jobs`, or raises ``ConfigError``
        for a file of TLS; ``None`` if no URL is set.
    :raises ConfigError: if the URL is of no use.
    """
    url = conf.dcn.placement_jobs_url
    if not url:
        return None
    connection.settings_of(url, SOURCE)
    lock, made = threading.Lock(), []

    def get():
        # Not before: a service may fork when it has read its configuration.
        with lock:
            if not made:
                made.append(connected.ConnectedJobs(url, SOURCE))
            return made[0].jobs

    return get
