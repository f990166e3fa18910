# SPDX-License-Identifier: Apache-2.0
"""How many images are where, as a comparison of all of them has seen. Pure.

It has a few numbers for each store, and none for each image.
"""

import collections
import json


class Survey:
    """One comparison of all images with the policy.

    Each counter has numbers of images by the names of stores: ``wanted``
    there, ``present``, ``lacking`` (wanted and not there), and ``misplaced``:
    there, and forbidden there or over their time.

    :param began_at: seconds since 1970.
    :param stores: names of all stores.
    """

    KINDS = ('wanted', 'present', 'lacking', 'misplaced')

    def __init__(self, began_at, stores=()):
        self.began_at = began_at
        self.stores = frozenset(stores)
        self.seconds = 0.0
        self.images = 0
        self.wanted, self.present, self.lacking, self.misplaced = (
            collections.Counter() for _kind in self.KINDS)

    def add(self, placement, present):
        """Count one image.

        :param placement: :class:`~dcn_plugins.placement.verdict.Placement`.
        :param present: names of the stores that Glance lists.
        """
        there = placement.stores.intersection(present)
        self.images += 1
        self.wanted.update(placement.wanted)
        self.present.update(there)
        self.lacking.update(placement.wanted - there)
        self.misplaced.update(there & (placement.forbidden
                                       | placement.expired))


def text_of(survey):
    """Return a survey as a text for etcd."""
    return json.dumps({
        'began_at': survey.began_at, 'seconds': survey.seconds,
        'images': survey.images, 'stores': sorted(survey.stores),
        **{kind: getattr(survey, kind) for kind in Survey.KINDS}})


def survey_of(text):
    """Return the :class:`Survey` of a text; ``None`` if it is none."""
    try:
        values = json.loads(text)
        found = Survey(float(values['began_at']), map(str, values['stores']))
        found.seconds = float(values['seconds'])
        found.images = int(values['images'])
        for kind in Survey.KINDS:
            getattr(found, kind).update({
                str(store): int(number)
                for store, number in values[kind].items()})
        return found
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
