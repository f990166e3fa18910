# SPDX-License-Identifier: Apache-2.0
"""The image, the stores and the sites that somebody names."""

import uuid

from dcn_plugins import exceptions
from dcn_plugins.osc import named_resource
from dcn_plugins.osc import pane


def image(cloud, name_or_id, seconds):
    """Return the image of a name or an id, as Glance lists it.

    :raises NotDone: if there is none, or if there are several of that name.
    :raises ServiceError: if Glance does not tell.
    """
    return named_resource.one(
        'image', name_or_id, cloud.image_by(name_or_id, seconds),
        'See "openstack image list --all"')


def image_id(cloud, name_or_id, seconds):
    """Return the id of an image; an id need not be that of one any more.

    The errors are those of :func:`image`.
    """
    try:
        return str(uuid.UUID(name_or_id))
    except ValueError:
        return image(cloud, name_or_id, seconds)['id']


def stores(reader, known, store_names, site_names):
    """Return the stores that are named, or that sites have, without twins.

    :param reader: :class:`~dcn_plugins.osc.pane.Pane`.
    :param known: names of all stores.
    :raises ConfigError: if there is no such site, or no such store.
    """
    found = list(store_names or ())
    if site_names:
        entries = pane.chosen(reader.entries(), site_names)
        for entry in entries.values():
            found += entry.stores
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise exceptions.ConfigError(
            'Glance', f'there is no store {", ".join(unknown)}',
            f'Name some of {", ".join(sorted(known))}')
    return tuple(dict.fromkeys(found))
