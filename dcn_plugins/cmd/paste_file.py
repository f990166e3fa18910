# SPDX-License-Identifier: Apache-2.0
"""What a file of PasteDeploy says of pipelines and health checks."""

import configparser

from dcn_plugins.cmd import etcd_checks
from dcn_plugins.cmd import results
from dcn_plugins import exceptions

_HEALTH = 'oslo_middleware:Healthcheck.app_factory'
NAMESPACE = 'oslo.middleware.healthcheck'
DLM, STORES = 'dcn_dlm', 'dcn_stores'


class PasteFile:
    """A file of PasteDeploy, read once.

    :param source: the option that names it.
    :raises ConfigError: if it cannot be read.
    """

    def __init__(self, path, source):
        self.path = path
        # Values are not filled in: "%" is a sign like any other.
        self._parser = configparser.RawConfigParser(strict=False)
        self._parser.optionxform = str
        try:
            with open(path, encoding='utf-8') as file:
                self._parser.read_file(file)
        except (OSError, UnicodeDecodeError, configparser.Error) as exc:
            text = str(exc).splitlines()[0]
            raise exceptions.ConfigError(
                source, f'{path} cannot be read: {text}',
                'Name the file that the service uses') from exc

    def pipeline(self, *places):
        """Return the names in the first ``(section, option)`` there is.

        An empty list if there is none.
        """
        for section, option in places:
            if self._parser.has_option(section, option):
                return self._parser.get(section, option).split()
        return []

    def factories(self, name):
        """Return the sections of filters that are made by an entry point."""
        return [section.partition(':')[2]
                for section in self._parser.sections()
                if section.startswith('filter:') and self._parser.get(
                    section, 'use', fallback='').endswith(f'#{name}')]

    def health_backends(self):
        """Return the names of all checks of /healthcheck."""
        found = []
        for section in self._parser.sections():
            factory = self._parser.get(section, 'paste.app_factory',
                                       fallback='')
            if section.startswith('app:') and (
                    factory == _HEALTH or self._parser.get(
                        section, 'use', fallback='')
                    == 'egg:oslo.middleware#healthcheck'):
                names = self._parser.get(section, 'backends', fallback='')
                found += [name.strip() for name in names.split(',')]
        return [name for name in found if name]


def health(paste, faults):
    """Judge the checks of /healthcheck.

    :param faults: mapping of ours to why it checks nothing, or ``None``.
    """
    backends = paste.health_backends()
    lost = etcd_checks.missing(NAMESPACE, backends)
    warnings = [f'{paste.path}: {name} is no health check of this '
                'environment: it is left out. Correct its name.'
                for name in lost]
    warnings += [f'{paste.path}: {name} checks nothing and passes: {fault}.'
                 for name, fault in faults.items()
                 if fault and name in backends]
    if warnings:
        return results.of([], warnings)
    own = [name for name in (DLM, STORES) if name in backends]
    return results.success(None if own else (
        'None of ours is in backends of /healthcheck, so a load balancer '
        'does not see that a site has lost its etcd or its Ceph.'))
