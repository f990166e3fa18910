# SPDX-License-Identifier: Apache-2.0
"""The audit of one backend: read its pool, ask the database, judge, reclaim.

By hand it is ``python -m dcn_plugins.cinder.audit``; the caretaker of a
cluster calls :func:`run_audit` from time to time.
"""

import dataclasses
import time

from cinder.volume import configuration
from cinder.volume.drivers import rbd as rbd_driver
from oslo_config import cfg
from oslo_log import log as logging

from dcn_plugins.cinder import left_markers
from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import pool_listing
from dcn_plugins.cinder import reclaim
from dcn_plugins.cinder import trash
from dcn_plugins.cinder import volume_names
from dcn_plugins.cinder import volume_records

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

#: For how long nothing is said of what may still be changing. It must be more
#: than an operation takes, and than the clocks of Ceph, of the database and
#: of this host differ.
GRACE_SECONDS = 3600.0


def names():
    """Return how cinder.conf names volumes and snapshots."""
    return volume_names.VolumeNames(CONF.volume_name_template,
                                    CONF.snapshot_name_template)


class PoolAudit:
    """The audit of the pool of one backend.

    :param driver: upstream's RBD driver or ours, after ``do_setup``.
    :param ask: returns what the database says; see
        :mod:`~dcn_plugins.cinder.volume_records`. ``None`` if it is not
        asked.
    """

    def __init__(self, driver, ask=volume_records.known):
        self._driver = driver
        self._ask = ask
        self._names = names()
        self.pool = driver.configuration.rbd_pool

    def policy(self, grace_seconds=GRACE_SECONDS, **options):
        """Return how to judge now; options are those of the Policy."""
        place = self._driver.cluster_name or self._driver.host
        return leftovers.Policy(
            time.time(), grace_seconds,
            frozenset([place]) if place else frozenset(),
            _is_exclusive(self._driver.configuration), **options)

    def report(self, policy, progress=None):
        """Return the Report of the pool as it is now.

        :param progress: called with how many images of how many are read.
        :raises Exception: if Ceph, the database or etcd do not tell.
        """
        with rbd_driver.RADOSClient(self._driver) as client:
            listing = pool_listing.read(self._driver.rbd, client.ioctx,
                                        self.pool, self._names, progress)
            listing = dataclasses.replace(
                listing, markers=left_markers.read(self._driver))
            report = leftovers.find(
                listing, self._names,
                self.known(*leftovers.ids(listing, self._names)), policy)
            return dataclasses.replace(report, findings=tuple(
                self._measured(client.ioctx, finding)
                for finding in report.findings))

    def reclaimer(self, guarded):
        """Return the :class:`~dcn_plugins.cinder.reclaim.Reclaimer`.

        :param guarded: see there.
        """
        return reclaim.Reclaimer(
            self._driver.rbd, guarded, self.pool, self._names, self.known,
            trash.deferral(self._driver.configuration))

    def known(self, volume_ids, snapshot_ids):
        """Return what the database says, or ``None`` if it is not asked."""
        if self._ask is None:
            return None
        filters = None
        if self._driver.cluster_name:
            filters = {'cluster_name': self._driver.cluster_name}
        elif self._driver.host:
            filters = {'host': self._driver.host}
        return self._ask(volume_ids, snapshot_ids, filters)

    def _measured(self, ioctx, finding):
        if not finding.is_reclaimable or finding.trash_id:
            return finding
        found = pool_listing.measured(self._driver.rbd, ioctx, finding.image,
                                      finding.snapshot)
        return finding if found is None else dataclasses.replace(
            finding, bytes=found)


def run_audit(driver, reported, grace_seconds=GRACE_SECONDS,
              ask=volume_records.known):
    """Audit the pool of a driver, log what is found, and return the Report.

    One line sums it up. Each finding is logged when it is new.

    :param reported: a set that the caller keeps from one audit to the next.
    :param ask: see :class:`PoolAudit`.
    :raises Exception: if Ceph, the database or etcd do not tell.
    """
    audit = PoolAudit(driver, ask)
    report = audit.report(audit.policy(grace_seconds))
    for finding in report.findings:
        if finding.key not in reported:
            LOG.warning('Left over in pool %s: %s %s. %s. %s', audit.pool,
                        finding.kind, finding.subject, finding.evidence,
                        f'It stays: {finding.reason}' if finding.reason else
                        'It can be reclaimed')
    reported.clear()
    reported.update(finding.key for finding in report.findings)
    LOG.info(
        'Audit of pool %s: %d images, %d snapshots; %d left over, of which '
        '%d can be reclaimed, about %d bytes', audit.pool,
        report.counted['images'], report.counted['snapshots'],
        len(report.findings),
        sum(finding.is_reclaimable for finding in report.findings),
        report.reclaimable_bytes)
    return report


def _is_exclusive(backend):
    """Tell whether no other backend has its volumes in the same pool."""
    if not backend.rbd_exclusive_cinder_pool:
        return False
    place = (backend.rbd_pool, backend.rbd_ceph_conf)
    same = 0
    for name in CONF.enabled_backends or ():
        other = configuration.Configuration(rbd_driver.RBD_OPTS,
                                            config_group=name)
        same += (other.rbd_pool, other.rbd_ceph_conf) == place
    return same <= 1
