# SPDX-License-Identifier: Apache-2.0
"""The jobs below the namespace of a URL, for whoever is no worker."""

from dcn_plugins.locking import connection
from dcn_plugins.placement import jobs
from dcn_plugins.placement import numbers


def prefix_of(settings):
    """Return the prefix of all keys of image placement.

    :param settings: :class:`~dcn_plugins.locking.connection.Settings`.
    """
    return f'{settings.namespace}/placement'


class ConnectedJobs:
    """Jobs and numbers; nothing is asked of etcd before the first call.

    :param source: the option that has the URL, for errors.
    :raises ConfigError: if the URL or a file for TLS is of no use.
    """

    def __init__(self, url, source):
        settings = connection.settings_of(url, source)
        self._connection = connection.Connection(settings, source=source)
        client, prefix = self._connection.client, prefix_of(settings)
        self.jobs = jobs.Jobs(client, prefix)
        self.numbers = numbers.Numbers(client, prefix)

    def close(self):
        """Close the connections; never raises."""
        self._connection.close()
