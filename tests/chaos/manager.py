# SPDX-License-Identifier: Apache-2.0
"""What Cinder's manager does around a call of its driver, without Cinder.

The same locks, by the same names, around the same calls; and what it makes of
their failures. A lock that cannot be had is said to leave the request undone,
as it does; that Cinder forgets such a request is for the whole services to
show.
"""

import contextlib
import types

from cinder import coordination
from cinder import exception

from tests.chaos import history


class Refused(Exception):
    """Say why the driver was not asked."""


class Manager:
    """One cinder-volume.

    :param driver: of the backend.
    :param exists: tells whether the database still knows a name.
    """

    def __init__(self, driver, exists):
        self._driver = driver
        self._exists = exists

    def run(self, request):
        """Do what a request says; return ``(outcome, error)``."""
        try:
            _RUN[request['kind']](self, request)
        except Refused as exc:
            return history.REFUSED, str(exc)
        except (exception.VolumeIsBusy, exception.SnapshotIsBusy) as exc:
            # To Cinder it is as it was.
            return history.REFUSED, _told(exc)
        # What a driver raises is no closed list.
        except Exception as exc:
            return history.FAILED, _told(exc)
        return history.OK, ''

    @contextlib.contextmanager
    def _locked(self, name, kind, needed):
        """Hold a lock of the manager's, and see what it protects."""
        try:
            lock = coordination.COORDINATOR.get_lock(
                f'{_id(name)}-delete_{kind}')
            lock.acquire()
        except Exception as exc:
            raise Refused(_told(exc)) from exc
        try:
            if not self._exists(needed):
                raise Refused(f'{needed} is gone')
            yield
        finally:
            # As Cinder does; what it has done it has done.
            with contextlib.suppress(Exception):
                lock.release()

    def _create(self, request):
        self._driver.create_volume(_volume(request['target'],
                                           request['size']))

    def _clone(self, request):
        source = request['source']
        with self._locked(source, 'volume', source):
            self._driver.create_cloned_volume(
                _volume(request['target'], request['size']),
                _volume(source, request['source_size']))

    def _from_snapshot(self, request):
        source = request['source']
        with self._locked(source.partition('@')[2], 'snapshot', source):
            self._driver.create_volume_from_snapshot(
                _volume(request['target'], request['size']),
                _snapshot(source, request['source_size']))

    def _snapshot(self, request):
        self._driver.create_snapshot(_snapshot(request['target'],
                                               request['size']))

    def _extend(self, request):
        self._driver.extend_volume(
            _volume(request['target'], request['source_size']),
            request['size'])

    def _revert(self, request):
        size = request['source_size']
        self._driver.revert_to_snapshot(
            None, _volume(request['target'], size),
            _snapshot(request['source'], size))

    def _delete(self, request):
        target = request['target']
        image, _at, snapshot = target.partition('@')
        if snapshot:
            with self._locked(snapshot, 'snapshot', target):
                self._driver.delete_snapshot(
                    _snapshot(target, request['source_size']))
        else:
            with self._locked(image, 'volume', target):
                self._driver.delete_volume(_volume(
                    target, request['source_size'], request.get('parent')))


_RUN = {history.CREATE: Manager._create, history.CLONE: Manager._clone,
        history.SNAPSHOT: Manager._snapshot,
        history.FROM_SNAPSHOT: Manager._from_snapshot,
        history.EXTEND: Manager._extend, history.REVERT: Manager._revert,
        history.DELETE: Manager._delete}


def _volume(name, size, parent=None):
    """Return what a driver may know of a volume of the default type."""
    return types.SimpleNamespace(
        id=_id(name), name=name, name_id=_id(name), size=size,
        volume_type=None, volume_type_id=None, encryption_key_id=None,
        use_quota=True, group=None, group_id=None, obj_context=None,
        multiattach=False, migration_status=None,
        source_volid=_id(parent) if parent else None)


def _snapshot(name, size):
    image, _at, snapshot = name.partition('@')
    return types.SimpleNamespace(
        id=_id(snapshot), name=snapshot, volume_name=image,
        volume_id=_id(image), volume_size=size, volume=_volume(image, size),
        encryption_key_id=None, use_quota=True, group_snapshot_id=None)


def _id(name):
    return name.partition('-')[2]


def _told(exc):
    return f'{type(exc).__name__}: {exc}'[:300]
