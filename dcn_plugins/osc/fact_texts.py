# SPDX-License-Identifier: Apache-2.0
"""The values of facts about a site, for people. Pure."""


def ratio(value):
    """Return the text of ``{'up': 2, 'total': 3, 'disabled': [...]}``."""
    off = len(value.get('disabled', ()))
    return f'{value["up"]}/{value["total"]}' + (
        f', {off} disabled' if off else '')


def volumes(value):
    """Return the text of what is known of cinder-volume."""
    told = ratio(value) if value['total'] else 'none'
    clusters = value['clusters']
    up = sum(found['state'] == 'up' for found in clusters)
    return told + (f' in {up}/{len(clusters)} clusters' if clusters else '')


def room(value):
    """Return the text of what is free by placement."""
    cpus, memory = value['vcpu'], value['memory_mb']
    return (f'{cpus["free"]:.0f}/{cpus["capacity"]:.0f} vCPU, '
            f'{memory["free"] / 1024:.1f}/{memory["capacity"] / 1024:.1f} '
            'GiB')


def images(value):
    """Return the text of how many images are there."""
    if value['wanted'] is None:
        return f'{value["present"]}'
    return (f'{value["present"]} present, '
            f'{value["wanted"] - value["lacking"]}/{value["wanted"]} wanted')


def backlog(value):
    """Return the text of how many copies are still to be made."""
    parts = [f'{number} {name}' for name, number in value.items()
             if number and name != 'jobs']
    return f'{value["jobs"]}' + (f' ({", ".join(parts)})' if parts else '')


def locks(value):
    """Return the text of a site's etcd."""
    keys = value['keys']
    return f'ok, {keys} {"key" if keys == 1 else "keys"}'


def names(value):
    """Return the text of some names."""
    return ', '.join(value)


TEXTS = {'hosts': ratio, 'room': room, 'volumes': volumes, 'locks': locks,
         'store': names, 'images': images, 'backlog': backlog}
