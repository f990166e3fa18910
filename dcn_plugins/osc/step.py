# SPDX-License-Identifier: Apache-2.0
"""One step of a change of a site, and what it takes to do it again. Pure.

A plan is made of what is there, so a plan of what is done already is empty,
and one that was interrupted is gone on with by the same command.
"""

import dataclasses
import enum

from dcn_plugins import sites

#: What Nova holds in one value of metadata.
MOST_CHARACTERS = 255

#: How a reason begins that is ours; the name of the site follows.
_CORDONED = 'dcn site cordon'


class Verb(enum.Enum):
    """What a step does."""

    CREATE = 'create aggregate'
    DELETE = 'delete aggregate'
    LABEL = 'set metadata of aggregate'
    ADD = 'add host to aggregate'
    REMOVE = 'remove host from aggregate'
    MIRROR = 'mirror in placement'
    DISABLE_COMPUTE = 'disable nova-compute'
    ENABLE_COMPUTE = 'enable nova-compute'
    DISABLE_CLUSTER = 'disable cluster of cinder-volume'
    ENABLE_CLUSTER = 'enable cluster of cinder-volume'
    DISABLE_VOLUME = 'disable cinder-volume'
    ENABLE_VOLUME = 'enable cinder-volume'


@dataclasses.dataclass(frozen=True)
class Step:
    """One request or two of one API.

    :param target: the name of an aggregate, a host or a cluster.
    :param host: of an aggregate.
    :param values: metadata, a zone or a reason.
    """

    verb: Verb
    target: str
    host: str | None = None
    values: object = None

    @property
    def detail(self):
        """What of the target it changes, for people."""
        if self.host is not None:
            return self.host
        if isinstance(self.values, dict):
            return ', '.join(
                f'{key} gone' if value is None else f'{key}={value}'
                for key, value in sorted(self.values.items()))
        return self.values or ''


def labelled(aggregates, wanted):
    """Return the steps that give a site its metadata.

    It is in the first of its aggregates; others that say something else of
    the same would contradict it.

    :param aggregates: those of the site, as Nova lists them.
    :param wanted: values by key, ``None`` for none.
    """
    steps = []
    for number, aggregate in enumerate(aggregates):
        has = aggregate['metadata']
        changes = {key: value if number == 0 else None
                   for key, value in wanted.items()
                   if has.get(key) != (value if number == 0 else None)}
        if changes:
            steps.append(Step(Verb.LABEL, aggregate['name'], values=changes))
    return steps


def metadata(key, names, has=()):
    """Return the values by key that hold a list of names.

    There is room for 255 characters in each; the next one is ``KEY1``.

    :param has: metadata of aggregates, of which longer lists go.
    """
    parts, rest = [], sorted(names)
    while rest:
        part = [rest.pop(0)]
        while rest and len(','.join([*part, rest[0]])) <= MOST_CHARACTERS:
            part.append(rest.pop(0))
        parts.append(','.join(part))
    found = {name: None for told in has for name in told
             if name.startswith(key) and name[len(key):].strip('0123456789')
             == ''}
    found.update({f'{key}{number or ""}': part
                  for number, part in enumerate(parts)})
    return found or {key: None}


def created(name, zone, aggregates, entry):
    """Return the step that makes a site's aggregate, if it has none.

    :param aggregates: all of them, as Nova lists them.
    :param entry: of the site, ``None`` if there is none.
    :returns: steps, and the problem: ``None``, or why it is not possible.
    """
    if entry is not None and entry.aggregates:
        return [], None
    for aggregate in aggregates:
        if aggregate['name'] == name:
            if aggregate['metadata'].get(sites.ZONE_KEY, zone) != zone or (
                    aggregate['metadata'].get(sites.SITE_KEY, name) != name):
                return [], (f'the aggregate {name} is of another site or '
                            'availability zone')
            return [Step(Verb.LABEL, name, values={
                sites.ZONE_KEY: zone, sites.SITE_KEY: name})], None
    return [Step(Verb.CREATE, name, values=zone),
            Step(Verb.LABEL, name, values={sites.SITE_KEY: name})], None


def added(target, entry, hosts, mirrored):
    """Return the steps that put hosts into a site, and mirror it.

    :param target: name of the aggregate.
    :param entry: of the site, ``None`` if there is none yet.
    :param mirrored: UUIDs of aggregates by the host that placement has in
        them.
    """
    has = next((one for one in (entry.aggregates if entry else ())
                if one['name'] == target), {'hosts': (), 'uuid': None})
    steps = []
    for host in hosts:
        if host not in has['hosts']:
            steps.append(Step(Verb.ADD, target, host))
        if has['uuid'] not in mirrored.get(host, ()):
            steps.append(Step(Verb.MIRROR, target, host))
    return steps


def mirrored(entry, told):
    """Return the steps that mirror all hosts of a site in placement.

    :param told: as ``mirrored`` of :func:`added`; a host that is not in it is
        left alone.
    """
    return [Step(Verb.MIRROR, aggregate['name'], host)
            for aggregate in entry.aggregates
            for host in aggregate['hosts']
            if host in told and aggregate['uuid'] not in told[host]]


def removed(entry, hosts):
    """Return the steps that take hosts out of all aggregates of a site."""
    return [Step(Verb.REMOVE, aggregate['name'], host)
            for host in hosts for aggregate in entry.aggregates
            if host in aggregate['hosts']]


def deleted(entry):
    """Return the steps that delete all aggregates of a site."""
    return [Step(Verb.DELETE, aggregate['name'])
            for aggregate in entry.aggregates]


def cordoned(site, computes, backends, clusters, reason):
    """Return the steps that let nothing new come to a site.

    What somebody else has disabled is left as it is.

    :param site: its name; that of another site may be in the same zone.
    :param computes: services nova-compute of the site.
    :param backends: services cinder-volume of the site.
    :param clusters: all clusters of Cinder by their names.
    """
    reason = _ours(site) + (f': {reason}' if reason else '')
    steps = [Step(Verb.DISABLE_COMPUTE, service['host'], values=reason)
             for service in computes if service['status'] == 'enabled']
    for name, is_cluster, told in _units(backends, clusters):
        if told.get('status') == 'enabled':
            steps.append(Step(Verb.DISABLE_CLUSTER if is_cluster
                              else Verb.DISABLE_VOLUME, name, values=reason))
    return steps


def uncordoned(site, computes, backends, clusters):
    """Return the steps that undo :func:`cordoned`, and the names left out.

    Only what has a reason of ours is enabled.
    """
    steps, left = [], []
    found = [(service['host'], service, Verb.ENABLE_COMPUTE)
             for service in computes]
    found += [(name, told, Verb.ENABLE_CLUSTER if is_cluster
               else Verb.ENABLE_VOLUME)
              for name, is_cluster, told in _units(backends, clusters)]
    for name, told, verb in found:
        if told.get('status') != 'disabled':
            continue
        # Not by its beginning: "dcn1" is one of "dcn10".
        reason = (told.get('disabled_reason') or '').partition(':')[0]
        if reason == _ours(site):
            steps.append(Step(verb, name))
        else:
            left.append(name)
    return steps, left


def _ours(site):
    return f'{_CORDONED} {site}'


def _units(backends, clusters):
    """Yield ``(name, whether it is a cluster, what is told of it)``.

    Of a cinder-volume in a cluster the scheduler looks at the cluster only.
    """
    names = set()
    for service in backends:
        name = service.get('cluster')
        if not name:
            yield service['host'], False, service
        elif name not in names:
            names.add(name)
            yield name, True, clusters.get(name, {})
