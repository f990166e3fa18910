# SPDX-License-Identifier: Apache-2.0
"""Checks of a glance-api.conf: copies, placement, health.

Glance's options are global to the process. The few that are looked at are
known by their names here.
"""

import importlib.metadata
import os

from keystoneauth1 import exceptions as ks_exceptions
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from dcn_plugins.cmd import ceph_checks
from dcn_plugins.cmd import dcn_options
from dcn_plugins.cmd import etcd_checks
from dcn_plugins.cmd import paste_file
from dcn_plugins.cmd import results
from dcn_plugins.conf import health
from dcn_plugins.conf import imagecopy
from dcn_plugins.conf import placement
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request
from dcn_plugins.placement import policy_text

JOBS_URL = '[dcn] placement_jobs_url'
POLICY_FILE = '[dcn] placement_policy_file'
COPY_DRIVER = 'dcn_copy'
PASTE_FILTER = 'dcn_placement'
FAN_OUT = 'dcn_fan_out'

_OPTS = [cfg.DictOpt('enabled_backends', default={})]
_GROUPS = {
    'paste_deploy': [cfg.StrOpt('flavor'), cfg.StrOpt('config_file')],
    'glance_store': [cfg.StrOpt('default_backend')],
    'oslo_messaging_notifications': [cfg.MultiStrOpt('driver', default=[])],
    'image_import_opts': [cfg.ListOpt('image_import_plugins', bounds=True,
                                      default=['no_op'])]}


#: The release of glance_store that first had it.
_SHARED_SINCE = 5
_RBD = ('rbd_store_ceph_conf', 'rbd_store_user', 'rbd_store_pool')


def register_opts(conf):
    """Register what the checks read, before the files are parsed."""
    conf.register_opts(_OPTS)
    for group, options in _GROUPS.items():
        conf.register_opts(options, group)
    imagecopy.register_opts(conf)
    placement.register_opts(conf)
    health.register_store_opts(conf)


class GlanceChecks:
    """The checks of one glance-api.conf and of what it names.

    :param conf: options of :func:`register_opts`; parsed by the time a check
        is run.
    """

    def __init__(self, conf):
        self._conf = conf

    def all(self):
        """Return ``[(name, function)]``."""
        return [
            ('Options of [dcn]', self.options),
            ('Notification driver', self.driver),
            ('Data path', self.data_path),
            ('Ceph of the stores', self.pools),
            ('Placement policy', self.policy),
            ('Placement jobs', self.jobs),
            ('Paste filter', self.paste_filter),
            ('Health check', self.health)]

    def options(self):
        """Find options that are unknown or without a valid value."""
        try:
            auth = imagecopy.auth_opts(self._conf)
        except ks_exceptions.NoMatchingPlugin:
            return results.failure(
                f'[dcn] auth_type = {self._conf.dcn.auth_type}: there is no '
                'such plugin, and images are not copied. Correct it.')
        return dcn_options.check(
            self._conf, imagecopy.OPTS + imagecopy.TLS_OPTS + placement.OPTS
            + health.OPTS + health.STORE_OPTS,
            ['auth_type', 'auth_section', *(opt.dest for opt in auth)])

    def driver(self):
        """Find notification drivers that are missing."""
        drivers = self._conf.oslo_messaging_notifications.driver
        lost = etcd_checks.missing('oslo.messaging.notify.drivers',
                                   filter(None, drivers))
        warnings = [f'{name} is no notification driver of this environment: '
                    'it is left out. Correct the name.' for name in lost]
        if COPY_DRIVER not in drivers:
            warnings.append(
                f'{COPY_DRIVER} is no driver of [oslo_messaging_'
                'notifications]: no image is copied because of dcn_sites or '
                'of the placement policy. Add a line "driver = '
                f'{COPY_DRIVER}".')
        return results.of([], warnings)

    def data_path(self):
        """Find what keeps copies from going our way, where they should."""
        if self._conf.dcn.copy_data_path != imagecopy.DCN:
            return results.success('Glance copies in its own way.')
        warnings = []
        if etcd_checks.missing('glance.image_import.internal_plugins',
                               ['copy_image']):
            warnings.append('The plugin copy_image is not installed.')
        plugins = self._conf.image_import_opts.image_import_plugins
        if FAN_OUT in plugins and plugins[-1] != FAN_OUT:
            warnings.append(
                f'{FAN_OUT} is not the last of image_import_plugins: what '
                f'comes behind it ({", ".join(_behind(plugins))}) does not '
                'change the copies. Put it last.')
        try:
            # Only here, as it imports Glance.
            from dcn_plugins.glance import upstream_shape
            warnings += [f'This Glance is not known: {text}. It copies in '
                         'its own way.' for text in
                         upstream_shape.differences()]
        except ImportError as exc:
            warnings.append(f'skipped: Glance cannot be imported ({exc}).')
        return results.of([], warnings)

    def pools(self):
        """Ask the pools of the stores, and tell in which Ceph they are."""
        found, without = [], []
        shared = [ceph_checks.SHARED] if _has_shared_options() else []
        for store, kind in self._conf.enabled_backends.items():
            if kind != 'rbd':
                continue
            values = ceph_checks.values_of(self._conf, (store, *shared), _RBD)
            if values['rbd_store_user']:
                found.append(request.Place(
                    f'[{store}]', values['rbd_store_ceph_conf']
                    or ceph_checks.DEFAULT_CONF, values['rbd_store_user'],
                    values['rbd_store_pool'] or 'images'))
            else:
                without.append(
                    f'[{store}] has no rbd_store_user: dcn_plugins leaves it '
                    'to Glance. Set it.')
        told = ceph_checks.answer(found)
        if without and told.code is not upgradecheck.Code.FAILURE:
            return results.warning(' '.join(
                [*without, *filter(None, [told.details])]))
        return told

    def policy(self):
        """Find mistakes in the placement policy, and stores it invents."""
        path = self._conf.dcn.placement_policy_file
        if not path:
            return results.success('There is none.')
        try:
            with open(path, encoding='utf-8') as file:
                policy = policy_text.policy_of(file.read(), path)
        except (OSError, UnicodeDecodeError) as exc:
            return results.failure(
                f'{POLICY_FILE} cannot be read: {exc}. A glance-api that is '
                'started now answers 503 to copies.')
        except exceptions.InvalidPolicy as exc:
            return results.failure(f'{exc}.')
        if not self._conf.enabled_backends:
            return results.warning('There is a placement policy, but no '
                                   'enabled_backends: it has no effect.')
        return results.of([], [
            f'{path} line {line}: there is no store {name!r} in '
            'enabled_backends of this glance-api.' for line, name in
            policy.strangers(frozenset(self._conf.enabled_backends))])

    def jobs(self):
        """Ask the etcd of the jobs for a write that changes nothing."""
        url = self._conf.dcn.placement_jobs_url
        if not url:
            if self._conf.dcn.placement_policy_file:
                return results.warning(
                    f'{JOBS_URL} is not set: the policy forbids, but nothing '
                    'is copied because of it.')
            return results.success('There are none.')
        if not self._conf.dcn.placement_policy_file:
            return results.warning(f'{JOBS_URL} has no effect: '
                                   f'{POLICY_FILE} is not set.')
        return etcd_checks.answer(url, JOBS_URL, 'Images are not copied.')

    def paste_filter(self):
        """Find a pipeline that does not ask the policy."""
        if not self._conf.dcn.placement_policy_file:
            return results.success('There is no placement policy.')
        try:
            paste = self._paste()
        except exceptions.ConfigError as exc:
            return results.warning(f'{exc}.')
        flavor = self._conf.paste_deploy.flavor
        suffix = f'-{flavor}' if flavor else ''
        names = paste.pipeline(('composite:api', flavor or 'default'),
                               (f'pipeline:glance-api{suffix}', 'pipeline'))
        if not names:
            return results.warning(f'{paste.path} has no pipeline for '
                                   f'[paste_deploy] flavor = {flavor}.')
        ours = [at for at, name in enumerate(names)
                if name in paste.factories(PASTE_FILTER)]
        if not ours:
            return results.failure(
                f'{paste.path}: {PASTE_FILTER} is not in the pipeline of '
                f'[paste_deploy] flavor = {flavor}, so no residency is '
                'enforced here. Put it behind "context".')
        if 'context' not in names[:ours[0]]:
            return results.failure(
                f'{paste.path}: {PASTE_FILTER} is not behind "context" in '
                'the pipeline, so it cannot tell whose request it is. Move '
                'it.')
        return results.success()

    def health(self):
        """Judge what /healthcheck asks."""
        try:
            paste = self._paste()
        except exceptions.ConfigError as exc:
            return results.warning(f'{exc}.')
        stores = self._conf.dcn.health_stores or [
            self._conf.glance_store.default_backend]
        others = [str(store) for store in stores
                  if self._conf.enabled_backends.get(store) != 'rbd']
        return paste_file.health(paste, {
            paste_file.DLM: None if self._conf.dcn.health_etcd_url else (
                '[dcn] health_etcd_url is not set'),
            paste_file.STORES: others and (
                f'{", ".join(others)} is no RBD store of enabled_backends')})

    def _paste(self):
        """Return the paste file that glance-api would take."""
        path = self._conf.paste_deploy.config_file
        if not path:
            # As Glance does.
            own = (self._conf.config_file or ['glance-api.conf'])[-1]
            path = own.replace('.conf', '-paste.ini')
        found = path if os.path.isabs(path) else self._conf.find_file(path)
        return paste_file.PasteFile(found or path,
                                    '[paste_deploy] config_file')


def _behind(plugins):
    return plugins[plugins.index(FAN_OUT) + 1:]


def _has_shared_options():
    """Return whether stores have what ``[backend_defaults]`` says."""
    try:
        version = importlib.metadata.version('glance_store')
    except importlib.metadata.PackageNotFoundError:
        return False
    return int(version.partition('.')[0]) >= _SHARED_SINCE
