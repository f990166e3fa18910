# SPDX-License-Identifier: Apache-2.0
"""A hypervisor per compute: libvirtd and virtlogd without systemd or dbus."""

import pathlib
import re

from tests.lab import process
from tests.lab import service
from tests.lab.services import ceph

_SCRIPT = pathlib.Path(__file__).with_name('libvirtd.sh')
_TARGETS = ('/etc/libvirt', '/run/libvirt', '/var/lib/libvirt',
            '/var/cache/libvirt', '/var/log/libvirt')
_QEMU = ('user = "root"\ngroup = "root"\nsecurity_driver = "none"\n'
         'cgroup_controllers = [ ]\nnamespaces = [ ]\nremember_owner = 0\n')


def home(lab, host):
    """Return the directory of a hypervisor."""
    return lab.path('state', 'libvirt', host)


def uri(lab, host):
    """Return the connection URI of a hypervisor."""
    return f'qemu+unix:///system?socket={home(lab, host)}/run/libvirt-sock'


def address(lab, site, host):
    """Return the address that guests migrate to.

    One of the loopback network each, as no resolver knows the host names.
    """
    number = int(host.rsplit('-', 1)[1])
    return f'127.1.{lab.number(site)}.{number + 1}'


class Libvirt(service.Service):
    """The hypervisor that one nova-compute drives."""

    def __init__(self, lab, site, host):
        super().__init__(lab, f'libvirtd-{host}', site)
        self.host = host
        self.home = home(lab, host)

    def prepare(self):
        for sub in ('etc/qemu', 'run', 'lib/qemu', 'cache', 'log'):
            (self.home / sub).mkdir(parents=True, exist_ok=True)
        # Nova finds the hypervisor that a guest migrates to by its address.
        link = home(self.lab, address(self.lab, self.site, self.host))
        if not link.is_symlink():
            link.symlink_to(self.home)
        for target in _TARGETS:
            pathlib.Path(target).mkdir(parents=True, exist_ok=True)
        (self.home / 'etc' / 'qemu.conf').write_text(_QEMU)
        (self.home / 'etc' / 'libvirtd.conf').write_text(
            f'unix_sock_dir = "{self.home}/run"\nauth_unix_ro = "none"\n'
            'auth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\n'
            # Else all are the machine's, and no guest migrates from one to
            # another.
            f'host_uuid = "{self.lab.uuid(f"hypervisor-{self.host}")}"\n')

    def command(self):
        return ['unshare', '--uts', '--mount', '--propagation', 'private',
                _SCRIPT, self.host, self.home]

    def is_ready(self):
        socket = self.home / 'run' / 'libvirt-sock'
        return socket.exists() and self._virsh('hostname').strip() == self.host

    def start(self):
        """Start the hypervisor and give it the key of the site's cluster."""
        super().start()
        secret = self.lab.uuid(f'secret-{self.site}')
        xml = self.home / 'secret.xml'
        xml.write_text(
            f'<secret ephemeral="no" private="no"><uuid>{secret}</uuid>'
            f'<usage type="ceph"><name>client.{ceph.USER} {self.site}</name>'
            '</usage></secret>')
        self._virsh('secret-define', xml, check=True)
        text = ceph.keyring(self.lab, self.site).read_text()
        key = re.search(r'key\s*=\s*(\S+)', text).group(1)
        # From a file: a command line can be read by everybody.
        path = self.home / 'secret.key'
        path.touch(mode=0o600)
        path.write_text(key)
        self._virsh('secret-set-value', secret, '--file', path, check=True)
        path.unlink()

    def domains(self):
        """Return the names of the guests that run here."""
        return self._virsh('list', '--name', check=True).split()

    def destroy_guests(self):
        """End all guests, as when the machine loses its power."""
        for name in self.domains():
            self._virsh('destroy', name, check=True)

    def _virsh(self, *arguments, check=False):
        return process.run(
            self.lab, ['virsh', '-q', '-c', uri(self.lab, self.host),
                       *arguments], self.site, seconds=120, check=check)
