# SPDX-License-Identifier: Apache-2.0
"""The jobs in etcd as one process of glance-api has them."""

import os
import secrets
import socket

from dcn_plugins.locking import connection
from dcn_plugins.locking import locks
from dcn_plugins.placement import connected
from dcn_plugins.placement import image_scrubs
from dcn_plugins.placement import job_claims
from dcn_plugins.placement import job_reports
from dcn_plugins.placement import jobs
from dcn_plugins.placement import numbers
from dcn_plugins.placement import removals

SOURCE = 'glance-api.conf [dcn] placement_jobs_url'

_shared = {}


class PlacementJobs:
    """Jobs, claims and locks below the namespace of a URL.

    Nothing is asked of etcd before the first call of one of them.

    :raises ConfigError: if the URL is of no use.
    """

    def __init__(self, url):
        settings = connection.settings_of(url, SOURCE)
        self._connection = connection.Connection(settings, source=SOURCE)
        # No other process has it: a number is used again after a restart.
        self.holder = (f'{socket.gethostname()}:{os.getpid()}:'
                       f'{secrets.token_hex(4)}')
        prefix = connected.prefix_of(settings)
        client, own = self._connection.client, self._connection.session
        self.jobs = jobs.Jobs(client, prefix)
        self.reports = job_reports.JobReports(client, prefix)
        self.numbers = numbers.Numbers(client, prefix)
        self.claims = job_claims.JobClaims(client, own, prefix, self.holder)
        self.removals = removals.Removals(client, prefix)
        self.scrubs = image_scrubs.ImageScrubs(client, prefix)
        self.locks = locks.Locks(client, own, f'{prefix}/l',
                                 holder=self.holder)

    def close(self):
        """Give the lease back, and with it all claims; never raises."""
        self._connection.close()


def of(conf):
    """Return the :class:`PlacementJobs` of this process, or ``None``.

    ``None`` if there is no policy or no etcd for it. A process that was forked
    gets its own.

    :raises ConfigError: if the URL is of no use.
    """
    url = conf.dcn.placement_jobs_url
    if not url or not conf.dcn.placement_policy_file:
        return None
    key = os.getpid(), url
    # Of two at the same time one wins; the other has asked for nothing yet.
    return _shared.get(key) or _shared.setdefault(key, PlacementJobs(url))
