# SPDX-License-Identifier: Apache-2.0
"""What the name of an image or snapshot says about whose it is. Pure.

Names are all that Ceph knows of Cinder. Only a name that Cinder's templates
make from a UUID, as a whole, counts: a backup (``volume-UUID.backup.base``),
or an image that an operator has called ``volume-UUID.old``, is not a volume.
"""

import re

_UUID = '([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'

#: What upstream calls a volume that was deleted while it had clones.
DELETED = '.deleted'

#: What it calls the snapshot of a volume from which it has made a clone.
CLONE_SNAPSHOT = '.clone_snap'

_BACKUP = re.compile(r'backup\.[a-z0-9-]+\.snap\..+')


class VolumeNames:
    """Names as two templates of cinder.conf make them.

    :param volume: ``volume_name_template``.
    :param snapshot: ``snapshot_name_template``.
    """

    def __init__(self, volume, snapshot):
        self._template = volume
        self._volume = _pattern(volume)
        self._deleted = _pattern(volume, DELETED)
        self._clone = _pattern(volume, CLONE_SNAPSHOT)
        self._snapshot = _pattern(snapshot)
        #: Whether a name that is made from the template of volumes tells more
        #: than that it is a UUID, which other services' images may be too.
        self.is_telling = bool((volume % '').strip())

    def image(self, volume_id):
        """Return the name of the image of a volume."""
        return self._template % volume_id

    def images(self, volume_id):
        """Return all names that the image of a volume may have."""
        name = self.image(volume_id)
        return name, name + DELETED

    def volume(self, image):
        """Return the id of the volume whose image this is, or ``None``."""
        return _id(self._volume, image)

    def deleted(self, image):
        """Return the id of the deleted volume whose image this is."""
        return _id(self._deleted, image)

    def owner(self, image):
        """Return the id of the volume, deleted or not, or ``None``."""
        return self.volume(image) or self.deleted(image)

    def clone(self, snapshot):
        """Return the id of the volume that was cloned from a snapshot."""
        return _id(self._clone, snapshot)

    def snapshot(self, snapshot):
        """Return the id of Cinder's snapshot of this name, or ``None``."""
        return _id(self._snapshot, snapshot)

    def is_cinders(self, snapshot):
        """Tell whether the name of a snapshot is one that Cinder makes."""
        return bool(self.clone(snapshot) or self.snapshot(snapshot)
                    or _BACKUP.fullmatch(snapshot))


def _pattern(template, suffix=''):
    before, after = (template % '\0').split('\0', 1)
    return re.compile(re.escape(before) + _UUID + re.escape(after + suffix))


def _id(pattern, name):
    found = pattern.fullmatch(name)
    return found and found.group(1)
