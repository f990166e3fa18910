# SPDX-License-Identifier: Apache-2.0
"""Read what all services say of all sites, all of them at the same time."""

import collections
import dataclasses
import functools
import time

from dcn_plugins import exceptions
from dcn_plugins.osc import cloud as clouds
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import reading
from dcn_plugins.osc import site_entry
from dcn_plugins.osc import site_facts
from dcn_plugins.osc import site_services
from dcn_plugins.placement import image as images
from dcn_plugins.placement import verdict

#: How long the etcd of one site may take: several round trips of a slow line.
SITE_SECONDS = 1.0

#: How long one service of the centre may take, for one request.
SERVICE_SECONDS = 20.0


class Pane:
    """All sites as they are now.

    :param client: :class:`~dcn_plugins.osc.client.Client`.
    :param site_seconds: how long a service of one site may take.
    :param service_seconds: how long a service of the centre may take.
    """

    def __init__(self, client, site_seconds=SITE_SECONDS,
                 service_seconds=SERVICE_SECONDS, clock=time.time):
        self._client = client
        self._cloud = client.cloud
        self._site_seconds = site_seconds
        self._service_seconds = service_seconds
        self._clock = clock
        #: Hosts in two sites at once, see ``site_entry``; after ``sites``.
        self.astray = {}

    def entries(self):
        """Return each site, by its name.

        :raises ServiceError: if Nova does not tell: nothing else knows them.
        """
        return site_entry.entries_of(self.aggregates())

    def aggregates(self):
        """Return the aggregates of Nova.

        :raises ServiceError: if it does not tell.
        """
        return self._cloud.aggregates(self._service_seconds)

    def sites(self, names=None):
        """Return the :class:`~dcn_plugins.osc.site_facts.SiteFacts` of sites.

        :param names: of some; all unless given.
        :raises ServiceError: if Nova does not tell which there are.
        :raises ConfigError: if there is no such site.
        """
        aggregates = self.aggregates()
        self.astray = site_entry.hosts_astray(aggregates)
        entries = chosen(site_entry.entries_of(aggregates), names)
        answers = self._answers(entries)
        return [site_facts.facts_of(entry, answers)
                for entry in entries.values()]

    def _answers(self, entries):
        begun = {key: reading.Reading(read, self._service_seconds,
                                      self._clock)
                 for key, read in self._central(entries).items()}
        locks = remembered(self._client, reading.read_all(
            {name: functools.partial(self._locks, name) for name in entries},
            self._site_seconds, self._clock))
        told = {key: one.fact() for key, one in begun.items()}
        self._client.memory.save()
        rooms = {name: told[chunk] for chunk in told
                 if isinstance(chunk, tuple) for name in chunk}
        told = {key: found for key, found in told.items()
                if not isinstance(key, tuple)}
        services = site_services.Services(*(told.pop(name) for name in (
            'computes', 'volume_services', 'pools')))
        told['wanted'] = self._wanted(told['images'], told['stores'])
        return site_facts.Answers(rooms={
            name: rooms.get(name, facts.Fact({})) for name in entries},
            locks=locks, services=services, **told)

    def _central(self, entries):
        cloud = self._cloud
        found = {'computes': cloud.computes, 'hypervisors': cloud.hypervisors,
                 'volume_services': cloud.volume_services,
                 'clusters': cloud.clusters, 'pools': cloud.pools,
                 'stores': cloud.stores, 'images': cloud.images,
                 'jobs': self._jobs}
        for sites, aggregates in chunks(entries):
            found[sites] = functools.partial(cloud.room, aggregates)
        return found

    def _jobs(self, _seconds):
        jobs = self._client.jobs
        if jobs is None:
            return facts.unasked(self._client.settings.remedy('jobs_url'))
        return jobs.entries()

    def _locks(self, name, seconds):
        found = self._client.locks_of(name, seconds)
        if found is None:
            return facts.unasked(self._client.settings.remedy('locks_url'))
        try:
            value = {'keys': found.count(seconds)}
        except exceptions.EtcdUnavailable:
            return facts.Fact(
                problem=f'etcd does not answer within {seconds:g} s')
        self._client.memory.note(name, 'locks', self._clock())
        return value

    def _wanted(self, listed, stores):
        """Return the fact which images are wanted in each store."""
        policy = policy_of(self._client, self._clock)
        for told in (policy, listed, stores):
            if not told.is_known:
                return told
        names = writable(stores.value)
        wanted = collections.defaultdict(set)
        for image in listed.value:
            for store in verdict.decide(images.image_of(image), policy.value,
                                        names, self._clock()).wanted:
                wanted[store].add(image['id'])
        return facts.Fact(dict(wanted), listed.at)


def remembered(client, told):
    """Return what etcds have told; of those that are silent, since when.

    :param told: facts by the name of a site.
    """
    return {name: fact if fact.is_known or not fact.is_asked else
            dataclasses.replace(
                fact, at=client.memory.heard_at(name, 'locks'))
            for name, fact in told.items()}


def policy_of(client, clock):
    """Return the fact which placement policy is in force; never raises."""
    try:
        policy = client.policy
    except exceptions.ConfigError as exc:
        return facts.Fact(problem=str(exc))
    if policy is None:
        return facts.unasked(client.settings.remedy('policy_file'))
    return facts.Fact(policy, clock())


def writable(stores):
    """Return the names of the stores that images can be copied to."""
    return frozenset(store['id'] for store in stores
                     if str(store.get('read-only')).lower() != 'true')


def chosen(entries, names):
    """Return some of all sites, or all of them if none is named.

    :raises ConfigError: that names those that there are.
    """
    if not names:
        return entries
    unknown = sorted(set(names) - entries.keys())
    if unknown:
        raise exceptions.ConfigError(
            'Nova', f'there is no site {", ".join(unknown)}',
            f'Name some of {", ".join(entries) or "those"}' if entries else
            'Make one with "openstack dcn site create"')
    return {name: entries[name] for name in entries if name in set(names)}


def chunks(entries):
    """Yield ``(names of sites, UUIDs of their aggregates)``, not too many."""
    names, uuids = [], []
    for name, entry in entries.items():
        mine = [aggregate['uuid'] for aggregate in entry.aggregates
                if aggregate['hosts']]
        if not mine:
            continue
        if uuids and len(uuids) + len(mine) > clouds.MOST_AGGREGATES:
            yield tuple(names), tuple(uuids)
            names, uuids = [], []
        names.append(name)
        uuids += mine
    if uuids:
        yield tuple(names), tuple(uuids)
