# SPDX-License-Identifier: Apache-2.0
"""Decide which notifications of Glance are a reason to look at an image."""

import collections
import enum
import threading

from dcn_plugins.glance import copy_need
from dcn_plugins.placement import image_import

_DELETE = 'image.delete'
_NEWS = ('image.create', 'image.prepare', 'image.upload', 'image.activate',
         'image.update')


class Verdict(enum.Enum):
    """What a notification asks for."""

    LOOK = 'look at the image'
    FORGET = 'the image has been deleted'
    NOTHING = 'nothing'


class CopyTrigger:
    """Judge notifications; one object for all requests of a process.

    A copy makes Glance announce updates of the image too, in whichever
    process runs it. If each of them were a reason to look, a copy that
    always fails would be asked for without end. So a notification that comes
    while a task holds the image counts only when it tells something new: the
    image has become active, or its property has changed.

    :param size: how many images are remembered; forgetting one costs a look.
    :param is_for_all: whether an image without the property is wanted
        somewhere, too.
    """

    def __init__(self, size, is_for_all=False):
        self._size = size
        self._is_for_all = is_for_all
        self._seen = collections.OrderedDict()
        self._lock = threading.Lock()

    def judge(self, event_type, payload):
        """Return the ``Verdict``; what is not about an image is ``NOTHING``.

        :param payload: as made by Glance; errors have a string here.
        """
        is_image = event_type == _DELETE or event_type in _NEWS
        if not is_image or not isinstance(payload, dict):
            return Verdict.NOTHING
        image_id = payload.get('id')
        properties = payload.get('properties') or {}
        sites = properties.get(copy_need.PROPERTY)
        if event_type == _DELETE:
            self._forget(image_id)
            return Verdict.FORGET
        if not image_id or not (
                self._is_for_all or copy_need.names(sites)):
            return Verdict.NOTHING
        if payload.get('status') != 'active':
            # Its activation shall be news, even after an earlier one.
            self._forget(image_id)
            return Verdict.NOTHING
        is_new = self._remember(image_id, sites)
        return (Verdict.LOOK if is_new or not properties.get(image_import.TASK)
                else Verdict.NOTHING)

    def _forget(self, image_id):
        with self._lock:
            self._seen.pop(image_id, None)

    def _remember(self, image_id, sites):
        with self._lock:
            # None is a value: that of an image without the property.
            is_new = self._seen.get(image_id, self) != sites
            self._seen[image_id] = sites
            self._seen.move_to_end(image_id)
            if len(self._seen) > self._size:
                self._seen.popitem(last=False)
        return is_new
