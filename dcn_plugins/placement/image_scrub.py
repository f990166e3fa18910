# SPDX-License-Identifier: Apache-2.0
"""One request to compare the copies of an image with what Glance says. Pure.

Whoever asks has no way to the clusters. So the request is a key in etcd, a
glance-api that has all stores of the image carries it out, and what it has
found is written into the same key, which whoever has asked removes.
"""

import dataclasses

from dcn_plugins import json_fields

#: How long a request, and an answer that nobody fetches, are kept.
KEEP_SECONDS = 3600.0

_ERROR_CHARACTERS = 500


@dataclasses.dataclass(frozen=True)
class ImageScrub:
    """A request, and its answer.

    :param id: that no other request has.
    :param is_deep: whether contents are compared, too.
    :param grace_seconds: nothing is said of what is younger.
    :param registered_at: seconds since 1970.
    :param report: the document of ``dcn-scrub --json``, ``None`` until then.
    :param error: why there is none, for people.
    """

    image_id: str
    id: str
    is_deep: bool
    grace_seconds: float
    registered_at: float
    report: dict | None = None
    error: str | None = None

    @property
    def is_answered(self):
        """Whether there is nothing to do any more but to read it."""
        return self.report is not None or self.error is not None


def answered(scrub, report):
    """Return a request with its answer."""
    return dataclasses.replace(scrub, report=report)


def failed(scrub, error):
    """Return a request that could not be carried out."""
    return dataclasses.replace(scrub, error=error[-_ERROR_CHARACTERS:])


def is_over(scrub, now):
    """Return whether nobody waits for a request any more."""
    return now >= scrub.registered_at + KEEP_SECONDS


def text_of(scrub):
    """Return a request as a text for etcd."""
    return json_fields.text_of(scrub)


def scrub_of(text):
    """Return the :class:`ImageScrub` of a text, ``None`` if it is none."""
    try:
        found = ImageScrub(**json_fields.values_of(ImageScrub, text))
        float(found.registered_at), float(found.grace_seconds)
        return found
    except (AttributeError, TypeError, ValueError):
        return None
