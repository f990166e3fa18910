# SPDX-License-Identifier: Apache-2.0
"""Hosts by the thousand, without their services.

They are the rows of the databases that nova-compute would have written,
copied from those of a host that runs. Neither the scheduler nor placement can
tell the difference; only no server can be started there.
"""

import uuid

from nova import context as nova_context
from nova.db.api import api as api_db
from nova.db.api import models as api_models
from nova.db.main import api as main_db
from nova.db.main import models as main_models
from nova import objects
from oslo_utils import uuidutils
from placement.db.sqlalchemy import models as placement_models
from placement import db_api as placement_db
import sqlalchemy as sa


def copy_host(host, count):
    """Add copies of a host to its cell, its aggregates and placement.

    :returns: their names.
    """
    context = nova_context.get_admin_context()
    names = [f'{host}-{number:04}' for number in range(count)]
    # As fake.PredictableNodeUUIDDriver has it, so that the service of a copy
    # may be started later.
    copies = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
              for name in names}
    cell = objects.HostMapping.get_by_host(context, host).cell_mapping
    with nova_context.target_cell(context, cell) as target:
        _copy_in_cell(target, host, copies)
    with api_db.context_manager.writer.using(context) as session:
        for model in (api_models.HostMapping, api_models.AggregateHost):
            _copy(session, model, model.host == host,
                  [{'host': name} for name in copies])
    _copy_in_placement(host, copies)
    return names


def _copy_in_cell(context, host, copies):
    manager = main_db.get_context_manager(context)
    with manager.writer.using(context) as session:
        first = _next_id(session, main_models.Service)
        _copy(session, main_models.Service, main_models.Service.host == host,
              [{'id': first + index, 'host': name,
                'uuid': uuidutils.generate_uuid()}
               for index, name in enumerate(copies)])
        _copy(session, main_models.ComputeNode,
              main_models.ComputeNode.host == host,
              [{'host': name, 'hypervisor_hostname': name, 'uuid': node,
                'service_id': first + index}
               for index, (name, node) in enumerate(copies.items())])


def _copy_in_placement(host, copies):
    providers = placement_models.ResourceProvider
    with placement_db.placement_context_manager.writer.using(
            placement_db.DbContext()) as session:
        original = session.execute(
            sa.select(providers.id).where(providers.name == host)).scalar()
        first = _next_id(session, providers)
        _copy(session, providers, providers.id == original,
              [{'id': first + index, 'root_provider_id': first + index,
                'name': name, 'uuid': node}
               for index, (name, node) in enumerate(copies.items())])
        for model in (placement_models.Inventory,
                      placement_models.ResourceProviderTrait,
                      placement_models.ResourceProviderAggregate):
            _copy(session, model, model.resource_provider_id == original,
                  [{'resource_provider_id': first + index}
                   for index in range(len(copies))])


def _next_id(session, model):
    return session.execute(sa.select(sa.func.max(model.id))).scalar() + 1


def _copy(session, model, where, changes):
    """Insert each row that is found again, once for each set of changes."""
    table = model.__table__
    for row in session.execute(sa.select(table).where(where)).mappings().all():
        values = {key: value for key, value in row.items() if key != 'id'}
        session.execute(table.insert(),
                        [{**values, **each} for each in changes])
