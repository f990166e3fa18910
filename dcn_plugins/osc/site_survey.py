# SPDX-License-Identifier: Apache-2.0
"""Read all that a check of one site judges, all of it at the same time."""

import functools
import time

from dcn_plugins import exceptions
from dcn_plugins.locking import lease
from dcn_plugins.osc import etcd_findings
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading
from dcn_plugins.osc import site_entry
from dcn_plugins.osc import site_findings

#: Of the key of what placement says of an aggregate; its UUID is the other.
_MIRROR = 'mirror'


class SiteSurvey:
    """What all services say of one site.

    :param client: :class:`~dcn_plugins.osc.client.Client`.
    :param name: of the site.
    :param site_seconds: how long each member of its etcd may take.
    :param service_seconds: how long a service of the centre may take.
    """

    def __init__(self, client, name, site_seconds, service_seconds,
                 clock=time.time):
        self._client = client
        self._cloud = client.cloud
        self._name = name
        self._site_seconds = site_seconds
        self._service_seconds = service_seconds
        self._clock = clock

    def answers(self):
        """Return the :class:`~dcn_plugins.osc.site_findings.Answers`.

        :raises ServiceError: if Nova does not tell which sites there are.
        :raises ConfigError: if there is no such site, or the URL of its etcd
            is of no use.
        """
        aggregates = self._cloud.aggregates(self._service_seconds)
        entries = site_entry.entries_of(aggregates)
        entry = pane.chosen(entries, [self._name])[self._name]
        begun = {key: reading.Reading(read, self._service_seconds,
                                      self._clock)
                 for key, read in self._central(entry).items()}
        etcd = self._etcd()
        told = {key: one.fact() for key, one in begun.items()}
        mirrors = {key[1]: told.pop(key) for key in list(told)
                   if isinstance(key, tuple)}
        return site_findings.Answers(
            aggregates=aggregates, mirrors=mirrors,
            policy=pane.policy_of(self._client, self._clock),
            writable=pane.writable(told['stores'].value or ()), etcd=etcd,
            clocks=self._cloud.clocks, seconds=self._service_seconds,
            now=self._clock(), **told)

    def _central(self, entry):
        cloud = self._cloud
        found = {name: getattr(cloud, name) for name in (
            'computes', 'hypervisors', 'flavors', 'volume_services',
            'clusters', 'pools', 'volume_types', 'stores', 'images')}
        found['store_details'] = self._details
        found['jobs'] = self._jobs
        for aggregate in entry.aggregates:
            if aggregate['hosts']:
                found[_MIRROR, aggregate['uuid']] = functools.partial(
                    cloud.providers_in, aggregate['uuid'])
        return found

    def _details(self, seconds):
        try:
            return self._cloud.store_details(seconds)
        except exceptions.ServiceError as exc:
            if exc.status not in (403, 404):
                raise
            # An answer, and not silence: this user may not see it.
            return facts.unasked(str(exc))

    def _jobs(self, _seconds):
        jobs = self._client.jobs
        if jobs is None:
            return facts.unasked(self._client.settings.remedy('jobs_url'))
        return jobs.entries()

    def _etcd(self):
        settings, members = self._client.lock_members_of(self._name)
        if settings is None:
            return etcd_findings.EtcdAnswers(facts.unasked(
                self._client.settings.remedy('locks_url')))
        told = reading.read_all(
            {None: self._quorum, **{name: member.read for name, member
                                    in members.items()}},
            self._site_seconds, self._clock)
        return etcd_findings.EtcdAnswers(
            told.pop(None), told, self._site_seconds, lease.attempt_seconds(
                settings.ttl_seconds, len(members)))

    def _quorum(self, seconds):
        return self._client.locks_of(self._name, seconds).count(seconds)
