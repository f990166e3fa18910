# SPDX-License-Identifier: Apache-2.0
"""Have Glance's own steps of a copy write an image only if it has changed.

At the beginning and at the end of each import Glance reads the image and
writes all of it back, whether there is anything to write or not. Whoever has
set a property meanwhile has lost it, and each store of the image is connected
to, which takes minutes if one is away. If all stores of a copy-image are ours,
these steps have nothing to write: what there is to note, ``image_record``
notes, in writes that touch nothing else.

Glance has no way to say so. So the repository that the steps write by is put
behind one that leaves out such writes. It is an attribute of the wrapper that
Glance hands to plugins; :mod:`~dcn_plugins.glance.upstream_shape` looks
whether it is there.
"""

import collections
import copy

from dcn_plugins.placement import image_import

#: The attribute of Glance's ``ImportActionWrapper``.
ATTRIBUTE = '_image_repo'

# A step has read two at most when it writes: one to change, and one to look
# at the lock.
_MOST = 8
_LISTS = (image_import.IMPORTING, image_import.FAILED)


def keep(wrapper):
    """Have the steps of a task keep images that they have not changed.

    :param wrapper: ``action_wrapper``, as Glance hands it to a plugin.
    """
    repo = getattr(wrapper, ATTRIBUTE)
    # Glance asks for a flow more than once, with the same wrapper.
    if not isinstance(repo, UnchangedImages):
        setattr(wrapper, ATTRIBUTE, UnchangedImages(repo))


class UnchangedImages:
    """A repository of images that writes none that is as it was read.

    :param repo: of Glance, which does everything else.
    """

    def __init__(self, repo):
        self._repo = repo
        self._read = collections.deque(maxlen=_MOST)

    def get(self, image_id):
        """Return an image, and remember what it is."""
        image = self._repo.get(image_id)
        self._read.append((image, _content(image)))
        return image

    def save(self, image, from_state=None):
        """Write an image, unless nothing has changed it since."""
        for found, content in tuple(self._read):
            if found is image and content == _content(image):
                return
        self._repo.save(image, from_state)

    def __getattr__(self, name):
        return getattr(self._repo, name)


def _content(image):
    """Return all of an image, below what policies and quotas wrap around it.

    A list without stores is none: Glance makes one of nothing.
    """
    while hasattr(image, 'base'):
        image = image.base
    # Glance's mapping has no items(), though it answers.
    properties = {name: value for name, value
                  in dict(image.extra_properties).items()
                  if value or name not in _LISTS}
    return {**copy.deepcopy({
        name: value for name, value in vars(image).items()
        if name not in ('extra_properties', 'locations')}),
        'extra_properties': properties,
        'locations': copy.deepcopy([dict(one) for one in image.locations])}
