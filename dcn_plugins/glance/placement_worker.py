# SPDX-License-Identifier: Apache-2.0
"""The one thread of a process that keeps images where they are to be.

It does three things in turn: it registers jobs for images that were announced,
it claims jobs and has Glance do them, and, in one process of all, it compares
all images with the policy. Nothing of it runs in a request.
"""

import collections
import threading
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import deleted_copies
from dcn_plugins.glance import evictor
from dcn_plugins.glance import image_api
from dcn_plugins.glance import image_jobs
from dcn_plugins.glance import lazy_thread
from dcn_plugins.glance import reconciler
from dcn_plugins.glance import scrub_worker
from dcn_plugins.placement import policy_file

LOG = logging.getLogger(__name__)

#: An image is rarely active at the very moment it is announced.
FIRST_LOOK_SECONDS = 1.0

#: How often the images in hand are looked at, and how often jobs are listed:
#: each process lists all of them.
LOOK_SECONDS, LIST_SECONDS = 3.0, 15.0

#: How long is waited after Glance or etcd has not answered.
PAUSE_SECONDS = 10.0

#: How long is waited for the removal of a copy under way, at the end.
STOP_SECONDS = 30.0

# Jobs in hand are looked at in between.
_AT_ONCE = 50

_LEADER = 'reconciler'
_AWAY = (exceptions.CopyError, exceptions.EtcdError, exceptions.LockError)


def made(conf, found):
    """Return the worker of this process.

    :param conf: of Glance.
    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`.
    """
    api = image_api.ImageAPI(conf)
    path = conf.dcn.placement_policy_file
    return PlacementWorker(
        found, api, reconciler.Reconciler(
            api, found.jobs, lambda: policy_file.shared(path).current(),
            note=found.numbers.note),
        conf.dcn.copy_queue_size, conf.dcn.placement_reconcile_seconds,
        conf.dcn.placement_parallel_images,
        beside=[evictor.made(conf, found), scrub_worker.made(conf, found),
                deleted_copies.made(conf, found)])


class PlacementWorker:
    """Register, claim and reconcile in the background; thread-safe.

    The thread starts with the first image that is announced, and is a daemon:
    what it had claimed, others claim when its lease has ended.

    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`.
    :param api: :class:`~dcn_plugins.glance.image_api.ImageAPI`.
    :param compared: :class:`~dcn_plugins.glance.reconciler.Reconciler`.
    :param size: how many images may be announced and not looked at.
    :param beside: what has threads of its own, which begin and end with this
        one, as :class:`~dcn_plugins.glance.rounds.Rounds`.
    """

    def __init__(self, found, api, compared, size, reconcile_seconds,
                 parallel, clock=time.monotonic, beside=()):
        self._found = found
        self._api = api
        self._reconciler = compared
        self._size = size
        self._reconcile_seconds = reconcile_seconds
        self._parallel = parallel
        self._clock = clock
        self._beside = tuple(beside)
        self._changed = threading.Condition()
        self._announced = collections.OrderedDict()
        self._deleted = collections.OrderedDict()
        self._in_hand = {}
        self._lead = None
        self._compared_policy = None
        self._bell = 0
        self._due = dict.fromkeys(('look', 'list', 'all'), clock())
        self._is_away = False
        self._is_stopped = False
        self._thread = lazy_thread.LazyThread('dcn_placement', self._run)

    def add(self, image_id):
        """Have an image looked at soon; return False when too many wait."""
        with self._changed:
            if image_id not in self._announced and (
                    len(self._announced) >= self._size):
                return False
            self._announced[image_id] = self._clock() + FIRST_LOOK_SECONDS
            self._start()
        return True

    def drop(self, image_id):
        """Have the jobs of a deleted image ended, and none begun."""
        with self._changed:
            self._announced.pop(image_id, None)
            if len(self._deleted) < self._size:
                self._deleted[image_id] = True
            self._start()

    def start(self):
        """Begin, also without any image that was announced.

        It is called by each request, and mostly does nothing.
        """
        if not self._thread.is_begun:
            with self._changed:
                self._start()

    def stop(self, timeout_seconds=None):
        """End the thread after the step under way; return whether it did."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        return self._thread.join(timeout_seconds)

    def _start(self):
        if self._thread.begin():
            for other in self._beside:
                other.start()
        self._changed.notify()

    def _run(self):
        while not self._is_stopped:
            pause = self._round()
            with self._changed:
                if not self._is_stopped:
                    self._changed.wait(pause)
        for other in self._beside:
            other.stop(STOP_SECONDS)
        self._give_back()

    def _round(self):
        """Do what is due; return for how long there is nothing to do."""
        try:
            self._bury()
            self._look_at_announced()
            self._look_at_jobs()
            self._compare_all()
        except _AWAY as exc:
            # Said once aloud, as it is said again every few seconds.
            LOG.log(logging.DEBUG if self._is_away else logging.WARNING,
                    'Image placement waits: %s', exc)
            self._is_away = True
            return PAUSE_SECONDS
        # The top of a thread: one image that cannot be dealt with must not
        # end the copies of all others.
        except Exception:
            LOG.exception('A round of image placement has failed')
            return PAUSE_SECONDS
        if self._is_away:
            LOG.info('Image placement goes on')
        self._is_away = False
        return self._pause()

    def _pause(self):
        with self._changed:
            due = [*self._due.values(), *self._announced.values()]
        return min(max(0.0, min(due) - self._clock()), LOOK_SECONDS)

    def _bury(self):
        with self._changed:
            deleted = list(self._deleted)
        for image_id in deleted:
            self._found.jobs.bury(image_id)
            with self._changed:
                self._deleted.pop(image_id, None)

    def _look_at_announced(self):
        with self._changed:
            due_now = [(image_id, due)
                       for image_id, due in self._announced.items()
                       if due <= self._clock()]
        for image_id, due in due_now[:_AT_ONCE]:
            now = self._clock()
            if self._is_stopped:
                return
            try:
                is_decided = self._reconciler.reconcile(image_id)
            except exceptions.CopyRefused as exc:
                # The comparison of all images tries it again.
                LOG.error('%s', exc)
                is_decided = True
            except _AWAY:
                # It does not stand in the way of the next ones.
                self._decide(image_id, due, now + 2 * PAUSE_SECONDS)
                raise
            self._decide(image_id, due,
                         None if is_decided else now + PAUSE_SECONDS)
            self._due['list'] = now

    def _decide(self, image_id, due, again):
        """Forget an image, or look again; not if it was announced anew."""
        with self._changed:
            if self._announced.get(image_id) == due:
                del self._announced[image_id]
                if again is not None:
                    self._announced[image_id] = again

    def _look_at_jobs(self):
        if self._is_due('look', LOOK_SECONDS):
            for image_id, work in list(self._in_hand.items()):
                work.advance()
                if not work.held:
                    del self._in_hand[image_id]
            self._hear()
        # Without a policy nobody knows what is forbidden.
        if self._is_due('list', LIST_SECONDS) and (
                self._reconciler.policy is not None):
            self._found.claims.drop_strays(self._held())
            self._claim()
            self._count()

    def _hear(self):
        """List jobs at once if somebody has begun to wait for one."""
        bell = self._found.jobs.bell()
        if bell != self._bell:
            self._bell = bell
            self._due['list'] = self._clock()

    def _count(self):
        try:
            self._found.numbers.flush()
        except exceptions.EtcdError as exc:
            # Nothing waits for numbers.
            LOG.debug('What has ended is counted later: %s', exc)

    def _held(self):
        return [held for work in self._in_hand.values()
                for held in work.held.values()]

    def _claim(self):
        for entry in self._found.jobs.entries():
            image_id = entry.job.image_id
            work = self._in_hand.get(image_id)
            # Somebody waits for what was asked for.
            room = self._parallel * (2 if entry.job.is_asked else 1)
            if work is None and len(self._in_hand) >= room:
                continue
            held = self._found.claims.claim(entry)
            if held is None:
                continue
            if work is None:
                work = self._in_hand[image_id] = image_jobs.ImageJobs(
                    image_id, self._found.claims, self._api,
                    self._reconciler.is_forbidden, self._found.numbers.count)
            work.add(held)
            self._due['look'] = self._clock()

    def _compare_all(self):
        policy = self._reconciler.policy
        if policy is not self._compared_policy:
            # Whoever has changed it wants to see what comes of it.
            self._due['all'] = self._clock()
        if not self._is_due('all', self._reconcile_seconds):
            return
        self._compared_policy = policy
        try:
            if self._lead is None or not self._found.locks.is_valid(
                    self._lead):
                self._lead = self._found.locks.acquire([(_LEADER, 'x')], 0)
            if self._lead is not None and self._reconciler.reconcile_all():
                self._due['list'] = self._clock()
        except _AWAY:
            # An image that was deleted may have broken off the list.
            self._due['all'] = self._clock() + PAUSE_SECONDS
            raise

    def _is_due(self, name, seconds):
        now = self._clock()
        if self._due[name] > now:
            return False
        self._due[name] = now + seconds
        return True

    def _give_back(self):
        try:
            for work in self._in_hand.values():
                work.give_back()
        except exceptions.EtcdError as exc:
            LOG.info('Claims of image placement end with their lease: %s',
                     exc)
        self._found.close()
