# SPDX-License-Identifier: Apache-2.0
"""What the caretaker of a backend has to do."""

import functools
import time

from cinder import coordination
from cinder.volume.drivers import rbd
from oslo_config import cfg

from dcn_plugins.cinder import caretaker as caretakers
from dcn_plugins.cinder import pool_audit
from dcn_plugins.cinder import presence
from dcn_plugins.cinder import repair
from dcn_plugins.cinder import takeover
from dcn_plugins.cinder import trash

CONF = cfg.CONF

TAKEOVER_SECONDS = 5.0
PURGE_SECONDS = 60.0


def caretaker(driver):
    """Return the caretaker of a driver, which is not started yet."""
    backend = driver.backend
    cluster = driver.cluster_name or driver.host
    purge = trash.Purge(pool_audit.names(), backend.pool,
                        pool_audit.PoolAudit(driver).known)
    # Upstream also puts there what it cannot remove, without any deferral.
    tasks = [caretakers.Task(
        'To purge the trash', functools.partial(_purge, driver, purge),
        driver.configuration.deferred_deletion_purge_interval
        if driver.configuration.enable_deferred_deletion
        else PURGE_SECONDS)]
    announce = _nothing
    if backend.locks() is not None:
        present = presence.Presence(
            lambda: coordination.COORDINATOR.coordinator, cluster,
            driver.host)
        announce = present.announce
        tasks += [
            caretakers.Task('To end what dead holders have left',
                            driver.lock_guard.settlement.sweep,
                            caretakers.TURN_SECONDS),
            caretakers.Task('To end what is stuck', takeover.Takeover(
                driver.host, driver.cluster_name,
                lambda names: backend.locks().is_claimed(names),
                backend.scope, CONF.dcn.stuck_seconds, present.hosts,
                lambda: driver.is_up, driver.site_zone(),
                has_upload_locks=True).run, TAKEOVER_SECONDS)]
        if CONF.dcn.audit_seconds:
            tasks.append(caretakers.Task(
                'To audit the pool', functools.partial(
                    pool_audit.run_audit, driver, set()),
                # Not while all cinder-volumes of a site start.
                CONF.dcn.audit_seconds,
                time.monotonic() + CONF.dcn.audit_seconds))
    return caretakers.Caretaker(
        lambda: backend.get_lock(f'dcn:caretaker:{cluster}'), tasks,
        announce)


def _purge(driver, purge):
    with rbd.RADOSClient(driver) as client:
        purged = purge.purge_once(driver.rbd, client.ioctx, time.time())
    for image, snapshot in purged.parents:
        repair.drop(driver.backend, driver.lock_guard, image, snapshot)


def _nothing():
    """Announce nobody: there is no etcd to do so in."""
