# SPDX-License-Identifier: Apache-2.0
"""What the services of a site have in their configuration files. Pure.

Options that are the same at all sites of a cloud, as those of its database or
of RabbitMQ, are not here: they are in the files of the sites there are.
"""

import dataclasses
import uuid

_BACKEND = 'ceph'
# A name of its own for what names are made of; any fixed UUID would do.
_SECRETS = uuid.UUID('5f0f6f5e-2f0b-4b0e-9a39-0d7a3c7c9e11')


def secret_of(site):
    """Return the UUID of a site's secret of libvirt, the same each time."""
    return str(uuid.uuid5(_SECRETS, site))


@dataclasses.dataclass(frozen=True)
class SiteConfiguration:
    """One site, as its configuration files know it.

    :param zone: availability zone of its hosts.
    :param store: of Glance; ``central_store`` is that of the centre, or
        ``None`` if this is the centre.
    :param locks_url: of the coordinator of its cinder-volumes.
    :param jobs_url: of the central etcd, or ``None`` without placement.
    :param policy_file: of the placement policy on the hosts of glance-api.
    :param glance_url: of its glance-api, or ``None`` if it has none.
    :param user: of Ceph; ``conf`` is a path with ``{site}`` in it.
    :param secret_uuid: of the secret of libvirt with the user's key.
    """

    site: str
    zone: str
    store: str
    central_store: str | None
    locks_url: str
    jobs_url: str | None
    policy_file: str | None
    glance_url: str | None
    user: str
    conf: str
    secret_uuid: str

    @property
    def _conf(self):
        return self.conf.replace('{site}', self.site)

    def nova(self):
        """Return sections for nova.conf of each nova-compute."""
        return {
            'cinder': {'cross_az_attach': 'false'},
            'glance': {'api_servers': self.glance_url},
            'libvirt': {
                'images_type': 'rbd',
                'images_rbd_pool': 'vms',
                'images_rbd_ceph_conf': self._conf,
                'images_rbd_glance_store_name': self.store,
                'rbd_user': self.user,
                'rbd_secret_uuid': self.secret_uuid,
                'disk_cachemodes': 'network=writeback'}}

    def cinder(self):
        """Return sections for cinder.conf of each cinder-volume."""
        return {
            'DEFAULT': {
                'cluster': self.site,
                'storage_availability_zone': self.zone,
                'enabled_backends': _BACKEND,
                'glance_api_servers': self.glance_url},
            'coordination': {'backend_url': self.locks_url},
            _BACKEND: {
                'volume_driver':
                    'dcn_plugins.cinder.rbd_driver.DCNRBDDriver',
                'volume_backend_name': _BACKEND,
                'rbd_pool': 'volumes',
                'rbd_ceph_conf': self._conf,
                'rbd_user': self.user,
                'rbd_secret_uuid': self.secret_uuid,
                'rbd_flatten_volume_from_snapshot': 'false'}}

    def glance(self):
        """Return sections for glance-api.conf of each glance-api."""
        stores = [self.store] + [
            name for name in (self.central_store,) if name]
        return {
            'DEFAULT': {
                'enabled_backends': ','.join(
                    f'{store}:rbd' for store in stores),
                'enabled_import_methods':
                    '[glance-direct,web-download,copy-image]',
                'worker_self_reference_url': self.glance_url},
            'glance_store': {'default_backend': self.store},
            'image_import_opts': {
                'image_import_plugins': '[image_conversion,dcn_fan_out]'},
            'image_conversion': {'output_format': 'raw'},
            'oslo_messaging_notifications': {
                'driver': ('messagingv2', 'dcn_copy')},
            'dcn': {
                'copy_data_path': 'dcn',
                'placement_policy_file': self.policy_file,
                'placement_jobs_url': self.jobs_url},
            self.store: self._store(self._conf),
            **({self.central_store: self._store(
                self.conf.replace('{site}', self.central_store))}
               if self.central_store else {})}

    def _store(self, conf):
        return {'rbd_store_pool': 'images', 'rbd_store_user': self.user,
                'rbd_store_ceph_conf': conf}


def text_of(sections):
    """Return sections as oslo.config reads them; what is ``None`` is left out.

    :param sections: dictionaries of options, by the names of sections; an
        option with several values is a tuple.
    """
    lines = []
    for name, options in sections.items():
        said = [(key, value) for key, values in options.items()
                for value in (values if isinstance(values, tuple)
                              else (values,)) if value is not None]
        if said:
            lines += [f'[{name}]', *(f'{key} = {value}'
                                     for key, value in said), '']
    return '\n'.join(lines)
