# SPDX-License-Identifier: Apache-2.0
"""The site map of nova-scheduler, read from Nova's API database.

Filters see the aggregates of their candidates and no others; what concerns
all sites, like where a project is at home, needs the whole map.
"""

import sys

from nova import context as nova_context
from nova.db.api import api as api_db
from nova.db.api import models
from nova import objects
from oslo_log import log as logging

from dcn_plugins import map_cache

LOG = logging.getLogger(__name__)

_MODELS = {'Aggregate': ('id', 'uuid'),
           'AggregateHost': ('aggregate_id', 'host'),
           'AggregateMetadata': ('aggregate_id', 'key', 'value')}


class SiteMaps(map_cache.SiteMaps):
    """The newest site map, of Nova's API database unless told otherwise."""

    def __init__(self, max_age_seconds, read=None):
        super().__init__(max_age_seconds, read or read_aggregates)


def read_aggregates():
    """Return ``[(uuid, metadata, hosts)]`` of all aggregates.

    AggregateList.get_all() joins hosts and metadata into one result and
    builds an object of each row: 0.9 s for 1,000 aggregates, thirty times of
    what the three plain queries here take. Where Nova's tables have another
    shape it is used all the same, with a warning.
    """
    context = nova_context.get_admin_context()
    columns = _columns()
    if columns is None:
        return [(aggregate.uuid, aggregate.metadata, aggregate.hosts)
                for aggregate in objects.AggregateList.get_all(context)]
    return _read_columns(context, *columns)


def metadata_of_host(context, host):
    """Return the metadata of each aggregate that a host is in, as of now.

    AggregateList.get_by_host() reads all hosts of these aggregates, too, in
    one result with their metadata: of a site of 1,000 hosts thousands of rows.

    :param context: one of an administrator, and of no cell.
    """
    columns = _columns()
    if columns is None:
        return [aggregate.metadata for aggregate in
                objects.AggregateList.get_by_host(context, host)]
    return _read_metadata(context, host, *columns[1:])


def _columns():
    """Return the columns of each of ``_MODELS``, or None if one is gone."""
    found = []
    for name, attributes in _MODELS.items():
        model = getattr(models, name, None)
        if not all(hasattr(model, attribute) for attribute in attributes):
            LOG.warning('Nova\'s tables of aggregates have changed (%s): '
                        'sites are read through its objects, which is slower',
                        name)
            return None
        found.append([getattr(model, attribute) for attribute in attributes])
    return found


@api_db.context_manager.reader
def _read_columns(context, aggregate_columns, host_columns, metadata_columns):
    rows = {
        key: (uuid, {}, [])
        for key, uuid in context.session.query(*aggregate_columns)}
    # An aggregate that was made in between is in the next map.
    for key, host in context.session.query(*host_columns):
        if key in rows:
            rows[key][2].append(host)
    for key, name, value in context.session.query(*metadata_columns):
        if key in rows:
            # Thousands of rows have the same few names.
            rows[key][1][sys.intern(name)] = value
    return list(rows.values())


@api_db.context_manager.reader
def _read_metadata(context, host, host_columns, metadata_columns):
    aggregate_of_host, host_name = host_columns
    aggregate_of_item, *item = metadata_columns
    # An aggregate without metadata counts as well: the host is known.
    rows = context.session.query(aggregate_of_host, *item).outerjoin(
        aggregate_of_item.class_, aggregate_of_item == aggregate_of_host
    ).filter(host_name == host)
    found = {}
    for aggregate, key, value in rows:
        metadata = found.setdefault(aggregate, {})
        if key is not None:
            metadata[key] = value
    return list(found.values())
