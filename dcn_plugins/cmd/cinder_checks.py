# SPDX-License-Identifier: Apache-2.0
"""Checks of a cinder.conf: locks, scheduler, health.

Cinder is not imported: its options are global to the process. The few that
are looked at are known by their names here.
"""

import urllib.parse

from oslo_config import cfg

from dcn_plugins.cmd import ceph_checks
from dcn_plugins.cmd import dcn_options
from dcn_plugins.cmd import etcd_checks
from dcn_plugins.cmd import paste_file
from dcn_plugins.cmd import results
from dcn_plugins.conf import opts
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request
from dcn_plugins.locking import connection

OUR_DRIVER = 'dcn_plugins.cinder.rbd_driver.DCNRBDDriver'
STOCK_DRIVER = 'cinder.volume.drivers.rbd.RBDDriver'

_OPTS = [
    cfg.StrOpt('cluster'),
    cfg.BoolOpt('allow_availability_zone_fallback', default=False),
    cfg.ListOpt('enabled_backends', default=[]),
    cfg.ListOpt('scheduler_default_filters', default=[
        'AvailabilityZoneFilter', 'CapacityFilter', 'CapabilitiesFilter']),
    cfg.ListOpt('scheduler_default_weighers', default=['CapacityWeigher']),
    cfg.StrOpt('api_paste_config', default='api-paste.ini')]
_BACKEND_URL = cfg.StrOpt('backend_url', default='file://$state_path',
                          secret=True)
_DRIVER = cfg.StrOpt('volume_driver')
_RBD = ('rbd_pool', 'rbd_ceph_conf', 'rbd_user')
# As in the driver, which cannot be imported without Cinder.
_NODE_LOCAL = ('', 'file', 'ipc', 'zake')


def register_opts(conf):
    """Register what the checks read, before the files are parsed."""
    conf.register_opts(_OPTS)
    conf.register_opt(cfg.StrOpt('state_path', default='/var/lib/cinder'))
    conf.register_opt(_BACKEND_URL, 'coordination')
    for group, options in opts.list_cinder_opts():
        name = getattr(group, 'name', group)
        conf.register_opts(options, name)


class CinderChecks:
    """The checks of one cinder.conf and of what it names.

    :param conf: options of :func:`register_opts`; parsed by the time a check
        is run.
    """

    def __init__(self, conf):
        self._conf = conf

    def all(self):
        """Return ``[(name, function)]``."""
        return [
            ('Options of [dcn]', self.options),
            ('Drivers of the backends', self.drivers),
            ('Ceph of the backends', self.pools),
            ('Coordination', self.coordination),
            ('etcd of the site', self.etcd),
            ('tooz', etcd_checks.tooz),
            ('Availability zones', self.zones),
            ('Scheduler filters', self.filters),
            ('Scheduler weighers', self.weighers),
            ('Health check', self.health)]

    def options(self):
        """Find options that are unknown or without a valid value."""
        return dcn_options.check(self._conf, [
            opt for group, options in opts.list_cinder_opts()
            if getattr(group, 'name', group) == 'dcn' for opt in options])

    def drivers(self):
        """Find backends whose driver takes no locks, or is misspelt."""
        failures, warnings = [], []
        drivers = self._drivers()
        for backend, path in drivers.items():
            if path.startswith('dcn_plugins.') and path != OUR_DRIVER:
                failures.append(f'[{backend}] volume_driver = {path}: there '
                                f'is no such driver. Write {OUR_DRIVER}.')
            elif path == STOCK_DRIVER:
                warnings.append(
                    f'[{backend}] has the stock RBD driver, which looks at '
                    'no answer of the lock service. Set volume_driver = '
                    f'{OUR_DRIVER}.')
        if not drivers:
            warnings.append('enabled_backends is empty: this is no '
                            'cinder.conf of a cinder-volume.')
        return results.of(failures, warnings)

    def pools(self):
        """Ask the pools of the backends, and tell in which Ceph they are."""
        found = []
        for backend, path in self._drivers().items():
            if path not in (OUR_DRIVER, STOCK_DRIVER):
                continue
            values = ceph_checks.values_of(
                self._conf, (backend, ceph_checks.SHARED), _RBD)
            found.append(request.Place(
                f'[{backend}]',
                values['rbd_ceph_conf'] or ceph_checks.DEFAULT_CONF,
                values['rbd_user'] or ceph_checks.DEFAULT_USER,
                values['rbd_pool'] or 'rbd'))
        return ceph_checks.answer(found)

    def coordination(self):
        """Find locks that end at the node, or at which nobody is cut off."""
        url = self._conf.coordination.backend_url or ''
        scheme = urllib.parse.urlsplit(url).scheme
        has_ours = OUR_DRIVER in self._drivers().values()
        if scheme in _NODE_LOCAL:
            if not self._conf.cluster:
                return results.success('One cinder-volume by itself.')
            return results.failure(
                f'cluster = {self._conf.cluster}, but the locks of '
                f'{connection.BACKEND_URL} ({scheme or "empty"}) end at this '
                'node: two of them may work on one volume. Name the etcd of '
                f'the site: {connection.SCHEMES[0]}://HOST:PORT,HOST:PORT.')
        if scheme in connection.SCHEMES:
            try:
                connection.settings_of(url, connection.BACKEND_URL)
            except exceptions.ConfigError as exc:
                return results.failure(f'{exc}.')
            return results.success()
        if not has_ours:
            return results.success()
        return results.warning(
            f'{connection.BACKEND_URL} is not of our driver of tooz '
            f'({scheme}): who has lost a lock is not cut off from Ceph. Stop '
            'all cinder-volumes of the site and write '
            f'{connection.SCHEMES[0]}://.')

    def etcd(self):
        """Ask the etcd of the site for a write that changes nothing."""
        url = self._conf.coordination.backend_url or ''
        if 'etcd3+' not in url.partition('://')[0]:
            return results.success('Locks are not in etcd.')
        return etcd_checks.answer(url, connection.BACKEND_URL,
                                  'cinder-volume does not start.')

    def zones(self):
        """Find that volumes may be made in another site than was asked."""
        if not self._conf.allow_availability_zone_fallback:
            return results.success()
        return results.warning(
            'allow_availability_zone_fallback is true: a volume for a site '
            'that has no cinder-volume is made at another one, and nothing '
            'says so. Remove it from the cinder.conf of cinder-api.')

    def filters(self):
        """Find filters that are missing or in an order that weakens them."""
        names = self._conf.scheduler_default_filters
        return _scheduler('scheduler_default_filters', names,
                          'cinder.scheduler.filters', 'DCNSiteFilter',
                          'volumes may go to sites that are closed')

    def weighers(self):
        """Find weighers that are missing."""
        names = self._conf.scheduler_default_weighers
        return _scheduler('scheduler_default_weighers', names,
                          'cinder.scheduler.weights', 'DCNSiteWeigher',
                          'no site comes before another', has_order=False)

    def health(self):
        """Judge what /healthcheck of cinder-api asks."""
        path = self._conf.find_file(self._conf.api_paste_config)
        if path is None:
            return results.success(
                'skipped: there is no api_paste_config '
                f'({self._conf.api_paste_config}) here.')
        url = self._conf.dcn.health_etcd_url or (
            self._conf.coordination.backend_url or '')
        has_etcd = 'etcd3+' in url.partition('://')[0]
        try:
            paste = paste_file.PasteFile(path, 'api_paste_config')
        except exceptions.ConfigError as exc:
            return results.warning(f'{exc}.')
        return paste_file.health(paste, {
            paste_file.DLM: None if has_etcd else (
                'neither [dcn] health_etcd_url nor '
                f'{connection.BACKEND_URL} names an etcd'),
            paste_file.STORES: 'it is for glance-api'})

    def _drivers(self):
        """Return the class paths of the enabled backends."""
        found = {}
        for backend in self._conf.enabled_backends:
            self._conf.register_opt(_DRIVER, backend)
            found[backend] = self._conf[backend].volume_driver or ''
        return found


def _scheduler(option, names, namespace, ours, harm, has_order=True):
    lost = etcd_checks.missing(namespace, names)
    if lost:
        return results.failure(
            f'{", ".join(lost)} of {option} is not installed: '
            'cinder-scheduler does not start. Correct the name, or install '
            'what has it.')
    if ours not in names:
        return results.warning(f'{ours} is not in {option}: {harm}.')
    if has_order and names[0] != ours:
        return results.warning(
            f'{ours} is not the first of {option}: others work on backends '
            'that it would have taken out. Put it first.')
    return results.success()
