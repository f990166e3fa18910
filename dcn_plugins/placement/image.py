# SPDX-License-Identifier: Apache-2.0
"""What a policy looks at in an image. Pure."""

import dataclasses
import datetime

from dcn_plugins.placement import policy

PROPERTY = 'dcn_sites'

#: A longer property is not looked at. Of a hundred stores with the longest
#: names that people give this is a multiple, and a user may set 64 KiB.
MOST_CHARACTERS = 16384

_KINDS = {'snapshot': policy.Kind.SNAPSHOT, 'backup': policy.Kind.BACKUP}


@dataclasses.dataclass(frozen=True)
class Image:
    """An image as a policy sees it.

    :param asked: the text of its property; ``None`` if it has none.
    :param created_at: seconds since 1970; ``None`` if nobody tells.
    """

    id: str
    owner: str | None = None
    visibility: str = 'private'
    kind: policy.Kind = policy.Kind.BASE
    asked: str | None = None
    created_at: float | None = None


def image_of(answer):
    """Return the :class:`Image` of an answer to ``GET /v2/images/{id}``.

    Whatever users have put into its properties, it does not raise.
    """
    asked = answer.get(PROPERTY)
    return Image(
        id=answer.get('id'), owner=answer.get('owner'),
        visibility=answer.get('visibility'),
        kind=_kind(answer.get('image_type')),
        asked=asked if isinstance(asked, str) else None,
        created_at=_seconds(answer.get('created_at')))


def words(text):
    """Split the text of a property: stripped, no empty words, no twins."""
    parts = (part.strip() for part in text.split(','))
    return tuple(dict.fromkeys(part for part in parts if part))


def _kind(text):
    return (_KINDS.get(text, policy.Kind.BASE) if isinstance(text, str)
            else policy.Kind.BASE)


def _seconds(text):
    """Return the seconds of a time of Glance, which is of UTC."""
    try:
        found = datetime.datetime.fromisoformat(
            text.removesuffix('Z')).replace(tzinfo=datetime.timezone.utc)
        return found.timestamp()
    except (AttributeError, ValueError, OverflowError):
        return None
