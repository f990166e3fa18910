# SPDX-License-Identifier: Apache-2.0
"""The one server, volume or image that somebody names."""

import uuid

from dcn_plugins import exceptions


def one(noun, name, found, remedy):
    """Return the only one of those that were found.

    :param noun: what it is, for people.
    :param remedy: where to look for the right name.
    :raises NotDone: if there is none, or if there are several.
    """
    if len(found) == 1:
        return found[0]
    if not found:
        raise exceptions.NotDone(
            f'there is no {noun} {name}, or you may not see it', remedy)
    raise exceptions.NotDone(
        f'{len(found)} {noun}s are called {name}',
        'Name one by its id: ' + ', '.join(each['id'] for each in found))


def server(cloud, name_or_id, seconds):
    """Return a server with all that is told of it.

    :raises NotDone: if there is none, or if there are several of that name.
    :raises ServiceError: if Nova does not tell.
    """
    return _of(cloud.server, cloud.servers_called, 'server', name_or_id,
               seconds)


def volume(cloud, name_or_id, seconds):
    """Return a volume; as :func:`server`."""
    return _of(cloud.get_volume, cloud.volumes_called, 'volume', name_or_id,
               seconds)


def _of(get, called, noun, name_or_id, seconds):
    remedy = f'See "openstack {noun} list --all-projects"'
    try:
        number = str(uuid.UUID(name_or_id))
    except ValueError:
        found = one(noun, name_or_id, called(name_or_id, seconds), remedy)
        # A list tells less.
        number = found['id']
    try:
        return get(number, seconds)
    except exceptions.ServiceError as exc:
        if exc.status != 404:
            raise
        return one(noun, name_or_id, [], remedy)
