# SPDX-License-Identifier: Apache-2.0
"""A Ceph cluster per site: monitor, manager and one OSD on BlueStore."""

import json
import pathlib
import shutil
import sys

from tests.lab import layout as layouts
from tests.lab import process
from tests.lab import service
from tests.lab.services import ceph_commands

USER = 'openstack'
POOLS = ('images', 'volumes', 'vms')
_ETC = pathlib.Path('/etc/ceph')
_OSD_BYTES = 20 << 30


def pools(site):
    """Return the pools of a site's cluster."""
    return POOLS + ((layouts.ARCHIVE,) if site == layouts.CENTRAL else ())


def conf(lab, site):
    """Return the path of a site's ceph.conf."""
    return lab.path('state', f'ceph-{site}', 'ceph.conf')


def keyring(lab, site):
    """Return the path of the services' keyring of a site."""
    return lab.path('state', f'ceph-{site}', f'client.{USER}.keyring')


def cluster_name(lab, site):
    """Return ``rbd_cluster_name``: it must differ between labs and sites.

    os-brick looks for /etc/ceph/<name>.client.<user>.keyring and nowhere
    else.
    """
    return f'{lab.name}-{site}'


def system_keyring(lab, site):
    """Return where os-brick looks for the keyring of a site."""
    return _ETC / f'{cluster_name(lab, site)}.client.{USER}.keyring'


def rbd(lab, site, *arguments, seconds=300, run_at=None):
    """Run ``rbd`` as the administrator of a site's cluster.

    :param run_at: the site whose network it runs in; the cluster's own, so
        that looking at evidence does not cross the WAN.
    """
    return process.run(
        lab, ['rbd', '-c', conf(lab, site), *arguments], run_at or site,
        seconds=seconds)


def fsid(lab, site):
    """Return the FSID of a site's cluster."""
    return lab.uuid(f'fsid-{site}')


class Daemon(service.Service):
    """One of the cluster's daemons, in the foreground."""

    def __init__(self, cluster, kind, ident):
        super().__init__(cluster.lab, f'ceph-{kind}-{cluster.site}',
                         cluster.site)
        self.cluster = cluster
        self.kind = kind
        self.ident = ident

    def command(self):
        return [f'ceph-{self.kind}', '-f', '-c', self.cluster.conf,
                '-i', self.ident]

    @property
    def _socket(self):
        return self.cluster.home / 'run' / f'{self.kind}.{self.ident}.asok'

    def prepare(self):
        # One that was killed has left it behind.
        self._socket.unlink(missing_ok=True)

    def is_ready(self):
        return self._socket.exists()


class Cluster(service.Service):
    """The cluster of one site; its daemons are services of their own."""

    def __init__(self, lab, site):
        super().__init__(lab, f'ceph-{site}', site)
        self.home = conf(lab, site).parent
        self.conf = conf(lab, site)
        self.mon = Daemon(self, 'mon', 'a')
        self.mgr = Daemon(self, 'mgr', 'x')
        self.osd = Daemon(self, 'osd', '0')
        self.daemons = (self.mon, self.mgr, self.osd)

    @property
    def is_running(self):
        return all(daemon.is_running for daemon in self.daemons)

    def pids(self):
        return [pid for daemon in self.daemons for pid in daemon.pids()]

    def start(self):
        """Make the cluster, or start the daemons of the one that is there."""
        if (self.home / 'made').exists():
            for daemon in self.daemons:
                daemon.start()
        else:
            self._make()
            (self.home / 'made').touch()
        self.wait_ready()

    def wait_ready(self):
        """Wait until every placement group is active."""
        self._tell({'prefix': ceph_commands.WAIT})

    def stop(self):
        """Stop the daemons, the OSD first."""
        for daemon in reversed(self.daemons):
            daemon.stop()

    def kill(self):
        """Kill the daemons as a power cut would."""
        for daemon in self.daemons:
            daemon.kill()

    def pause(self):
        """Freeze the daemons."""
        for daemon in self.daemons:
            daemon.pause()

    def resume(self):
        """Let frozen daemons go on."""
        for daemon in self.daemons:
            daemon.resume()

    def ceph(self, *arguments, seconds=300):
        """Run ``ceph`` as administrator and return what it prints."""
        return process.run(
            self.lab, ['ceph', '-c', self.conf, '--connect-timeout', '20',
                       *arguments], self.site, seconds=seconds)

    def _tell(self, *commands):
        """Send commands, see :mod:`tests.lab.services.ceph_commands`."""
        process.run(
            self.lab, [sys.executable, '-m', ceph_commands.__name__,
                       self.conf, self.ready_seconds], self.site,
            seconds=self.ready_seconds + 60,
            text_in=json.dumps(commands, default=str),
            env={'PYTHONPATH': str(pathlib.Path(__file__).parents[3])})

    def _tool(self, *argv):
        return process.run(self.lab, argv, self.site, seconds=300)

    def _make(self):
        shutil.rmtree(self.home, ignore_errors=True)
        for sub in ('mon', 'mgr', 'osd', 'run'):
            (self.home / sub).mkdir(parents=True)
        self.conf.write_text(self._settings())
        self._make_monitor()
        self._tell(
            _key('mgr.x', self.home / 'mgr.x.keyring', mon='allow profile mgr',
                 osd='allow *', mds='allow *'),
            {'prefix': 'osd new', 'uuid': self.lab.uuid(f'osd-{self.site}'),
             'id': 0},
            _key('osd.0', self.home / 'osd' / 'keyring',
                 mon='allow profile osd', mgr='allow profile osd',
                 osd='allow *'))
        self.mgr.launch()
        self._make_osd()
        profile = ', '.join(f'profile rbd pool={p}' for p in pools(self.site))
        self._tell(
            *({'prefix': 'osd pool create', 'pool': pool, 'pg_num': 8}
              for pool in pools(self.site)),
            *({'prefix': 'osd pool application enable', 'pool': pool,
               'app': 'rbd'} for pool in pools(self.site)),
            _key(f'client.{USER}', keyring(self.lab, self.site),
                 mon='profile rbd', osd=profile, mgr='profile rbd'))
        _ETC.mkdir(exist_ok=True)
        shutil.copy(keyring(self.lab, self.site),
                    system_keyring(self.lab, self.site))
        self.mgr.wait_ready()

    def _make_monitor(self):
        home = self.home
        admin = home / 'client.admin.keyring'
        monitor = home / 'mon.a.keyring'
        self._tool('ceph-authtool', '--create-keyring', admin, '--gen-key',
                   '-n', 'client.admin', '--cap', 'mon', 'allow *', '--cap',
                   'osd', 'allow *', '--cap', 'mgr', 'allow *')
        self._tool('ceph-authtool', '--create-keyring', monitor, '--gen-key',
                   '-n', 'mon.', '--cap', 'mon', 'allow *')
        self._tool('ceph-authtool', monitor, '--import-keyring', admin)
        self._tool('monmaptool', '--create', '--fsid', self._fsid, '--addv',
                   'a', f'[{self._monitor}]', home / 'monmap')
        self._tool('ceph-mon', '-c', self.conf, '--mkfs', '-i', 'a',
                   '--monmap', home / 'monmap', '--keyring', monitor)
        shutil.copy(monitor, home / 'mon' / 'keyring')
        self.mon.start()

    def _make_osd(self):
        self._tool('ceph-osd', '-c', self.conf, '-i', '0', '--mkfs',
                   '--osd-uuid', self.lab.uuid(f'osd-{self.site}'))
        self.osd.launch()
        self.osd.wait_ready()

    @property
    def _fsid(self):
        return fsid(self.lab, self.site)

    @property
    def _monitor(self):
        address = self.lab.address(self.site)
        first = self.lab.port('ceph-mon', self.site, 2)
        return f'v2:{address}:{first},v1:{address}:{first + 1}'

    def _settings(self):
        home = self.home
        first = self.lab.port('ceph-daemons', self.site, 40)
        lines = {
            'fsid': self._fsid, 'mon_host': self._monitor,
            'public_addr': self.lab.address(self.site),
            'auth_cluster_required': 'cephx',
            'auth_service_required': 'cephx',
            'auth_client_required': 'cephx',
            'osd_pool_default_size': 1, 'osd_pool_default_min_size': 1,
            'osd_pool_default_pg_autoscale_mode': 'off',
            'mon_allow_pool_size_one': 'true',
            'mon_warn_on_pool_no_redundancy': 'false',
            'osd_crush_chooseleaf_type': 0,
            'keyring': f'{home}/$name.keyring',
            'run_dir': f'{home}/run',
            'admin_socket': f'{home}/run/$name.asok',
            'log_file': f'{self.lab.directory}/log/$name-{self.site}.ceph.log',
            'pid_file': f'{home}/run/$name.pid',
            'crash_dir': f'{home}/run',
            'mon_data': f'{home}/mon', 'mgr_data': f'{home}/mgr',
            'osd_data': f'{home}/osd', 'osd_objectstore': 'bluestore',
            'bluestore_block_size': _OSD_BYTES,
            'osd_memory_target': 939524096,
            'ms_bind_port_min': first, 'ms_bind_port_max': first + 39,
            'mon_max_pg_per_osd': 1000, 'mon_allow_pool_delete': 'true',
            # Percentages of the whole file system: with the default 5 %
            # monitors refuse to start on a big disk that is rather full.
            'mon_data_avail_crit': 1, 'mon_data_avail_warn': 2,
            'osd_class_load_list': '*', 'osd_class_default_list': '*',
            'rados_connect_timeout': 10,
        }
        osd = f'[osd]\nkeyring = {home}/osd/keyring\n'
        # A client has no socket: its name would be the daemons'.
        client = ('[client]\nadmin_socket =\nlog_file =\n'
                  f'keyring = {home}/$name.keyring\n')
        everywhere = ''.join(f'{k} = {v}\n' for k, v in lines.items())
        return f'[global]\n{everywhere}{osd}{client}'


def _key(entity, path, **caps):
    """Return the command that makes a user and writes its keyring."""
    return {'prefix': 'auth get-or-create', 'entity': entity,
            'caps': [word for pair in caps.items() for word in pair],
            'to': path}
