# SPDX-License-Identifier: Apache-2.0
"""Where the jobs, the locks and the policy are. Pure.

No catalogue has them, so whoever uses the commands says it, mostly below the
key ``dcn`` of the cloud in clouds.yaml::

    dcn:
      policy_file: /etc/glance/placement.yaml
      jobs_url: dcn-etcd3+http://central1:2379,central2:2379
      locks_url: dcn-etcd3+http://etcd.{site}.example.org:2379
      sites:
        dcn1:
          locks_url: dcn-etcd3+http://10.1.0.9:2379

``secure.yaml`` may hold the same keys; clouds.yaml and it are merged.
"""

import dataclasses

from dcn_plugins import exceptions

_KEYS = ('policy_file', 'jobs_url', 'locks_url', 'sites')
_SITE_KEYS = ('locks_url',)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is known of a cloud beside its catalogue.

    :param policy_file: of the placement policy, on this host.
    :param jobs_url: of the central etcd, as ``[dcn] placement_jobs_url``.
    :param locks_url: of the etcd of each site, with ``{site}``.
    :param sites: dictionaries by the name of a site, that outrank it.
    :param source: who says so, for people.
    """

    policy_file: str | None = None
    jobs_url: str | None = None
    locks_url: str | None = None
    sites: dict = dataclasses.field(default_factory=dict)
    source: str = 'clouds.yaml'

    def locks_url_of(self, site):
        """Return the URL of a site's etcd, or ``None``."""
        # clouds.yaml turns "-" in keys into "_".
        own = (self.sites.get(site)
               or self.sites.get(site.replace('-', '_')) or {})
        url = own.get('locks_url') or self.locks_url
        return url.replace('{site}', site) if url else None

    def remedy(self, key):
        """Return how to set one of them, as a sentence."""
        return f'Set {key} below "dcn" in {self.source}'


def settings_of(values, source):
    """Return the :class:`Settings` of what YAML says.

    :raises ConfigError: that names the key; it does not tell the value, which
        may hold a password.
    """
    values = {} if values is None else values
    _check(values, _KEYS, source, 'dcn')
    sites = values.get('sites') or {}
    if not isinstance(sites, dict):
        raise exceptions.ConfigError(
            source, 'dcn.sites is no mapping',
            'Write the name of a site, and below it locks_url')
    for name, own in sites.items():
        _check(own, _SITE_KEYS, source, f'dcn.sites.{name}')
    return Settings(**{**values, 'sites': sites}, source=source)


def _check(values, keys, source, where):
    if not isinstance(values, dict):
        raise exceptions.ConfigError(
            source, f'{where} is no mapping', f'Use {", ".join(keys)}')
    for key, value in values.items():
        if key not in keys:
            raise exceptions.ConfigError(
                source, f'{where}.{key} means nothing',
                f'Use {", ".join(keys)}')
        if key != 'sites' and not (value is None or isinstance(value, str)):
            raise exceptions.ConfigError(
                source, f'{where}.{key} is no text', 'Put it into quotes')
