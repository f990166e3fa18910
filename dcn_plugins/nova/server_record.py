# SPDX-License-Identifier: Apache-2.0
"""Where a server is that is to be scheduled again, and what happens to it.

The candidates do not tell: the conductor has removed the source from them,
and a shelved server has no host at all.
"""

import dataclasses

from nova.compute import task_states
from nova import context as nova_context
from nova import exception
from nova import objects
from nova.volume import cinder

from dcn_plugins import admission
from dcn_plugins.nova import site_maps
from dcn_plugins import sites

_OPERATIONS = {
    task_states.REBUILDING: admission.Operation.EVACUATE,
    task_states.UNSHELVING: admission.Operation.UNSHELVE,
}


class Unknown(Exception):
    """The present site of a server cannot be told; the text says why.

    It never leaves the door: a Nova filter must not raise, as that would
    end the whole request without a word to the user.
    """


@dataclasses.dataclass(frozen=True)
class ServerRecord:
    """What Nova's databases say about a server that moves.

    :param site: the name of its site, ``None`` for no site.
    :param shelved_image_id: the snapshot that an unshelve starts from.
    :param volume_ids: its volumes, the root volume first.
    """

    operation: admission.Operation
    site: str | None
    shelved_image_id: str | None
    volume_ids: tuple[str, ...]


def is_move(spec_obj):
    """Tell whether the server exists already, without any query.

    The conductor names the cell of a server that moves. Only for a cold
    migration to a named host that may leave the cell it leaves the cell out
    again; but nothing except a move may leave a cell.
    """
    if 'requested_destination' not in spec_obj:
        return False
    destination = spec_obj.requested_destination
    if destination is None:
        return False
    if 'cell' in destination and destination.cell:
        return True
    return bool('allow_cross_cell_move' in destination
                and destination.allow_cross_cell_move)


def read(spec_obj, has_volumes=False):
    """Return the :class:`ServerRecord` of a server that moves.

    :param has_volumes: whether its volumes are wanted in any case; they cost
        a query.
    :raises Unknown: if its site cannot be told.
    """
    # Not a new admin context: target_cell() makes its copy the current one of
    # the thread, and the log would go on under a request id nobody knows.
    admin = spec_obj._context.elevated()
    uuid = spec_obj.instance_uuid
    cell = _cell(admin, spec_obj)
    with nova_context.target_cell(admin, cell) as cell_context:
        instance = objects.Instance.get_by_uuid(
            cell_context, uuid, expected_attrs=['system_metadata', 'flavor'])
        # A shelved-offloaded server has no host any more.
        host = instance.host or instance.system_metadata.get('shelved_host')
        # Nova records no shelved_host for a server that boots from a volume.
        volume_ids = _volume_ids(cell_context, uuid) if (
            has_volumes or not host) else ()
    if host:
        site = _site_of_host(admin, host)
    elif volume_ids:
        site = _site_of_volume(admin, spec_obj, volume_ids[0])
    else:
        raise Unknown('its record names neither a host nor a volume')
    return ServerRecord(
        operation=_operation(instance, spec_obj), site=site,
        shelved_image_id=instance.system_metadata.get('shelved_image_id'),
        volume_ids=volume_ids)


def _operation(instance, spec_obj):
    found = _OPERATIONS.get(instance.task_state)
    if found:
        return found
    if not instance.host:
        return admission.Operation.UNSHELVE
    if instance.flavor and spec_obj.flavor and (
            instance.flavor.flavorid != spec_obj.flavor.flavorid):
        return admission.Operation.RESIZE
    return admission.Operation.MIGRATE


def _cell(admin, spec_obj):
    destination = spec_obj.requested_destination
    if 'cell' in destination and destination.cell:
        return destination.cell
    mapping = objects.InstanceMapping.get_by_instance_uuid(
        admin, spec_obj.instance_uuid)
    # target_cell() takes None without a word and then reads the wrong
    # database.
    if mapping.cell_mapping is None:
        raise Unknown('it is mapped to no cell')
    return mapping.cell_mapping


def _volume_ids(cell_context, uuid):
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(
        cell_context, uuid)
    volumes = [bdm for bdm in bdms if bdm.is_volume and bdm.volume_id]
    volumes.sort(key=lambda bdm: not bdm.is_root)
    return tuple(bdm.volume_id for bdm in volumes)


def _site_of_host(admin, host):
    # Not read from the map: that may be some seconds old.
    metadatas = site_maps.metadata_of_host(admin, host)
    if not metadatas:
        # A host that was deleted is in no aggregate either, but that says
        # nothing about the site of the server's disk.
        try:
            objects.HostMapping.get_by_host(admin, host)
        except exception.HostMappingNotFound as exc:
            raise Unknown(f'its host {host} does not exist any more') from exc
    site = sites.site_of_host(metadatas)
    if isinstance(site.name, sites.SeveralSites):
        raise Unknown(f'its host {host} is in the sites {site.name} at once')
    return site.name


def _site_of_volume(admin, spec_obj, volume_id):
    # With the token and the rights of whoever asked for the move.
    volume = cinder.API().get(spec_obj._context, volume_id)
    zone = volume.get('availability_zone')
    if not zone:
        # As a value, None would match the aggregates of every zone.
        raise Unknown(f'its volume {volume_id} has no availability zone')
    hosts = set()
    for aggregate in objects.AggregateList.get_by_metadata(
            admin, key=sites.ZONE_KEY, value=zone):
        # MySQL compares without regard to case, Nova's zones do not.
        if aggregate.availability_zone == zone:
            hosts.update(aggregate.hosts)
    # A second query, because the first returns aggregates that hold no other
    # metadata than the key it asked for.
    labelled = objects.AggregateList.get_by_metadata_key(
        admin, sites.SITE_KEY, hosts=hosts)
    metadatas = {host: [{sites.ZONE_KEY: zone}] for host in hosts}
    for aggregate in labelled:
        for host in metadatas.keys() & set(aggregate.hosts):
            metadatas[host].append(aggregate.metadata)
    names = {sites.site_of_host(found).name for found in metadatas.values()}
    source = f'availability zone {zone} of its volume {volume_id}'
    if not names:
        raise Unknown(f'the {source} has no host')
    if len(names) > 1 or isinstance(next(iter(names)), sites.SeveralSites):
        text = ' and '.join(sorted(
            'no site' if name is None else str(name) for name in names))
        raise Unknown(f'the {source} spans the sites {text}')
    return names.pop()
