# SPDX-License-Identifier: Apache-2.0
"""The drivers that are compared: ours, ours with a part missing, upstream's.

Each also increments a counter under its locks: the number that is read and
written back by one process after another tells whether they were alone.
"""

import contextlib
import time

from cinder import coordination
from cinder.volume import configuration
from cinder.volume import driver as base_driver
from cinder.volume.drivers import rbd
from oslo_config import cfg

from tests.chaos import flavours
from tests.chaos import history

CONF = cfg.CONF
BACKEND = 'ceph'
COUNTER = 'chaos-counter'
_BYTES = 128


def make(flavour):
    """Return a driver as cinder-volume makes and sets it up.

    :param flavour: of :mod:`tests.chaos.flavours`.
    """
    options = configuration.Configuration(
        base_driver.volume_opts, config_group=BACKEND)
    driver = _class(flavour)(
        configuration=options, host=f'{CONF.host}@{BACKEND}',
        cluster_name=f'chaos@{BACKEND}', is_vol_db_empty=False,
        active_backend_id=None)
    driver.do_setup(None)
    driver.check_for_setup_error()
    driver.init_capabilities()
    driver.set_initialized()
    return driver


def _class(flavour):
    if flavour == flavours.STOCK:
        return rbd.RBDDriver
    # Upstream's has to work whatever state ours is in.
    from dcn_plugins.cinder import rbd_driver
    _PREPARE.get(flavour, lambda: None)()
    return rbd_driver.DCNRBDDriver


def _without_fence():
    from dcn_plugins.conf import locking
    locking.register_opts(CONF)
    CONF.set_override('fence', 'none', 'dcn')


def _without_deadline():
    from dcn_plugins.cinder import operation as operations
    operations.Operation.check = lambda _self, _call: None


def _without_intent():
    from dcn_plugins.cinder import repair
    repair.undo = lambda *_args: None
    repair.end = lambda *_args: []


_PREPARE = {'fence': _without_fence, 'deadline': _without_deadline,
            'intent': _without_intent}


class Counter:
    """A number in an image, that is incremented under a lock."""

    def __init__(self, driver, flavour):
        self._driver = driver
        self._guarded = self._by_cinder if (
            flavour == flavours.STOCK) else self._by_us

    def increment(self, tell, before, within):
        """Read the number and write one more; return ``(outcome, error)``.

        :param tell: called with what was read, before it is written.
        :param before: seconds before the write is begun.
        :param within: seconds that it takes, as calls of librbd may take
            long.
        """
        is_begun = False
        try:
            with self._guarded() as (ioctx, check):
                with rbd.rbd.Image(ioctx, COUNTER) as image:
                    found = int(image.read(0, _BYTES).rstrip(b'\0') or 0)
                    tell(found)
                    time.sleep(before)
                    check()
                    is_begun = True
                    time.sleep(within)
                    image.write(b'%d'.ljust(_BYTES, b'\0') % (found + 1), 0)
        # As for the driver: all that it may raise.
        except Exception as exc:
            outcome = history.UNKNOWN if is_begun else history.FAILED
            return outcome, f'{type(exc).__name__}: {exc}'[:300]
        return history.OK, ''

    @contextlib.contextmanager
    def _by_us(self):
        with self._driver.guarded('increment', [COUNTER]) as operation:
            _client, ioctx = operation.connection(CONF[BACKEND].rbd_pool)
            yield ioctx, lambda: operation.check('write')

    @contextlib.contextmanager
    def _by_cinder(self):
        lock = coordination.COORDINATOR.get_lock(COUNTER)
        lock.acquire()
        try:
            with rbd.RADOSClient(self._driver) as client:
                yield client.ioctx, lambda: None
        finally:
            # As Cinder does.
            with contextlib.suppress(Exception):
                lock.release()
