# SPDX-License-Identifier: Apache-2.0
"""Have Glance bring an image to the store of this site, once for all.

Ten volumes of one image that the site lacks shall cost one transfer. Whoever
is first holds a lock of the site's DLM, asks, and waits for the copy; the
others wait for the lock, and then see that the image is there.

With the jobs of image placement it is a job that is asked for, so it is once
for the whole cloud, and outlives us. Without etcd, Glance is asked directly.
"""

import itertools
import threading
import time
import urllib.parse

from oslo_log import log as logging

from dcn_plugins.cinder import image_api
from dcn_plugins.cinder import job_flight
from dcn_plugins import exceptions
from dcn_plugins.locking import guard
from dcn_plugins.locking import names as lock_names
from dcn_plugins.placement import image_import

LOG = logging.getLogger(__name__)

# Pauses between two looks at the image: a small one takes a few seconds, a
# large one minutes.
FIRST_PAUSE_SECONDS = 0.25
MOST_PAUSE_SECONDS = 5.0
PAUSE_GROWTH = 1.5

# As whoever waits for a job.
AWAY_SECONDS = job_flight.AWAY_SECONDS

# A task that Glance has accepted shows in the image, but the next glance-api
# may read another member of the database.
UNSEEN_SECONDS = 10.0

# Those who waited while a copy failed do not all try it again. Others may.
KEEP_FAILURE_SECONDS = 60.0


class ImageCopies:
    """Ask for copies to stores; thread-safe.

    :param api: :class:`~dcn_plugins.cinder.image_api.ImageAPI`.
    :param get_lock: takes a name, returns a lock as tooz defines it.
    :param clock: seconds that never go back.
    :param pause: lets seconds pass.
    :param get_jobs: returns the :class:`~dcn_plugins.placement.jobs.Jobs` of
        the cloud; ``None`` if there are none, and Glance is asked directly.
    """

    def __init__(self, api, get_lock, clock=time.monotonic, pause=time.sleep,
                 get_jobs=None):
        self._api = api
        self._get_lock = get_lock
        self._clock = clock
        self._pause = pause
        self._get_jobs = get_jobs
        self._lock = threading.Lock()
        self._failures = {}

    def bring(self, context, image_id, store, wait_seconds):
        """Return the image as Glance shows it when the store has it.

        :raises CopyRefused: if it cannot come.
        :raises CopyPostponed: if it has not come in time, or nobody could be
            asked. The copy may come later.
        """
        deadline = self._clock() + wait_seconds
        image = None
        try:
            # Nobody queues for a copy that has just failed.
            self._check_failure(image_id, store)
            with guard.hold(self._get_lock, [lock_name(store, image_id)],
                            wait_seconds, f'copying image {image_id}'):
                self._check_failure(image_id, store)
                image = self._flight(context, image_id, store, deadline)
        except exceptions.LockTimeout as exc:
            raise exceptions.CopyPostponed(
                image_id, 'somebody else has been waiting for it for '
                f'{wait_seconds:g} s (image_copy_seconds)') from exc
        except exceptions.LockError as exc:
            if image is None:
                raise exceptions.CopyPostponed(image_id, str(exc)) from exc
            LOG.debug('Image %s is there all the same: %s', image_id, exc)
        return image

    def _flight(self, context, image_id, store, deadline):
        try:
            return (self._by_job(context, image_id, store, deadline)
                    or _Flight(self._api, context, image_id, store,
                               self._clock).run(deadline, self._pause))
        except exceptions.CopyError as exc:
            now = self._clock()
            with self._lock:
                for key in [key for key, (_reason, until)
                            in self._failures.items() if until <= now]:
                    del self._failures[key]
                self._failures[image_id, store] = (
                    exc.reason, now + KEEP_FAILURE_SECONDS)
            raise

    def _by_job(self, context, image_id, store, deadline):
        """Return the image; ``None`` if Glance is to be asked directly."""
        if self._get_jobs is None:
            return None
        try:
            return job_flight.JobFlight(
                self._get_jobs(), self._api, context, image_id, store,
                self._clock).run(deadline, _pauses(), self._pause)
        except (exceptions.EtcdError, exceptions.ConfigError) as exc:
            LOG.warning('Glance is asked directly for a copy of image %s in '
                        'the store %s, as jobs cannot be: %s', image_id,
                        store, exc)
            return None

    def _check_failure(self, image_id, store):
        with self._lock:
            reason, until = self._failures.get((image_id, store), ('', 0.0))
        if self._clock() < until:
            raise exceptions.CopyPostponed(
                image_id, f'a moment ago: {reason}')


class _Flight:
    """One copy, from the first look to the last."""

    def __init__(self, api, context, image_id, store, clock):
        self._api = api
        self._context = context
        self._image_id = image_id
        self._store = store
        self._clock = clock
        self._answered_at = clock()
        self._has_tried = False
        self._accepted_at = None
        self._is_seen = False

    def run(self, deadline, pause):
        """Return the image with the store among its stores."""
        for seconds in _pauses():
            image = self._step()
            if image is not None:
                return image
            left = deadline - self._clock()
            if left <= 0:
                raise exceptions.CopyPostponed(
                    self._image_id, 'it did not come in time '
                    '(image_copy_seconds)')
            pause(min(seconds, left))

    def _step(self):
        """Look, and do what is to be done; return the image if it is there."""
        try:
            image = self._api.image(self._context, self._image_id)
            if self._store in image_api.names(image, 'stores'):
                return image
            self._advance(image)
            self._answered_at = self._clock()
        except exceptions.CopyPostponed as exc:
            # A request without an answer may have been taken: look again.
            if self._clock() - self._answered_at > AWAY_SECONDS:
                raise
            LOG.debug('%s', exc)
        return None

    def _advance(self, image):
        if image.get('status') != 'active':
            raise self._refused(f'it is {image.get("status")}')
        has_task = bool(image.get(image_import.TASK))
        if self._accepted_at is None:
            # At first also while it is busy: Glance takes the place of a task
            # that has died long ago.
            if not (has_task and self._has_tried):
                self._ask()
        elif has_task:
            self._is_seen = True
        elif (self._is_seen or self._clock() - self._accepted_at
              > UNSEEN_SECONDS):
            has_failed = self._store in image_api.names(
                image, image_import.FAILED)
            raise self._refused(
                'Glance has failed to copy it' if has_failed else
                'the task of Glance has ended without a copy')

    def _ask(self):
        if not self._has_tried and self._store not in self._api.stores(
                self._context, self._image_id):
            # Glance would say the same as when it is busy.
            raise self._refused(
                f'Glance has no store of the name {self._store}. Name that '
                'of this site in dcn_store of the backend')
        self._has_tried = True
        if self._api.request_copy(self._context, self._image_id,
                                  self._store):
            self._accepted_at = self._clock()
            LOG.info('Glance copies image %s to the store %s', self._image_id,
                     self._store)

    def _refused(self, reason):
        return exceptions.CopyRefused(self._image_id, (self._store,), reason)


def lock_name(store, image_id):
    """Return the name of the lock of a copy."""
    return ':'.join([lock_names.PREFIX, 'imagecopy',
                     urllib.parse.quote(store, safe=''), image_id])


def _pauses():
    return itertools.accumulate(
        itertools.repeat(FIRST_PAUSE_SECONDS), lambda last, _first: min(
            last * PAUSE_GROWTH, MOST_PAUSE_SECONDS))
