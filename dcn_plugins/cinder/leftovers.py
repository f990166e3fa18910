# SPDX-License-Identifier: Apache-2.0
"""What in a pool nobody will ask for any more, and how that is known. Pure.

A verdict that does not ask the database must hold for any number of backends
and of Cinders in one pool: it needs two things that only Cinder does together,
a name that is made from a UUID and a suffix, and an image or snapshot that
nothing depends on. The database alone proves less: it does not tell volumes
that were deleted from those that were unmanaged, and knows nothing of another
Cinder. What it does not know is reported, and reclaimed only if somebody says
so who knows.

Whatever may still be changing is not looked at: it is *young*.
"""

import dataclasses

from dcn_plugins.cinder import findings

# Who has put an entry into the trash: a call to do so, or a removal that was
# interrupted. Mirroring and live migration of images have their own.
OWN_SOURCES = frozenset(['USER', 'USER_PARENT', 'REMOVING'])

_WHOSE = 'it may be unmanaged, or of another Cinder'

# In any other state a volume may get its image only now.
_SETTLED = frozenset(['available', 'in-use', 'error', 'maintenance',
                      'reserved', 'attaching', 'detaching'])


@dataclasses.dataclass(frozen=True)
class Policy:
    """How to judge.

    :param now: seconds since the epoch.
    :param grace_seconds: for how long something is young.
    :param backends: those that have their volumes in this pool.
    :param is_exclusive: whether no others have.
    :param unknown_volumes: whether an operator says that what the database
        does not know is not in use.
    :param unknown_snapshots: the same of snapshots.
    """

    now: float
    grace_seconds: float
    backends: frozenset = frozenset()
    is_exclusive: bool = True
    unknown_volumes: bool = False
    unknown_snapshots: bool = False

    def is_elsewhere(self, backend):
        """Tell whether a backend is another one for certain."""
        return bool(backend and self.backends) and (
            backend not in self.backends)

    def is_young(self, moment):
        """Tell whether something may still be changing."""
        return moment > self.now - self.grace_seconds


def ids(listing, names):
    """Return the ids of volumes and of snapshots that the names hold."""
    volumes = {names.owner(name) for name in listing.images}
    volumes |= {names.owner(entry.name) for entry in listing.trash}
    snapshots = set()
    for image in listing.images.values():
        for snapshot in image.snapshots:
            volumes.add(names.clone(snapshot.name))
            snapshots.add(names.snapshot(snapshot.name))
    return volumes - {None}, snapshots - {None}


def find(listing, names, known, policy):
    """Return the :class:`~dcn_plugins.cinder.findings.Report` of a pool.

    :param names: :class:`~dcn_plugins.cinder.volume_names.VolumeNames`.
    :param known: :class:`~dcn_plugins.cinder.pool_contents.Known`, or
        ``None`` if the database was not asked.
    """
    return _Audit(listing, names, known, policy).report()


class _Audit:
    """One look at a listing; what can be reclaimed is thought to be gone."""

    def __init__(self, listing, names, known, policy):
        self._listing = listing
        self._names = names
        self._known = known
        self._policy = policy
        self._findings = []
        # Pairs of an image and a snapshot, or None for the image itself.
        self._young = set()
        self._gone = set()
        self._gone_ids = set()
        self._there = {*listing.images, *listing.unread, *listing.unreadable,
                       *(entry.name for entry in listing.trash)}

    def report(self):
        for entry in self._listing.trash:
            self._look_at_trash(entry)
        # Clones first: with them goes what they are clones of.
        for image in sorted(self._listing.images.values(), key=lambda image: (
                -self._depth(image), image.name)):
            for snapshot in image.snapshots:
                if not snapshot.is_hidden:
                    self._look_at_snapshot(image, snapshot)
            if self._names.deleted(image.name):
                self._look_at_deleted(image)
            elif self._known is not None:
                self._look_at_volume(image)
        self._look_at_the_rest()
        return findings.Report(tuple(self._findings), self._counted())

    def _depth(self, image):
        depth = 0
        while image is not None and image.parent:
            pool, parent, _snapshot = image.parent
            image = (self._listing.images.get(parent)
                     if pool == self._listing.pool else None)
            depth += 1
        return depth

    def _counted(self):
        images = self._listing.images
        snapshots = [snapshot for image in images.values()
                     for snapshot in image.snapshots
                     if not snapshot.is_hidden]
        return {
            'images': len(images), 'snapshots': len(snapshots),
            'trash': len(self._listing.trash), 'young': len(self._young),
            'foreign_images': self._listing.foreign_images,
            'foreign_snapshots': sum(
                not self._names.is_cinders(snapshot.name)
                for snapshot in snapshots),
            'foreign_trash': self._listing.foreign_trash}

    def _add(self, kind, image, evidence, reason='', image_id=None, **values):
        finding = findings.Finding(kind, image, evidence, reason, **values)
        self._findings.append(finding)
        if finding.is_reclaimable:
            self._gone.add((image, finding.snapshot))
            self._gone_ids.add(image_id)

    # What two things that only Cinder does together tell.

    def _look_at_clone_snapshot(self, image, snapshot, clone):
        if self._has_clones(snapshot) or self._is_young(
                image, snapshot, snapshot.created, self._record(clone)):
            return
        self._add(
            findings.CLONE_SNAPSHOT, image.name,
            f'It was made to clone volume {clone} from, and has no clone',
            self._why_snapshot_stays(image, snapshot)
            or self._why_volume_stays(clone), snapshot=snapshot.name)

    def _look_at_deleted(self, image):
        volume = self._names.deleted(image.name)
        left = self._snapshots_left(image)
        if any(self._has_clones(snapshot)
               or (image.name, snapshot.name) in self._young
               for snapshot in left):
            return
        if self._is_young(image, None, image.changed, self._record(volume)):
            return
        self._add(
            findings.DELETED_IMAGE, image.name,
            f'Volume {volume} was deleted while it had clones, and has none '
            'any more', self._why_image_stays(image, left)
            or self._why_volume_stays(volume), image.id, bytes=image.size)

    def _look_at_trash(self, entry):
        if (entry.source not in OWN_SOURCES
                or self._policy.is_young(entry.deferment_end)):
            return
        record = self._record(self._names.owner(entry.name))
        reason = '' if record is None or record.is_deleted else (
            f'Cinder knows the volume, as {record.status}')
        self._add(findings.EXPIRED_TRASH, entry.name,
                  'Its time in the trash has been over for more than '
                  f'{self._policy.grace_seconds:g} s', reason, entry.id,
                  trash_id=entry.id, bytes=entry.size)

    # What the database tells.

    def _look_at_volume(self, image):
        volume = self._names.volume(image.name)
        record = self._record(volume)
        if self._is_young(image, None, image.changed, record):
            return
        if record is None or record.is_deleted:
            self._add_unknown(image, volume, record)
        elif not record.is_migrating:
            self._look_for_stray(image, volume, record)

    def _add_unknown(self, image, volume, record):
        evidence = f'Cinder knows {_as(record)} volume {volume}'
        if image.parent:
            evidence += '; it is a clone of {}/{}@{}'.format(*image.parent)
        reason = '' if self._policy.unknown_volumes else (
            f'{_WHOSE}: see --unknown-volumes')
        if not self._names.is_telling:
            reason = 'its name is nothing but a UUID'
        self._add(findings.UNKNOWN_VOLUME, image.name, evidence,
                  reason or self._why_image_stays(
                      image, self._snapshots_left(image)),
                  image.id, bytes=image.size)

    def _look_for_stray(self, image, volume, record):
        if record.name_id != volume:
            where = 'under the name ' + self._names.image(record.name_id)
        elif not record.backend:
            where = 'on no backend'
        elif (self._policy.is_exclusive
              and self._policy.is_elsewhere(record.backend)):
            where = f'on {record.backend}'
        else:
            return
        self._add(findings.STRAY_VOLUME, image.name,
                  f'Cinder knows volume {record.id} ({record.status}) {where}',
                  'it may be the only copy', bytes=image.size)

    def _look_at_snapshot(self, image, snapshot):
        clone = self._names.clone(snapshot.name)
        if clone:
            self._look_at_clone_snapshot(image, snapshot, clone)
            return
        found = self._names.snapshot(snapshot.name)
        if not found or self._known is None:
            return
        record = self._known.snapshots.get(found)
        if (record is None or record.is_deleted) and not self._is_young(
                image, snapshot, snapshot.created, record):
            self._add_unknown_snapshot(image, snapshot, found, record)

    def _add_unknown_snapshot(self, image, snapshot, found, record):
        reason = '' if self._policy.unknown_snapshots else (
            f'{_WHOSE}: see --unknown-snapshots')
        if self._has_clones(snapshot):
            reason = 'it has clones'
        self._add(
            findings.UNKNOWN_SNAPSHOT, image.name,
            f'Cinder knows {_as(record)} snapshot {found}'
            + ('' if snapshot.is_protected else ', and it is not protected'),
            reason or self._why_snapshot_stays(image, snapshot),
            snapshot=snapshot.name)

    def _look_at_the_rest(self):
        for name, reason in sorted(self._listing.unreadable.items()):
            self._add(findings.UNREADABLE_IMAGE, name,
                      f'It is listed: {reason}',
                      'what is in it cannot be told')
        for marker in self._listing.markers:
            self._add(findings.MARKER, marker.key,
                      f'Etcd has no record of it: {marker.text}',
                      'whoever takes its lock next ends the operation')

    # Why something stays.

    def _why_snapshot_stays(self, image, snapshot):
        if snapshot.children is None:
            return 'whether it has clones cannot be told'
        return 'its image is mirrored from elsewhere' if (
            image.is_secondary) else ''

    def _why_image_stays(self, image, left):
        if left:
            return 'it has snapshots: ' + ', '.join(
                sorted(snapshot.name for snapshot in left))
        if image.watchers:
            return 'a client has it open'
        return 'it is mirrored from elsewhere' if image.is_secondary else ''

    def _why_volume_stays(self, volume):
        """Say so if Cinder knows the volume here, and its image is missing."""
        record = self._record(volume)
        if (record is None or record.is_deleted
                or self._names.image(record.name_id) in self._there):
            return ''
        if (record.status in _SETTLED
                and self._policy.is_elsewhere(record.backend)):
            return ''
        return (f'Cinder knows volume {volume} ({record.status}), and it has '
                'no image')

    # Small questions.

    def _record(self, volume):
        return self._known and self._known.volumes.get(volume)

    def _is_young(self, image, snapshot, moment, record):
        is_young = self._policy.is_young(moment) or (
            record is not None and self._policy.is_young(record.changed))
        if is_young:
            self._young.add((image.name, snapshot and snapshot.name))
        return is_young

    def _has_clones(self, snapshot):
        return any(child.id not in self._gone_ids
                   for child in snapshot.children or ())

    def _snapshots_left(self, image):
        return [snapshot for snapshot in image.snapshots
                if (image.name, snapshot.name) not in self._gone]


def _as(record):
    return 'no' if record is None else 'as deleted the'
