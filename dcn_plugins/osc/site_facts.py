# SPDX-License-Identifier: Apache-2.0
"""What the answers of all services say of each site. Pure.

What a service of a site has reported is as old as its last sign of life, and
not as the answer of the API that repeats it. A site of which nobody gives a
sign of life is unknown since its last one.
"""

import collections
import dataclasses
import functools

from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import site_services

CLASSES = ('VCPU', 'MEMORY_MB')


@dataclasses.dataclass(frozen=True)
class Answers:
    """The :class:`~dcn_plugins.osc.fact.Fact` of each question.

    :param services: :class:`~dcn_plugins.osc.site_services.Services`.
    :param rooms: what placement says, by the name of a site.
    :param wanted: ids of the images that are wanted, by the name of a store.
    :param locks: what the etcd of a site says, by its name.
    """

    services: site_services.Services
    hypervisors: facts.Fact
    rooms: dict
    clusters: facts.Fact
    stores: facts.Fact
    images: facts.Fact
    wanted: facts.Fact
    jobs: facts.Fact
    locks: dict

    # Of hundreds of sites each looks for its own.

    @functools.cached_property
    def host_of_provider(self):
        """The name of a host by the UUID of its provider."""
        return {found['id']: (found.get('service') or {}).get('host')
                for found in self.hypervisors.value or ()}

    @functools.cached_property
    def images_of_store(self):
        """Ids of the images in a store, by its name."""
        found = collections.defaultdict(set)
        for image in self.images.value or ():
            for store in stores_of(image):
                found[store].add(image['id'])
        return dict(found)


@dataclasses.dataclass(frozen=True)
class SiteFacts:
    """One site; everything but its entry is a fact.

    :param entry: :class:`~dcn_plugins.osc.site_entry.SiteEntry`.
    """

    entry: object
    hosts: facts.Fact
    room: facts.Fact
    volumes: facts.Fact
    locks: facts.Fact
    store: facts.Fact
    images: facts.Fact
    backlog: facts.Fact

    @property
    def facts(self):
        """All facts by their names."""
        return {field.name: getattr(self, field.name)
                for field in dataclasses.fields(self)
                if field.name != 'entry'}

    @property
    def health(self):
        """The fact whether all is well: ``ok``, ``empty`` or what is not.

        It is unknown when no service of the site gives a sign of life.
        """
        signs = [found for found in (self.hosts, self.volumes)
                 if not (found.is_known and not found.value['total'])]
        if not signs:
            return facts.Fact('empty')
        if not any(found.is_known for found in signs):
            return facts.Fact(
                at=max((found.at for found in signs
                        if found.at is not None), default=None),
                problem='; '.join(dict.fromkeys(
                    found.problem for found in signs)))
        return facts.Fact('; '.join(_reasons(self)) or 'ok',
                          facts.oldest(signs))


def facts_of(entry, answers):
    """Return the :class:`SiteFacts` of one site.

    :param answers: :class:`Answers`.
    """
    hosts, alive = _hosts(entry, answers.services)
    return SiteFacts(
        entry, hosts, _room(entry, hosts, alive, answers),
        _volumes(entry, answers), answers.locks[entry.name],
        _store(entry, answers.stores), _images(entry, answers),
        _backlog(entry, answers.jobs))


def _hosts(entry, services):
    """Return the fact, and the hosts that are up and enabled."""
    computes = services.computes
    if not computes.is_known:
        return computes, frozenset()
    mine = services.computes_of(entry)
    up = [service for service in mine if site_services.is_up(service)]
    if entry.hosts and not up:
        return facts.Fact(
            at=site_services.heard_at(mine),
            problem=f'none of {len(entry.hosts)} hosts is up'), frozenset()
    value = {'up': len(up), 'total': len(entry.hosts),
             'disabled': site_services.disabled(mine),
             'disabled_reasons': site_services.reasons(mine),
             'down': sorted(set(entry.hosts).difference(
                 service['host'] for service in up))}
    at = site_services.silent_since(up) or computes.at
    return facts.Fact(value, at), frozenset(
        service['host'] for service in up
        if service.get('status') != 'disabled')


def _room(entry, hosts, alive, answers):
    """Return what is free on hosts that are up and enabled.

    It is as old as what they have reported.
    """
    told = answers.rooms[entry.name]
    for found in (told, hosts, answers.hypervisors):
        if not found.is_known:
            return found
    mine = [resources for uuid, resources in told.value.items()
            if answers.host_of_provider.get(uuid) in alive]
    if alive and not mine:
        return facts.Fact(
            at=told.at, problem='placement has no host with room in the '
            'aggregates of the site: it is full, or "openstack dcn site set" '
            'has to mirror them')
    value = {name.lower(): {
        'free': sum(_amount(found, name, 'capacity')
                    - _amount(found, name, 'used') for found in mine),
        'capacity': sum(_amount(found, name, 'capacity') for found in mine)}
        for name in CLASSES}
    return facts.Fact({**value, 'hosts': len(mine)}, hosts.at)


def _amount(resources, name, key):
    return resources.get(name, {}).get(key, 0)


def _volumes(entry, answers):
    services, clusters = answers.services.volume_services, answers.clusters
    if not services.is_known:
        return services
    mine = answers.services.backends_of(entry)
    up = [service for service in mine if site_services.is_up(service)]
    if mine and not up:
        return facts.Fact(
            at=site_services.heard_at(mine),
            problem=f'none of {len(mine)} cinder-volume is up')
    names = sorted({service['cluster'] for service in mine
                    if service.get('cluster')})
    states = {found['name']: found for found in clusters.value or ()}
    value = {
        'up': len(up), 'total': len(mine),
        'disabled': site_services.disabled(mine),
        'down': sorted(service['host'] for service in mine
                       if not site_services.is_up(service)),
        'clusters': [_cluster(name, states.get(name)) for name in names],
        'pools': _pools(mine, answers.services.pools)}
    return facts.Fact(value, site_services.silent_since(up) or services.at)


def _cluster(name, told):
    told = told or {}
    return {'name': name, 'state': told.get('state', 'unknown'),
            'status': told.get('status', 'unknown'),
            'hosts': told.get('num_hosts'),
            'hosts_down': told.get('num_down_hosts')}


def _pools(mine, pools):
    keys = {service.get('cluster') or service['host'] for service in mine}
    return [{'name': pool['name'],
             'free_gb': _number(pool['capabilities'].get('free_capacity_gb')),
             'total_gb': _number(
                 pool['capabilities'].get('total_capacity_gb')),
             'fsid': pool['capabilities'].get('dcn_fsid')}
            for pool in pools.value or ()
            if pool['name'].partition('#')[0] in keys]


def fsids_of(volumes):
    """Return the fact in which Ceph the volumes of a site are.

    :param volumes: the fact of its cinder-volume.
    """
    if not volumes.is_known:
        return volumes
    return dataclasses.replace(volumes, value=sorted({
        pool['fsid'] for pool in volumes.value['pools'] if pool['fsid']}))


def _number(text):
    # "infinite" and "unknown" are what Cinder allows, too.
    return text if isinstance(text, (int, float)) else None


def _store(entry, stores):
    if not stores.is_known:
        return stores
    known = {store['id'] for store in stores.value}
    mine = [name for name in entry.stores if name in known]
    if not mine:
        return facts.Fact(None, stores.at, is_asked=True, problem=(
            f'Glance has no store {" or ".join(entry.stores)}'))
    return facts.Fact(mine, stores.at)


def _images(entry, answers):
    if not answers.images.is_known:
        return answers.images
    present = set().union(*(answers.images_of_store.get(store, ())
                            for store in entry.stores))
    value = {'present': len(present), 'wanted': None, 'lacking': None}
    if answers.wanted.is_known:
        wanted = set().union(*(answers.wanted.value.get(store, ())
                               for store in entry.stores))
        value['wanted'] = len(wanted)
        value['lacking'] = len(wanted - present)
    return facts.Fact(value, answers.images.at)


def _backlog(entry, jobs):
    if not jobs.is_known:
        return jobs
    mine = [found for found in jobs.value if found.job.store in entry.stores]
    value = {'jobs': len(mine),
             'copying': sum(found.claim is not None for found in mine)}
    for found in mine:
        name = found.job.state.value
        value[name] = value.get(name, 0) + 1
    return facts.Fact(value, jobs.at)


def stores_of(image):
    """Return the names of the stores that Glance lists of an image."""
    return [name for name in (image.get('stores') or '').split(',') if name]


def _reasons(found):
    for name, fact in (('hosts', found.hosts), ('cinder-volume',
                                                found.volumes)):
        if not fact.is_known:
            yield f'{name}: {fact.problem}'
        elif fact.value['up'] < fact.value['total']:
            yield (f'{name}: {fact.value["total"] - fact.value["up"]} of '
                   f'{fact.value["total"]} down')
    for name, fact in (('placement', found.room), ('etcd', found.locks),
                       ('Glance', found.store)):
        if fact.is_asked and not fact.is_known:
            yield f'{name}: {fact.problem}'
    yield from _closed(found)
    failed = (found.backlog.value or {}).get('failed', 0)
    if failed:
        yield f'{failed} copies have failed'
    yield from found.entry.faults


def _closed(found):
    """Yield what is up and takes nothing all the same."""
    off = len((found.hosts.value or {}).get('disabled', ()))
    if off:
        yield f'hosts: {off} of {found.hosts.value["total"]} disabled'
    for cluster in (found.volumes.value or {}).get('clusters', ()):
        if cluster['status'] == 'disabled':
            yield f'cinder-volume: cluster {cluster["name"]} disabled'
