# SPDX-License-Identifier: Apache-2.0
"""Users, roles, endpoints, aggregates and flavors, from one process.

A command of the ``openstack`` client costs about a second of CPU each.
"""

import openstack

from tests.lab import deadline
from tests.lab.services import nova
from tests.lab.services import settings

FLAVOR = 'tiny'
LARGER_FLAVOR = 'small'
_KINDS = {'nova': 'compute', 'placement': 'placement', 'glance': 'image',
          'cinder': 'block-storage'}


def variables(lab):
    """Return the environment that makes any client the lab's administrator."""
    return {'OS_AUTH_URL': lab.url('keystone') + '/v3',
            'OS_USERNAME': 'admin', 'OS_PASSWORD': lab.secret('admin'),
            'OS_PROJECT_NAME': 'admin', 'OS_USER_DOMAIN_ID': 'default',
            'OS_PROJECT_DOMAIN_ID': 'default', 'OS_IDENTITY_API_VERSION': '3',
            'OS_REGION_NAME': settings.REGION}


def connect(lab):
    """Return a connection of the administrator's."""
    env = variables(lab)
    return openstack.connect(
        auth_url=env['OS_AUTH_URL'], username=env['OS_USERNAME'],
        password=env['OS_PASSWORD'], project_name=env['OS_PROJECT_NAME'],
        user_domain_id='default', project_domain_id='default',
        region_name=settings.REGION, compute_default_microversion='2.90',
        block_storage_default_microversion='3.70', load_yaml_config=False,
        # Glance removes all copies of an image within the request.
        api_timeout=300,
        load_envvars=False)


def endpoints(lab):
    """Return ``{service: URL}``; the image service is the central one."""
    return {'nova': lab.url('nova-api') + '/v2.1',
            'placement': lab.url('placement'),
            'glance': lab.url('glance'),
            'cinder': lab.url('cinder-api') + '/v3'}


def register(lab):
    """Make the service project with its users, and the catalogue."""
    identity = connect(lab).identity
    project = identity.create_project(name='service', domain_id='default')
    roles = {role.name: role for role in identity.roles()}
    for name in ('service', 'admin'):
        if name not in roles:
            roles[name] = identity.create_role(name=name)
    for name, url in endpoints(lab).items():
        user = identity.create_user(
            name=name, password=lab.secret('service'), domain_id='default',
            default_project_id=project.id)
        for role in ('admin', 'service'):
            identity.assign_project_role_to_user(project, user, roles[role])
        kind = identity.create_service(name=name, type=_KINDS[name])
        for interface in ('public', 'internal', 'admin'):
            identity.create_endpoint(
                service_id=kind.id, interface=interface, url=url,
                region_id=settings.REGION)


def wait_services(lab, expected, seconds=300):
    """Wait until every Nova and Cinder service is up.

    :param expected: ``{(binary, host)}``; cinder-volume hosts with backend.
    """
    cloud = connect(lab)
    up = set()

    def all_up():
        rows = list(cloud.compute.services()) + list(
            cloud.block_storage.services())
        up.clear()
        up.update((row.binary, row.host) for row in rows if row.state == 'up')
        return expected <= up

    try:
        deadline.wait('all services being up', all_up, seconds, 0.5,
                      retry_on=(openstack.exceptions.SDKException,))
    except deadline.LabTimeout as exc:
        missing = ', '.join(f'{b} at {h}' for b, h in sorted(expected - up))
        raise deadline.LabError(f'{exc}; not up: {missing}') from exc


def wait_providers(lab, hosts, seconds=300):
    """Wait until placement has an inventory of every compute.

    A host put into an aggregate before its provider exists is never mirrored
    into placement, and its zone answers "No valid host" for ever.
    """
    placement = connect(lab).placement

    def complete():
        ready = set()
        for provider in placement.resource_providers():
            body = placement.get(
                f'/resource_providers/{provider.id}/inventories').json()
            if body.get('inventories'):
                ready.add(provider.name)
        return set(hosts) <= ready

    deadline.wait(f'placement having {len(hosts)} providers', complete,
                  seconds, 0.5, retry_on=(openstack.exceptions.SDKException,))


def remove_aggregates(lab, is_chosen=lambda name: True):
    """Remove aggregates, with the hosts that they have, by their names."""
    compute = connect(lab).compute
    for aggregate in compute.aggregates():
        if is_chosen(aggregate.name):
            for host in aggregate.hosts or ():
                compute.remove_host_from_aggregate(aggregate, host)
            compute.delete_aggregate(aggregate)


def make_sites(lab):
    """Make one aggregate, which is an availability zone, per site."""
    compute = connect(lab).compute
    for site in lab.sites:
        aggregate = compute.create_aggregate(name=site,
                                             availability_zone=site)
        for number in range(nova.computes(lab, site)):
            compute.add_host_to_aggregate(
                aggregate, nova.compute_host(site, number))
    # disk=0: the root disk is as large as the image.
    compute.create_flavor(name=FLAVOR, ram=128, vcpus=1, disk=0)
    compute.create_flavor(name=LARGER_FLAVOR, ram=160, vcpus=1, disk=0)
