# SPDX-License-Identifier: Apache-2.0
"""RADOS in memory, as far as markers and the fence use it.

It stands for the module ``rados``: :mod:`tests.contracts.marker_contract` and
:mod:`tests.contracts.fence_contract` hold both to the same.
"""

import errno
import itertools
import json
import re
import threading

LIBRADOS_CREATE_IDEMPOTENT = 0
LIBRADOS_CMPXATTR_OP_EQ = 1

# As osd_max_omap_entries_per_request.
MOST_KEYS = 1024


class Error(Exception):
    """Base of all errors."""


class OSError(Error):
    """What an OSD or a monitor answers."""

    def __init__(self, message, errno):
        super().__init__(f'[errno {errno}] {message}')
        self.errno = errno


class ObjectNotFound(OSError):
    pass


class Cluster:
    """Objects with their keys, and who is cut off."""

    def __init__(self):
        self.objects = {}
        self.versions = {}
        self.blocklist = set()
        self.lock = threading.Lock()
        self._nonces = itertools.count(1)

    def client(self, has_caps=True):
        """Return a connected client."""
        return Rados(self, f'127.0.0.1:0/{next(self._nonces)}', has_caps)


class Rados:
    """One client instance."""

    def __init__(self, cluster, address, has_caps):
        self.cluster = cluster
        self.address = address
        self.has_caps = has_caps
        self.commands = []
        # Raised by the next calls of monitors; None lets a call pass.
        self.faults = []
        # Set: the monitors answer.
        self.monitors = threading.Event()
        self.monitors.set()

    def get_addrs(self):
        return self.address

    def mon_command(self, cmd, inbuf):
        self._ask()
        command = json.loads(cmd)
        self.commands.append(command)
        address = command['addr']
        if not self.has_caps or not re.fullmatch('[^/]+/[0-9]+', address):
            return -errno.EACCES, b'', 'access denied'
        if not address.startswith('127.0.0.1:0/'):
            return -errno.EINVAL, b'', f'unable to parse address {address}'
        self.cluster.blocklist.add(address)
        return 0, b'', f'blocklisting {address}'

    def wait_for_latest_osdmap(self):
        self._ask()

    def _ask(self):
        self.monitors.wait()
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    def open_ioctx(self, pool):
        return Ioctx(self)


class Ioctx:
    """One client in one pool.

    :ivar before: called before each request, with the number of it.
    """

    def __init__(self, client):
        self._client = client
        self._numbers = itertools.count()
        self.before = lambda number: None
        self.faults = []
        self.last_version = 0

    def get_last_version(self):
        return self.last_version

    def write_full(self, key, data):
        self._request(key)

    def set_omap(self, write_op, keys, values):
        write_op.steps.append(lambda found: found.update(
            zip(keys, values, strict=True)))

    def remove_omap_keys(self, write_op, keys):
        write_op.steps.append(lambda found: [
            found.pop(key, None) for key in keys])

    def operate_write_op(self, write_op, oid):
        fault = self._request(oid)
        objects = self._client.cluster.objects
        with self._client.cluster.lock:
            if oid not in objects and not write_op.is_new:
                raise ObjectNotFound(oid, errno.ENOENT)
            versions = self._client.cluster.versions
            self.last_version = versions.get(oid, 0)
            if write_op.version not in (None, self.last_version):
                raise OSError('version', errno.ERANGE if write_op.version
                              < self.last_version else errno.EOVERFLOW)
            found = dict(objects.get(oid, {}))
            for step in write_op.steps:
                step(found)
            objects[oid] = found
            # Not one by one: other objects have theirs from the same count.
            self.last_version = versions[oid] = self.last_version + 3
        if fault is not None:
            raise fault

    def get_omap_vals(self, read_op, start_after, filter_prefix, max_return):
        return read_op.asking(lambda found: [
            key for key in found if key > start_after
            and key.startswith(filter_prefix)][:min(max_return, MOST_KEYS)])

    def get_omap_vals_by_keys(self, read_op, keys):
        return read_op.asking(lambda found: [
            key for key in found if key in keys])

    def operate_read_op(self, read_op, oid):
        self._request(oid)
        with self._client.cluster.lock:
            if oid not in self._client.cluster.objects:
                raise ObjectNotFound(oid, errno.ENOENT)
            found = dict(sorted(self._client.cluster.objects[oid].items()))
            self.last_version = self._client.cluster.versions.get(oid, 0)
        for answer, ask in read_op.asked:
            answer.extend((key, found[key]) for key in ask(found))

    def _request(self, oid):
        self.before(next(self._numbers))
        if self._client.address in self._client.cluster.blocklist:
            raise OSError('RADOS connection was shutdown', errno.ESHUTDOWN)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and not getattr(fault, 'is_done', False):
            raise fault
        return fault


class WriteOpCtx:
    """What is done at once, or not at all."""

    def __init__(self):
        self.steps = []
        self.is_new = False
        self.version = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False

    def new(self, exclusive=None):
        self.is_new = True

    def assert_version(self, version):
        self.version = version

    def omap_cmp(self, key, val, cmp_op=LIBRADOS_CMPXATTR_OP_EQ):
        def compare(found):
            if found.get(key, b'') != val.encode():
                raise OSError('operation canceled', errno.ECANCELED)

        self.steps.append(compare)


class ReadOpCtx:
    """What is read at once."""

    def __init__(self):
        self.asked = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False

    def asking(self, ask):
        answer = []
        self.asked.append((answer, ask))
        return answer, 0
