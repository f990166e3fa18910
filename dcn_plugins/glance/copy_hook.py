# SPDX-License-Identifier: Apache-2.0
"""Notification driver ``dcn_copy`` of glance-api.

Set ``[oslo_messaging_notifications] driver = dcn_copy`` in glance-api.conf
(in addition to drivers that are there). An active image whose property
``dcn_sites`` names stores (``dcn0,dcn1``, or ``all``) is then copied to those
that lack it, by the public call copy-image. Imports, uploads and Nova's
direct RBD snapshots all end in the same notifications, so all are seen. With
a placement policy and an etcd, all images are looked at, and what has to be
copied outlives this process: see ``placement_worker``.

It is also what has each process look for copies that have lost their
glance-api, as Glance loads it when it starts.

What can go wrong:

* Only what this process announces is seen, and what waits is lost when it
  ends. Updating any property of an image has it looked at again.
* Nova copies the properties of an image to the snapshots of its servers, and
  then the snapshot is copied as well. If that is not wanted, add dcn_sites
  to ``[DEFAULT] non_inheritable_image_properties`` in nova.conf.
* Copies are made with the credentials of the service, whoever has set the
  property. Glance's property protection limits who may set ``dcn_sites``.
* An edge site's glance-api has its own store and the central one only; its
  hook therefore asks the endpoint in the catalogue, or that in ``[dcn]
  copy_endpoint_override``, which must have all stores.
* uWSGI runs no threads unless ``enable-threads`` is set; Glance's own imports
  need it too.
* A server that forks workers, is not uWSGI and has no eventlet has them look
  for lost copies when they announce their first image, and not before.
"""

import os

from keystoneauth1 import exceptions as ks_exceptions
from oslo_config import cfg
from oslo_log import log as logging
from oslo_messaging.notify import notifier

from dcn_plugins.conf import health
from dcn_plugins.conf import imagecopy
from dcn_plugins.conf import placement
from dcn_plugins.conf import unknown_options
from dcn_plugins import exceptions
from dcn_plugins.glance import copy_trigger
from dcn_plugins.glance import copy_worker
from dcn_plugins.glance import forks
from dcn_plugins.glance import image_api
from dcn_plugins.glance import placement_jobs
from dcn_plugins.glance import placement_worker
from dcn_plugins.glance import task_reaper
from dcn_plugins.locking import connection
from dcn_plugins import version

LOG = logging.getLogger(__name__)

#: Glance makes a notifier, and so a driver, for each of its controllers (15 in
#: one process); they share one worker. Not one for each conf: oslo.messaging
#: wraps the one conf that there is anew for each driver.
_shared = None


class CopyHook(notifier.Driver):
    """Have images copied to the stores that they name.

    Constructing it raises ``ConfigError`` when an option has no valid value;
    stevedore logs that and leaves the driver out, and glance-api works
    without it.
    """

    def __init__(self, conf, topics, transport):
        super().__init__(conf, topics, transport)
        self._shared = _share(conf)
        self._shared.begin()

    def notify(self, ctxt, msg, priority, retry):
        """Put the image of a notification into the queue, if it is a reason.

        Runs while Glance answers a request: no input or output but the log,
        no waiting, no exception.
        """
        try:
            self._shared.of_this_process().take(
                msg.get('event_type'), msg.get('payload'))
        except Exception:
            # The request that is being answered has nothing to do with us.
            LOG.exception('The notification %s was not looked at',
                          msg.get('event_type'))


class _Process:
    """What belongs to one process: its memory and its two threads.

    :param begin: called by a thread of it that finds itself in another one.
    """

    def __init__(self, conf, begin):
        found = placement_jobs.of(conf)
        self._trigger = copy_trigger.CopyTrigger(
            conf.dcn.copy_queue_size, is_for_all=found is not None)
        self.worker = placement_worker.made(conf, found) if found else (
            copy_worker.CopyWorker(
                image_api.ImageAPI(conf), conf.dcn.copy_queue_size,
                conf.dcn.copy_retry_seconds))
        self.reaper = task_reaper.TaskReaper(
            lambda: _dead_tasks(conf), begin)

    def wake(self):
        # The worker that looks at a property only has nothing to begin with.
        if isinstance(self.worker, placement_worker.PlacementWorker):
            self.worker.start()

    def take(self, event_type, payload):
        verdict = self._trigger.judge(event_type, payload)
        if verdict is copy_trigger.Verdict.FORGET:
            self.worker.drop(payload.get('id'))
        elif (verdict is copy_trigger.Verdict.LOOK
                and not self.worker.add(payload['id'])):
            LOG.error(
                'Image %s is not copied: the queue is full ([dcn] '
                'copy_queue_size). Update any property of the image to have '
                'it tried again.', payload['id'])


class _Shared:
    """What all drivers share, before and after forks."""

    def __init__(self, conf):
        self._conf = conf
        self._processes = {}

    def of_this_process(self):
        """Return the ``_Process``, made anew in a child process.

        A thread does not survive a fork, and a lock may. The process id is
        compared at each call because uWSGI does not run Python's own hooks
        after a fork unless told to.
        """
        pid = os.getpid()
        process = self._processes.get(pid)
        if process is None:
            # Of two at the same time one wins; the other has no thread yet.
            process = self._processes.setdefault(
                pid, _Process(self._conf, self.begin))
            process.reaper.start()
        return process

    def begin(self):
        """Begin what this process does without being told."""
        if not forks.is_master():
            self.of_this_process()


def wake():
    """Begin the work of this process, if there is any; never raises.

    A driver is constructed before the service forks, and no thread survives
    that. Without this it would begin with the first image that is announced.
    """
    try:
        if _shared is not None:
            _shared.of_this_process().wake()
    # The request that is being answered has nothing to do with us.
    except Exception:
        LOG.exception('Image placement has not begun')


def _share(conf):
    global _shared
    if _shared is None:
        auth_opts = _check_options(conf)
        LOG.info('dcn_copy loaded (dcn_plugins %s)', version.version_string())
        if conf.dcn.placement_jobs_url and not (
                conf.dcn.placement_policy_file):
            LOG.warning('[dcn] placement_jobs_url has no effect: '
                        'placement_policy_file is not set')
        unknown_options.warn(conf, imagecopy.GROUP.name, [
            *auth_opts, *health.OPTS, *health.STORE_OPTS])
        _shared = _Shared(conf)
    return _shared


def _in_worker():
    if _shared is not None:
        _shared.begin()


forks.follow(_in_worker)


def _dead_tasks(conf):
    # Not with the driver: what of Glance it needs may be another way in a
    # release that nobody knows, and images are to be copied there, too.
    from dcn_plugins.glance import dead_tasks

    return dead_tasks.of_this_glance(conf)


def _check_options(conf):
    """Register and read every option, so that a bad value shows at once."""
    try:
        imagecopy.register_opts(conf)
        placement.register_opts(conf)
        for opt in imagecopy.OPTS + imagecopy.TLS_OPTS + placement.OPTS:
            conf.dcn[opt.dest]
        if conf.dcn.placement_jobs_url:
            # Asks etcd for nothing, but reads the files for TLS.
            connection.Connection(connection.settings_of(
                conf.dcn.placement_jobs_url, placement_jobs.SOURCE),
                source=placement_jobs.SOURCE)
        return imagecopy.auth_opts(conf)
    except (cfg.Error, ValueError,
            ks_exceptions.NoMatchingPlugin) as exc:
        raise exceptions.ConfigError(
            'glance-api.conf [dcn]', str(exc),
            'Images are not copied until it is corrected') from exc
