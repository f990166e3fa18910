# SPDX-License-Identifier: Apache-2.0
"""Decide from an image and a list of stores which copies are needed."""

import dataclasses

from dcn_plugins.placement import image_import

PROPERTY = 'dcn_sites'

#: The one word in the property that is not the name of a store.
ALL = 'all'


@dataclasses.dataclass(frozen=True)
class CopyNeed:
    """What one image needs; every field is a tuple of store names.

    ``lacking`` is the part of ``wanted`` that has no copy; it falls into
    ``missing`` and ``importing``. ``failed`` is what Glance noted about its
    last try and is for messages only: it is cleared when a copy is asked for
    again. ``unknown`` was named but cannot be copied to.
    """

    wanted: tuple
    lacking: tuple
    missing: tuple
    importing: tuple
    failed: tuple
    unknown: tuple


def names(text):
    """Split a comma-separated property: stripped, no empty names, no twins."""
    parts = (part.strip() for part in (text or '').split(','))
    return tuple(dict.fromkeys(part for part in parts if part))


def writable(stores):
    """Return the names of the stores that can be copied to.

    :param stores: the list in the answer to ``GET /v2/info/stores``. Glance
        marks read-only stores (http) with the string ``true``.
    """
    return tuple(store['id'] for store in stores
                 if str(store.get('read-only', '')).lower() != 'true')


def find(image, stores):
    """Return the ``CopyNeed`` of an image.

    Names are compared as a whole: ``dcn1`` is not ``dcn10``.

    :param image: the answer to ``GET /v2/images/{id}``.
    :param stores: names of the stores that can be copied to.
    """
    asked = names(image.get(PROPERTY))
    named = [name for name in asked if name != ALL]
    wanted = list(stores) if ALL in asked else []
    wanted += [name for name in named
               if name in stores and name not in wanted]
    # Glance lists a store when all data are there, so it counts even while a
    # task that was killed has left it in the list of importing stores.
    present = names(image.get('stores'))
    importing = names(image.get(image_import.IMPORTING))
    failed = names(image.get(image_import.FAILED))
    lacking = tuple(name for name in wanted if name not in present)
    return CopyNeed(
        wanted=tuple(wanted),
        lacking=lacking,
        missing=tuple(name for name in lacking if name not in importing),
        importing=tuple(name for name in lacking if name in importing),
        failed=tuple(name for name in lacking if name in failed),
        unknown=tuple(name for name in named if name not in stores))
