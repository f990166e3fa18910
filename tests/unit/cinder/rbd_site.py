# SPDX-License-Identifier: Apache-2.0
"""A Ceph, an etcd and some cinder-volumes in memory, with a driver each.

Each call of librbd, of RADOS and of etcd is a *step* of the process that makes
it. A test can have any step fail, and whatever is to happen there.
"""

import contextlib
import contextvars
import dataclasses
import threading
import types

from cinder import utils
from cinder.volume import configuration
from cinder.volume import driver as base_driver
from cinder.volume.drivers import rbd
import fixtures
from oslo_config import fixture as config_fixture

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import client_pool
from dcn_plugins.cinder import backend
from dcn_plugins.cinder import rbd_driver
from dcn_plugins.cinder import repair
from dcn_plugins import exceptions
from dcn_plugins.locking import locks
from dcn_plugins import native
from tests.fakes import etcd
from tests.fakes import rados
from tests.fakes import rbd as librbd

FSID = '0c7f'
POOLS = ('gold', 'iron')
GIB = 1 << 30
# Calls that are many in truth, and may be done half.
IN_PARTS = ('remove', 'copy', 'rollback_to_snap')


class Died(BaseException):
    """The process is no more: nothing of it is executed."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One call of something outside of a process.

    :param service: ``rbd``, ``rados``, ``mon`` or ``etcd``.
    :param half: does a part of it, for calls that are many in truth.
    """

    service: str
    call: str
    client: object
    whole: object
    half: object = None

    def failure(self, is_sent):
        """Return how it fails when no answer comes."""
        if self.service == 'etcd':
            return exceptions.EtcdUnavailable('no answer', is_sent)
        if self.service == 'rbd':
            return librbd.Timeout('no answer')
        return rados.OSError('no answer', rados.errno.ETIMEDOUT)


class Process:
    """One cinder-volume."""

    def __init__(self, site, name):
        self.site = site
        self.name = name
        self.driver = site.make_driver(self)
        self.renew()
        self.driver.do_setup(None)

    def renew(self):
        """Be a new process: nothing of the old one is there."""
        self.is_dead = False
        self.steps = []
        # Called with the process and each step, in its place.
        self.hook = None
        self.etcd = EtcdClient(self)
        self.session = Session(self.etcd)
        self.locks = locks.Locks(self.etcd, self.session, '/dcn',
                                 holder=self.name)
        self.driver.backend.locks = lambda: self.locks
        self.driver.backend._clients.clear()
        self.driver._clone_v2_api_checked = True
        self.driver.lock_guard.settlement._postponed = {}

    def step(self, step):
        """Make a call; the hook may have it its own way."""
        if self.is_dead:
            raise Died
        self.steps.append(f'{step.service} {step.call}')
        if self.hook is None:
            return self.run(step)
        return self.hook(self, len(self.steps) - 1, step)

    @staticmethod
    def run(step, part='whole'):
        if step.client is not None and step.client.is_cut_off:
            raise librbd.ConnectionShutdown(step.call)
        return getattr(step, part)()

    def die(self):
        """Be killed, and be forgotten by etcd after a while."""
        self.is_dead = True
        # Threads go with their process.
        self.locks.close()
        self.expire()
        raise Died

    def expire(self):
        """Let the lease end."""
        if self.session.lease_id is not None:
            self.session.end()

    def sweep(self):
        """End what others have left, apart from what runs here."""
        return apart(self.driver.lock_guard.settlement.sweep)

    def settled(self):
        """Wait until etcd knows what this process has to tell it."""
        thread = self.locks._leftovers._thread
        if thread is not None:
            thread.join(30)


class Session:
    """A lease that ends when a test says so."""

    def __init__(self, client):
        self._client = client
        self.lease_id = None

    @property
    def id(self):
        return self.lease_id

    def lease(self, seconds):
        if self.lease_id is None:
            self.lease_id = self._client.store.grant()
        return self

    def is_valid(self, lease_id, margin_seconds=0.0):
        return lease_id is not None and lease_id == self.lease_id

    def forget(self, lease_id):
        if lease_id == self.lease_id:
            self.lease_id = None

    def end(self):
        lease, self.lease_id = self.lease_id, None
        self._client.expire(lease)


class EtcdClient(etcd.Client):
    """A network of its own to the etcd of the site."""

    def __init__(self, process):
        super().__init__(process.site.store)
        self._process = process
        self.changed = process.site.changed

    def call(self, path, body, seconds):
        call = super().call
        return self._process.step(Step(
            'etcd', path, None, lambda: call(path, body, seconds)))


class Rados(rados.Rados):
    """A client of the site's Ceph, as upstream makes it."""

    def __init__(self, process):
        made = process.site.cluster.client()
        super().__init__(process.site.cluster, made.address, True)
        self.process = process
        self.images = set()

    @property
    def is_cut_off(self):
        return self.address in self.cluster.blocklist

    def conf_set(self, option, value):
        pass

    def conf_get(self, option):
        return '1'

    def connect(self):
        pass

    def get_fsid(self):
        return FSID

    def open_ioctx(self, pool):
        return Ioctx(self, pool)

    def mon_command(self, cmd, inbuf):
        call = super().mon_command
        return self.process.step(Step(
            'mon', 'command', None, lambda: call(cmd, inbuf)))

    def wait_for_latest_osdmap(self):
        self.process.site.forget_watchers()

    def shutdown(self):
        # What crashes the process, or lets it hang for ever.
        if self.images and not self.process.is_dead:
            self.process.site.crashes.append(sorted(
                image.name for image in self.images))


class Ioctx(rados.Ioctx):
    """One client in one pool."""

    def __init__(self, client, pool):
        super().__init__(client)
        self.client = client
        self.process = client.process
        self.name = pool
        self.pool = client.process.site.pools[pool]

    def operate_write_op(self, write_op, oid):
        call = super().operate_write_op
        self.process.step(Step('rados', 'write', None,
                               lambda: call(write_op, oid)))

    def operate_read_op(self, read_op, oid):
        call = super().operate_read_op
        self.process.step(Step('rados', 'read', None,
                               lambda: call(read_op, oid)))

    def execute(self, key, kind, method, data):
        self.process.step(Step('rados', f'{kind} {method}', None,
                               lambda: self._execute(key, data)))

    def _execute(self, key, data):
        header = self.pool.headers[key.removeprefix('rbd_header.')]
        left = [owner for owner in header.lockers
                if owner[1].encode() not in data]
        if left == header.lockers:
            raise rados.ObjectNotFound('no such owner', rados.errno.ENOENT)
        header.lockers[:] = left

    def close(self):
        pass


class Librbd:
    """The module ``rbd`` of all processes."""

    def __getattr__(self, name):
        return getattr(librbd, name)

    def RBD(self):
        return Calls()

    def Image(self, ioctx, name=None, *args, **kwargs):
        return Image(ioctx, name, *args, **kwargs)


class Calls:
    """Calls that need no image."""

    def __getattr__(self, name):
        def call(*args, **kwargs):
            pools = [arg.pool if isinstance(arg, Ioctx) else arg
                     for arg in args]
            if not args:
                return getattr(librbd.RBD(), name)()
            return args[0].process.step(Step(
                'rbd', name, args[0].client,
                lambda: getattr(librbd.RBD(), name)(*pools, **kwargs),
                self._half(name, pools)))

        return call

    @staticmethod
    def _half(name, args):
        def remove():
            # The data goes first, and the image last.
            librbd._refuse_removal(args[0].header(args[1]))
            args[0].header(args[1]).written.clear()
            return 'half'

        return remove if name == 'remove' else None


class Image:
    """An open image."""

    def __init__(self, ioctx, name, *args, **kwargs):
        self.name = name
        self._client = ioctx.client
        self._image = None
        try:
            self._step('open', lambda: self._open(
                ioctx.pool, name, *args, **kwargs))
        except Exception:
            # Of what was not opened nothing stays.
            if self._image is not None:
                self._image.close()
            raise
        self._client.images.add(self)

    def __getattr__(self, name):
        def call(*args, **kwargs):
            pools = [arg.pool if isinstance(arg, Ioctx) else arg
                     for arg in args]
            return self._step(
                name, lambda: getattr(self._image, name)(*pools, **kwargs),
                self._half(name, pools))

        return call

    def _open(self, *args, **kwargs):
        self._image = librbd.Image(*args, **kwargs)
        self._image.client = self._client

    def close(self):
        if self._client.process.is_dead:
            raise Died
        self._client.images.discard(self)
        self._image.close()

    def _step(self, name, whole, half=None):
        return self._client.process.step(Step(
            'rbd', name, self._client, whole, half))

    def _half(self, name, args):
        header = getattr(self._image, '_header', None) if (
            name in ('copy', 'rollback_to_snap')) else None

        def copy():
            librbd.RBD().create(args[0], args[1], header.size)

        def rollback_to_snap():
            librbd._snapshot(header, args[0])
            header.written.popitem()

        return header and {'copy': copy,
                           'rollback_to_snap': rollback_to_snap}[name]


class InlineThreads:
    """The module ``threading`` with threads that have ended when started."""

    Event = threading.Event
    Condition = threading.Condition

    class Thread:
        def __init__(self, target, args=(), **_options):
            self.start = lambda: target(*args)


class RbdSite(fixtures.Fixture):
    """One site, which can be made anew with little effort.

    :ivar crashes: the images that were open when their client was closed.
    """

    def __init__(self, *names, **options):
        super().__init__()
        self._names = names or ('one', 'two', 'three')
        self._options = {
            'rbd_pool': 'gold', 'rados_connection_retries': 2,
            'rbd_secret_uuid': 'none', **options}

    def _setUp(self):
        self.conf = self.useFixture(
            config_fixture.Config(rbd_driver.CONF)).conf
        self.conf([], project='cinder', default_config_files=[])
        self.log = self.useFixture(fixtures.FakeLogger())
        self.useFixture(fixtures.MonkeyPatch(
            'tenacity.nap.time', types.SimpleNamespace(
                sleep=lambda seconds: None)))
        for owner, name, value in (
                (rbd.tpool, 'Proxy', lambda thing, *_args: thing),
                (rbd, 'rbd', Librbd()),
                (backend, 'off_hub', _call),
                (native, 'module', lambda _name: InlineThreads),
                (bindings, 'rados', lambda: rados),
                (client_pool, 'threading', InlineThreads),
                (locks, 'threading', InlineThreads),
                (repair, 'PAUSE_SECONDS', 0.0)):
            self.useFixture(fixtures.MockPatchObject(owner, name, value))
        if hasattr(utils, 'tpool_wrap'):
            self.useFixture(fixtures.MockPatchObject(
                utils, 'tpool_wrap', lambda thing: thing))
        for name in ('FIRST_PAUSE_SECONDS', 'LAST_PAUSE_SECONDS'):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.locking.lock_waits.{name}', 0.0))
        self.make_ceph()
        self.processes = [Process(self, name) for name in self._names]

    def make_ceph(self):
        self.cluster = rados.Cluster()
        self.pools = {name: librbd.Pool(name) for name in POOLS}
        self.store = etcd.Store()
        self.changed = threading.Condition()
        self.crashes = []

    def renew(self):
        """Be a new site, with nothing in it."""
        self.make_ceph()
        for process in self.processes:
            process.renew()
        return self.processes

    def make_driver(self, process):
        settings = configuration.Configuration(
            base_driver.volume_opts, config_group='dcn1')
        settings.append_config_values(rbd.RBD_OPTS)
        for name, value in self._options.items():
            self.conf.set_override(name, value, 'dcn1')
        return rbd_driver.DCNRBDDriver(
            configuration=settings, rbd=Librbd(),
            rados=types.SimpleNamespace(
                Error=rados.Error, Rados=lambda **_kwargs: Rados(process)),
            host=f'{process.name}@ceph')

    def forget_watchers(self):
        """Forget who watches images and is cut off."""
        for pool in self.pools.values():
            for header in pool.headers.values():
                header.watchers = [
                    image for image in header.watchers
                    if not getattr(image, 'client', None)
                    or not image.client.is_cut_off]

    # What a test looks at.

    def ceph(self):
        """Return what is in Ceph, without ids and moments."""
        return {name: self._pool(pool) for name, pool in self.pools.items()}

    def _pool(self, pool):
        names = {header: name for name, header in pool.images.items()}
        names.update((header, f'trash/{entry["name"]}')
                     for header, entry in pool.trash.items())
        return {name: self._image(pool, pool.headers[header], names)
                for header, name in names.items()}

    @staticmethod
    def _image(pool, header, names):
        parent = None
        if header.parent is not None:
            image_id, snapshot_id = header.parent
            parent = names[image_id], next(
                found.name for found in pool.headers[image_id].snapshots
                if found.id == snapshot_id)
        return {
            'size': header.size, 'content': pool.content(header),
            'parent': parent, 'features': header.features,
            # A note of a migration says nothing once that has ended.
            'metadata': {key: value for key, value in header.metadata.items()
                         if key != repair._COPIED},
            'settings': dict(header.settings),
            'snapshots': {found.name: (found.is_protected, found.content)
                          for found in header.snapshots}}

    def markers(self):
        return self.cluster.objects.get('dcn_operations', {})

    def keys(self):
        """Return all keys of locks in etcd."""
        return [key for key in self.store.keys()
                if key.startswith('/dcn/n/')]

    # What it is made of.

    def image(self, name, content=b'content', pool='gold'):
        """Make an image with something in it, by nobody."""
        librbd.RBD().create(self.pools[pool], name, GIB)
        with librbd.Image(self.pools[pool], name) as image:
            image.write(content, 0)
            image.write(content, 4096)

    def snapshot(self, image, name, pool='gold'):
        with librbd.Image(self.pools[pool], image) as opened:
            opened.create_snap(name)
            opened.protect_snap(name)

    def clone(self, source, name, pool='gold'):
        self.snapshot(source, f'{name}.clone_snap', pool)
        pools = self.pools[pool]
        librbd.RBD().clone(pools, source, f'{name}.clone_snap', pools, name)

    def rename(self, name, new_name):
        librbd.RBD().rename(self.pools['gold'], name, new_name)


def _call(function, *args, **kwargs):
    return function(*args, **kwargs)


def apart(function, *args):
    """Call a function as another process would, apart from what runs here."""
    return contextvars.Context().run(function, *args)


def volume(number, **changes):
    """Return what Cinder tells a driver of a volume."""
    return types.SimpleNamespace(**{
        'id': f'{number}', 'name': f'volume-{number}', 'size': 1,
        'use_quota': True, 'volume_type': None, 'encryption_key_id': None,
        'status': 'available', 'obj_context': None, **changes})


def snapshot(number, of):
    """Return what Cinder tells a driver of a snapshot."""
    return types.SimpleNamespace(
        id=f'{number}', name=f'snapshot-{number}', volume_name=of.name,
        volume=of, volume_size=of.size)


@contextlib.contextmanager
def hooked(process, hook):
    """Have a hook called at each step of a process in the block.

    The steps are counted from 0 then.
    """
    process.hook, process.steps = hook, []
    try:
        yield
    finally:
        process.hook = None
