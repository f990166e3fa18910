# SPDX-License-Identifier: Apache-2.0
"""All that a command uses: APIs, etcd, settings."""

import dataclasses
import functools
import hashlib
import os

import yaml

from dcn_plugins import exceptions
from dcn_plugins.locking import connection
from dcn_plugins.locking import lock_breaker
from dcn_plugins.locking import lock_keys
from dcn_plugins.osc import cloud
from dcn_plugins.osc import etcd_member
from dcn_plugins.osc import lock_list
from dcn_plugins.osc import memory
from dcn_plugins.osc import settings
from dcn_plugins.placement import connected
from dcn_plugins.placement import image_scrubs
from dcn_plugins.placement import jobs
from dcn_plugins.placement import policy_text
from dcn_plugins.placement import removals

CLOUDS = 'clouds.yaml'


class Client:
    """What the commands of one call have; it asks nobody for anything yet.

    :param session: of keystoneauth.
    :param options: of the cloud, as clouds.yaml and the command line say:
        ``dcn_config_file``, or else ``dcn``, and ``auth``.
    :param source: what has ``dcn``, for people.
    :raises ConfigError: if the settings are of no use.
    """

    def __init__(self, session, options, interface=None, region=None,
                 source=CLOUDS):
        path = options.get('dcn_config_file')
        self.settings = (_read(path) if path else settings.settings_of(
            options.get('dcn'), source))
        self.cloud = cloud.Cloud(session, interface, region)
        self.memory = memory.Memory(_memory_path(options))
        self._session = session
        self._connections = []

    @property
    def project_id(self):
        """The project that the credentials are of, or ``None``.

        :raises keystoneauth1.exceptions.ClientException: if Keystone does not
            tell.
        """
        return self._session.get_project_id()

    @functools.cached_property
    def policy(self):
        """The placement policy, or ``None`` if none is named.

        :raises ConfigError: if it is of no use.
        """
        path = self.settings.policy_file
        if not path:
            return None
        try:
            with open(path, encoding='utf-8') as file:
                return policy_text.policy_of(file.read(), path)
        except (OSError, UnicodeDecodeError) as exc:
            raise exceptions.ConfigError(
                path, f'it cannot be read: {exc}',
                self.settings.remedy('policy_file')) from exc

    @functools.cached_property
    def jobs(self):
        """All jobs of the cloud, or ``None`` if no etcd is named.

        :raises ConfigError: if the URL is of no use.
        """
        found = self._placement
        return found and jobs.Jobs(*found)

    def needed_jobs(self):
        """Return all jobs of the cloud.

        :raises ConfigError: if no etcd is named.
        """
        self._need_placement()
        return self.jobs

    def needed_removals(self):
        """Return all removals of the cloud.

        :raises ConfigError: if no etcd is named.
        """
        self._need_placement()
        return removals.Removals(*self._placement)

    def needed_scrubs(self):
        """Return all requests of the cloud to compare copies.

        :raises ConfigError: if no etcd is named.
        """
        self._need_placement()
        return image_scrubs.ImageScrubs(*self._placement)

    def _need_placement(self):
        if self._placement is None:
            raise exceptions.ConfigError(
                self.settings.source, 'it does not say where the jobs are',
                f'{self.settings.remedy("jobs_url")}, to what '
                '[dcn] placement_jobs_url of glance-api.conf is')

    @functools.cached_property
    def _placement(self):
        url = self.settings.jobs_url
        if not url:
            return None
        found, client = self._etcd(url, 'jobs_url')
        return client, connected.prefix_of(found)

    def locks_of(self, site, seconds):
        """Return the :class:`~dcn_plugins.osc.lock_list.LockList` of a site.

        ``None`` if no etcd is named for it.

        :param seconds: within which all its members are to be tried.
        :raises ConfigError: if the URL is of no use.
        """
        found = self._locks(site, seconds)
        return found and lock_list.LockList(*found)

    def lock_breaker_of(self, site, seconds):
        """Return a :class:`~dcn_plugins.locking.lock_breaker.LockBreaker`.

        ``None`` if no etcd is named for the site; see :meth:`locks_of`.
        """
        found = self._locks(site, seconds)
        return found and lock_breaker.LockBreaker(*found)

    def _locks(self, site, seconds):
        url = self.settings.locks_url_of(site)
        if not url:
            return None
        found, client = self._etcd(url, 'locks_url', seconds)
        return client, lock_keys.Keys(f'{found.namespace}/locks')

    def lock_connection_of(self, site):
        """Return the settings of a site's etcd and a connection to it.

        A :class:`~dcn_plugins.locking.connection.Connection`, which can take
        locks as a cinder-volume does; ``None`` twice if no etcd is named for
        the site. Whoever has it closes it.

        :raises ConfigError: if the URL, or a file it names, is of no use.
        """
        found, source = self._lock_settings(site)
        return found, found and connection.Connection(found, source=source)

    def lock_members_of(self, site):
        """Return the settings of a site's etcd, and an object for each member.

        Of :class:`~dcn_plugins.osc.etcd_member.EtcdMember`, by endpoint;
        ``None`` and none of them if no etcd is named for the site.

        :raises ConfigError: if the URL is of no use.
        """
        found, source = self._lock_settings(site)
        if found is None:
            return None, {}
        return found, {
            str(endpoint): etcd_member.EtcdMember(found, endpoint, source)
            for endpoint in found.endpoints}

    def _lock_settings(self, site):
        """Return the settings of a site's etcd, or ``None``, and who says."""
        url = self.settings.locks_url_of(site)
        source = f'{self.settings.source}, locks_url'
        return (connection.settings_of(url, source) if url else None), source

    def close(self):
        """Close the connections to etcd; never raises."""
        for one in self._connections:
            one.close()

    def _etcd(self, url, key, seconds=None):
        source = f'{self.settings.source}, {key}'
        found = connection.settings_of(url, source)
        if seconds is not None:
            # Else the first member that hangs takes all of the time.
            found = dataclasses.replace(found, attempt_seconds=min(
                found.attempt_seconds, seconds / len(found.endpoints)))
        made = connection.Connection(found, source=source)
        self._connections.append(made.client)
        return found, made.client


def _memory_path(options):
    # Of several clouds each has its own.
    auth = (options.get('auth') or {}).get('auth_url') or ''
    digest = hashlib.sha256(auth.encode()).hexdigest()[:16]
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.path.join(base, 'dcn_plugins', f'{digest}.json')


def _read(path):
    try:
        with open(path, encoding='utf-8') as file:
            found = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        # What yaml says has a part of the file, which may hold a password.
        reason = (exc.strerror if isinstance(exc, OSError) else
                  'it is no YAML in UTF-8')
        raise exceptions.ConfigError(
            path, f'it cannot be read: {reason}',
            'Correct --os-dcn-config-file or OS_DCN_CONFIG_FILE') from exc
    if isinstance(found, dict) and set(found) == {'dcn'}:
        found = found['dcn']
    return settings.settings_of(found, path)
