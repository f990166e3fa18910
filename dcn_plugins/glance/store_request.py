# SPDX-License-Identifier: Apache-2.0
"""Which stores a request to the API of Glance would write an image to. Pure.

What stands in a request is read as Glance reads it: a request that Glance
would understand otherwise could say one store to us and another one to it.
What Glance refuses in any case need not be told from what it takes.
"""

import dataclasses
import json

HEADER = 'x-image-meta-store'
COPY = 'copy-image'
IMPORT, UPLOAD = 'import', 'upload'


@dataclasses.dataclass(frozen=True)
class StoreRequest:
    """A request that writes an image to stores.

    :param doing: ``copy-image``, ``import`` or ``upload``.
    :param stores: names; ``None`` for the default store.
    :param is_all: whether it names all that there are.
    """

    image_id: str
    doing: str
    stores: tuple | None = None
    is_all: bool = False

    @property
    def is_choice(self):
        """Whether its user has chosen stores, or copies to one."""
        return (self.doing == COPY or self.is_all
                or self.stores is not None)

    def targets(self, stores, default, present=()):
        """Return the names that it would write to, of stores that there are.

        :param stores: names of all that can be written to.
        :param default: name of the default store.
        :param present: where the image is already; a copy to all leaves them
            out.
        """
        if self.is_all:
            return tuple(name for name in stores
                         if self.doing != COPY or name not in present)
        asked = (default,) if self.stores is None else self.stores
        return tuple(name for name in asked if name in stores)


def store_request(method, path, header, read):
    """Return the :class:`StoreRequest`; ``None`` for all other requests.

    :param path: with ``/v2``, behind the prefix of the application.
    :param header: the value of :data:`HEADER`, or ``None``.
    :param read: returns the body, as bytes; called only if it counts.
    """
    # Twice a slash, or one at the end, are nothing to Glance.
    parts = [part for part in path.split('/') if part]
    if len(parts) != 4 or parts[:2] != ['v2', 'images']:
        return None
    image_id, action = parts[2:]
    if (method, action) == ('PUT', 'file'):
        return StoreRequest(image_id, UPLOAD, _of_header(header))
    if (method, action) == ('POST', 'import'):
        return _import(image_id, header, read())
    return None


def _of_header(header):
    return None if header is None else (header,)


def _import(image_id, header, body):
    """Return the request of an import; ``None`` if Glance refuses it."""
    try:
        # Not json.loads(bytes), which also takes UTF-16; Glance does not.
        asked = json.loads(body.decode())
        doing = asked['method']['name']
        named = asked.get('stores')
        is_all = bool(asked.get('all_stores'))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None
    doing = COPY if doing == COPY else IMPORT
    if is_all:
        return StoreRequest(image_id, doing, is_all=True)
    if 'stores' not in asked:
        return StoreRequest(image_id, doing, _of_header(header))
    try:
        # Glance walks through whatever it is given.
        return StoreRequest(image_id, doing, tuple(
            name for name in named if isinstance(name, str)))
    except TypeError:
        return None
