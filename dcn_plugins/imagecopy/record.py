# SPDX-License-Identifier: Apache-2.0
"""What a target keeps about its copy, and what it is called meanwhile. Pure.

It is an attribute of the header object of the image: it goes when the image
goes, clones do not inherit it as they do metadata, and no client of the image
is told of it.
"""

import dataclasses

from dcn_plugins import json_fields

#: Names of the attributes.
KEY, PROOF_KEY = 'dcn.copy', 'dcn.proof'
SUFFIX = '.dcn-partial'


@dataclasses.dataclass(frozen=True)
class Record:
    """Whose copy an image is.

    :param image_id: of Glance.
    :param source: ``FSID/POOL/ID@SNAPSHOT`` that it was begun from.
    :param size: of the image.
    :param begun_at: seconds since 1970.
    """

    image_id: str
    source: str
    size: int
    begun_at: int

    def to_text(self):
        """Return it as a text."""
        return json_fields.text_of(self)

    @classmethod
    def from_text(cls, text):
        """Return the record in a text, or ``None`` if it holds none."""
        try:
            found = cls(**json_fields.values_of(cls, text))
            int(found.size), int(found.begun_at)
            return found
        except (TypeError, ValueError):
            return None

    def is_of(self, image_id, size):
        """Say whether that copy may be gone on with.

        Wherever it came from: what it holds is compared before it counts.
        """
        return (self.image_id, self.size) == (image_id, size)


def partial_name(name):
    """Return what an image is called until it is whole."""
    return name + SUFFIX
