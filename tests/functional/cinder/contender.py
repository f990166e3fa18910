# SPDX-License-Identifier: Apache-2.0
"""One cinder-volume process that works on a volume again and again.

Upstream's method is replaced by one that only writes down when it was entered
and left; the driver, Cinder's coordinator and tooz are real. Started by
``test_exclusion``: BACKEND_URL OPERATION ROUNDS guarded|unguarded. Says
"ready", waits for a line on its standard input, and writes one line
"ENTERED LEFT" for each round.
"""

import contextlib
import sys
import time
import types
from unittest import mock

from cinder import coordination
from cinder.volume import configuration
from cinder.volume import driver as base_driver
from cinder.volume.drivers import rbd
from oslo_config import cfg

from dcn_plugins.cinder import rbd_driver

WORK_SECONDS = 0.05
VOLUME = types.SimpleNamespace(id='1', name='volume-1')
SNAPSHOT = types.SimpleNamespace(id='2', name='snapshot-2',
                                 volume_name='volume-1')
ARGUMENTS = {'extend_volume': (VOLUME, 2),
             'delete_volume': (VOLUME,),
             'create_snapshot': (SNAPSHOT,)}


def make_driver(backend_url):
    """Return a driver; its coordinator is at this URL."""
    cfg.CONF([], project='cinder', default_config_files=[])
    cfg.CONF.set_override('backend_url', backend_url, 'coordination')
    coordination.COORDINATOR.start()
    backend = configuration.Configuration(base_driver.volume_opts,
                                          config_group='dcn1')
    return rbd_driver.DCNRBDDriver(configuration=backend, rbd=None,
                                   rados=None)


def upstream(_driver, *_args):
    """Work, and write down from when to when."""
    entered = time.monotonic()
    time.sleep(WORK_SECONDS)
    print(entered, time.monotonic(), flush=True)


def main(backend_url, operation, rounds, mode):
    """Run the operation under its locks, or past them if unguarded."""
    driver = make_driver(backend_url)
    owner = {'guarded': rbd_driver.DCNRBDDriver,
             'unguarded': rbd.RBDDriver}[mode]
    with mock.patch.object(rbd.RBDDriver, operation, upstream), \
            mock.patch.object(rbd.RBDDriver, '_get_fsid',
                              lambda _: '0c7f'), \
            mock.patch.object(rbd_driver.DCNRBDDriver, 'ancestors',
                              lambda *_args: ()), \
            mock.patch.object(rbd_driver.DCNRBDDriver, '_removed_whole',
                              lambda *_args: contextlib.nullcontext()):
        print('ready', flush=True)
        sys.stdin.readline()
        for _round in range(int(rounds)):
            getattr(owner, operation)(driver, *ARGUMENTS[operation])
    coordination.COORDINATOR.stop()


if __name__ == '__main__':
    main(*sys.argv[1:])
