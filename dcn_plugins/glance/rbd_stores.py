# SPDX-License-Identifier: Apache-2.0
"""Which stores of this glance-api are in RBD, and which copies are.

All is read from the options that glance_store itself has registered for each
store (``rbd_store_ceph_conf``, ``rbd_store_user``, ``rbd_store_pool``,
``rbd_store_chunk_size``, ``rados_connect_timeout``). Those that a store does
not set itself come from ``[backend_defaults]`` since glance_store 5.0.
"""

import urllib.parse

from dcn_plugins.imagecopy import request

#: Its name in enabled_backends.
TYPE = 'rbd'

_SHARED = 'backend_defaults'

# Where librados looks first when it is told nothing.
_DEFAULT_CONF = '/etc/ceph/ceph.conf'
_DEFAULT_CONNECT_SECONDS = 30.0
_MIB = 1 << 20


def place(conf, store):
    """Return the :class:`~request.Place` of a store; ``None`` if it has none.

    A store without ``rbd_store_user`` has none: what librados makes of that
    is not written down anywhere.
    """
    if (conf.enabled_backends or {}).get(store) != TYPE:
        return None
    user = _option(conf, store, 'rbd_store_user')
    if not user:
        return None
    seconds = _option(conf, store, 'rados_connect_timeout')
    return request.Place(
        store, _option(conf, store, 'rbd_store_ceph_conf') or _DEFAULT_CONF,
        user, _option(conf, store, 'rbd_store_pool'),
        float(seconds) if seconds > 0 else _DEFAULT_CONNECT_SECONDS)


def object_bytes(conf, store):
    """Return the size of the objects that glance_store would make there."""
    size = _option(conf, store, 'rbd_store_chunk_size') * _MIB
    # glance_store rounds a chunk that is no power of two down, too.
    return 1 << (size.bit_length() - 1)


def sources(conf, image_id, locations):
    """Return the places that have an image: the default store's first.

    A location counts if it is what Glance and Nova call a copy in RBD: an
    image of the id of Glance's, with a snapshot ``snap``.

    :param locations: ``[(URL, store)]`` in the order of Glance.
    """
    found = []
    for url, store in locations:
        pool = _pool(url, image_id)
        there = pool and place(conf, store)
        if there:
            found.append(request.Place(
                there.store, there.conf, there.user, pool,
                there.connect_seconds))
    default = conf.glance_store.default_backend
    return tuple(sorted(found, key=lambda there: there.store != default))


def _option(conf, store, name):
    """Return an option of a store as glance_store itself reads it."""
    value = conf[store][name]
    if value is None and _SHARED in conf and name in conf[_SHARED]:
        value = conf[_SHARED][name]
    return value


def _pool(url, image_id):
    """Return the pool that a URL names; ``None`` if it is no such copy."""
    scheme, separator, path = (url or '').partition('://')
    parts = [urllib.parse.unquote(part) for part in path.split('/')]
    if (scheme != 'rbd' or not separator or len(parts) != 4
            or parts[2:] != [image_id, request.SNAPSHOT]):
        return None
    return parts[1]
