# SPDX-License-Identifier: Apache-2.0
"""What the caretaker of a backend has to do."""

from cinder import coordination
from oslo_config import cfg

from dcn_plugins.cinder import caretaker as caretakers
from dcn_plugins.cinder import presence
from dcn_plugins.cinder import takeover

CONF = cfg.CONF

TAKEOVER_SECONDS = 5.0


def caretaker(driver):
    """Return the caretaker of a driver, which is not started yet."""
    backend = driver.backend
    cluster = driver.cluster_name or driver.host
    tasks = [caretakers.Task(
        'To end what dead holders have left',
        driver.lock_guard.settlement.sweep, caretakers.TURN_SECONDS)]
    if driver.configuration.enable_deferred_deletion:
        tasks.append(caretakers.Task(
            'To purge the trash', driver._trash_purge,
            driver.configuration.deferred_deletion_purge_interval))
    announce = _nothing
    if backend.locks() is not None:
        present = presence.Presence(
            lambda: coordination.COORDINATOR.coordinator, cluster,
            driver.host)
        announce = present.announce
        tasks.append(caretakers.Task(
            'To end what is stuck', takeover.Takeover(
                driver.host, driver.cluster_name,
                lambda names: backend.locks().is_claimed(names),
                backend.scope, CONF.dcn.stuck_seconds, present.hosts,
                lambda: driver._stats.get('backend_state', 'up') == 'up',
                driver.site_zone(), has_upload_locks=True).run,
            TAKEOVER_SECONDS))
    return caretakers.Caretaker(
        lambda: backend.get_lock(f'dcn:caretaker:{cluster}'), tasks,
        announce)


def _nothing():
    """Announce nobody: there is no etcd to do so in."""
