# SPDX-License-Identifier: Apache-2.0
"""The order in which Nova's weigher fills the sites of a cloud.

A program of its own, as the options of Nova and Cinder collide in one
process: reads ``{"aggregates": [[id, metadata, hosts]], "projects": [...]}``
from its standard input and writes the hosts of each project in order.
"""

import json
import sys

import nova.conf
from nova import context
from nova import objects
from nova.scheduler import host_manager
from nova.scheduler import weights
from nova.scheduler.weights import ram
from oslo_utils.fixture import uuidsentinel as uuids

from dcn_plugins.conf import sites as site_options
from dcn_plugins.nova import site_maps
from dcn_plugins.nova import site_request
from dcn_plugins.nova import site_weigher


def host_states(aggregates):
    """Return one host state for each host, with Nova's own objects."""
    found = {}
    for name, metadata, hosts in aggregates:
        aggregate = objects.Aggregate(
            name=name, uuid=getattr(uuids, name), metadata=metadata,
            hosts=hosts)
        for host in hosts:
            if host not in found:
                state = host_manager.HostState(host, host, uuids.cell1)
                state.total_usable_ram_mb = 1024
                state.free_ram_mb = 512
                state.ram_allocation_ratio = 1.0
                state.aggregates = []
                found[host] = state
            found[host].aggregates.append(aggregate)
    return list(found.values())


def order(states, project):
    """Return the hosts as Nova sorts them for a server of a project."""
    spec = objects.RequestSpec(
        context=context.get_admin_context(), project_id=project,
        instance_uuid=getattr(uuids, project), scheduler_hints={},
        flavor=objects.Flavor(extra_specs={}, flavorid='m1'), image=None,
        availability_zone=None, requested_destination=None)
    handler = weights.HostWeightHandler()
    return [each.obj.host for each in handler.get_weighed_objects(
        [site_weigher.DCNSiteWeigher(), ram.RAMWeigher()], states, spec)]


def main():
    """Answer one question."""
    objects.register_all()
    nova.conf.CONF([], project='nova', default_config_files=[])
    site_options.register_opts(nova.conf.CONF)
    asked = json.load(sys.stdin)
    site_maps.read_aggregates = lambda: asked['aggregates']
    site_request.forget()
    states = host_states(asked['aggregates'])
    json.dump({project: order(states, project)
               for project in asked['projects']}, sys.stdout)


if __name__ == '__main__':
    main()
