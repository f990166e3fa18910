# SPDX-License-Identifier: Apache-2.0
"""What has become of copies to one store, ever since. Pure."""

import dataclasses
import json

from dcn_plugins import json_fields


@dataclasses.dataclass(frozen=True)
class Tally:
    """Numbers that only grow.

    :param copies: jobs that have ended with the image in the store.
    :param failures: tries that have failed.
    :param sent_bytes: that our data path has sent to the store.
    :param by: whoever has added to it last, and its number of that. So he
        knows whether he has, when no answer came.
    """

    copies: int = 0
    failures: int = 0
    sent_bytes: int = 0
    by: str = ''

    def plus(self, other, by=''):
        """Return the sum of two."""
        return Tally(self.copies + other.copies,
                     self.failures + other.failures,
                     self.sent_bytes + other.sent_bytes, by)


def text_of(tally):
    """Return a tally as a text for etcd."""
    return json_fields.text_of(tally)


def tally_of(text):
    """Return the :class:`Tally` of a text; an empty one if it is none."""
    try:
        values = json.loads(text)
        return Tally(int(values['copies']), int(values['failures']),
                     int(values['sent_bytes']), str(values['by']))
    except (KeyError, OverflowError, TypeError, ValueError):
        return Tally()
