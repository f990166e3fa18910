# SPDX-License-Identifier: Apache-2.0
"""A directory with what DevStack has configured, and our plugin on top."""

import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
#: The file of each service.
CONFIGURATION = {'nova': 'nova/nova.conf', 'cinder': 'cinder/cinder.conf',
                 'glance': 'glance/glance-api.conf'}
#: In the order of DevStack's stack.sh.
PHASES = ('pre-install', 'install', 'post-config', 'extra', 'test-config')
SERVICES = 'n-api,n-sch,n-cpu,c-api,c-sch,c-vol,g-api,keystone,etcd3'

# Of what DevStack writes: what we read or change, and some around it.
_FILES = {
    'nova/nova.conf': '''[DEFAULT]
debug = True
[filter_scheduler]
enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,\
ImagePropertiesFilter,SameHostFilter,DifferentHostFilter
[cinder]
os_region_name = RegionOne
''',
    'cinder/cinder.conf': '''[DEFAULT]
debug = True
default_volume_type = central
enabled_backends = central,dcn0,dcn1
[coordination]
backend_url = etcd3+http://192.0.2.10:2379?api_version=v3
[central]
volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver
volume_backend_name = central
[ceph]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_pool = volumes
''',
    'glance/glance-api.conf': '''[DEFAULT]
debug = True
enabled_backends = central:file,dcn0:file,dcn1:file
[glance_store]
default_backend = central
[paste_deploy]
flavor = keystone+cachemanagement
[oslo_messaging_notifications]
driver = messagingv2
'''}
# These come with the services.
_PASTE = {'glance/glance-api-paste.ini': 'glance/glance-api-paste.ini',
          'cinder/api-paste.ini': 'cinder/api-paste.ini'}


def call(state, *phases, **environment):
    """Call the plugin as DevStack does, see ``stack.sh``.

    :param state: the directory of DevStack, which has the files of the
        services where ``stubs.sh`` or ``LOCALRC`` say.
    :returns: the settings that DevStack has after these phases.
    :raises AssertionError: if one has ended with an error.
    """
    done = subprocess.run(
        ['bash', str(HERE / 'stack.sh'), *phases], cwd=state,
        env={**os.environ, 'HERE': str(HERE), 'ROOT': str(ROOT),
             'STATE': str(state), **environment},
        capture_output=True, text=True, timeout=180)
    if done.returncode:
        raise AssertionError(f'{phases}: {done.returncode}\n'
                             f'{done.stdout}{done.stderr}')
    return dict(line.partition('=')[::2]
                for line in done.stdout.splitlines())


class Stacked:
    """A directory of DevStack's; :meth:`run` has the plugin called.

    :param path: of an empty directory.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self._record = self.path / 'record'
        # The plugin needs the checkout where DevStack has it.
        (self.path / 'dcn_plugins').symlink_to(ROOT)
        for name, text in _FILES.items():
            (self.path / name).parent.mkdir(exist_ok=True)
            (self.path / name).write_text(text)
        for name, source in _PASTE.items():
            shutil.copy(pathlib.Path(sys.prefix, 'etc', source),
                        self.path / name)

    def run(self, *phases, localrc='', hosts='devstack',
            services=SERVICES):
        """Return the settings that DevStack has after these phases.

        :raises AssertionError: if one has ended with an error.
        """
        return call(self.path, *phases, RECORD=str(self._record),
                    ENABLED_SERVICES=services, LOCALRC=localrc, HOSTS=hosts)

    @property
    def commands(self):
        """What was called, one line each."""
        return self._record.read_text().splitlines()

    def text(self, name):
        """Return what stands in a file."""
        return (self.path / name).read_text()

    def files(self):
        """Return all files that DevStack or the plugin has written."""
        return {str(path.relative_to(self.path)): path.read_text()
                for service in ('nova', 'cinder', 'glance')
                for path in (self.path / service).rglob('*')
                if path.is_file()}
