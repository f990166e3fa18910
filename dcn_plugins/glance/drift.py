# SPDX-License-Identifier: Apache-2.0
"""What may differ between Glance's locations and the pools. Pure."""

import dataclasses

#: What an operator has to allow before data or locations are removed.
PARTIALS, ORPHANS, LOCATIONS = (
    '--remove-partials', '--remove-orphans', '--remove-locations')


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of drift.

    :param id: its name, also in documents.
    :param what: it is; ``why`` it hurts; ``remedy``: what helps.
    :param consent: what has to be allowed for a repair that removes
        something; ``None`` if nothing is removed.
    :param has_repair: whether there is any.
    """

    id: str
    what: str
    why: str
    remedy: str
    consent: str | None = None
    has_repair: bool = True


MISSING_IMAGE = Kind(
    'missing-image',
    'Glance has a location whose RBD image is not there',
    'Nova and Cinder choose this copy and fail, and nobody copies the image '
    'to the store again, as it seems to be there',
    'Remove the location (glance stores-delete, or --repair '
    '--remove-locations if another verified copy exists), and have the image '
    'copied to the store again; if it is the only one, restore the data or '
    'delete the image',
    LOCATIONS)
PARTIAL_COPY = Kind(
    'partial-copy',
    'A copy of ours that was begun, and that nobody goes on with',
    'It holds space, and the store lacks the image',
    'Ask for the copy once more, which goes on where it ended, or remove it '
    'with --repair --remove-partials',
    PARTIALS)
ORPHAN_IMAGE = Kind(
    'orphan-image',
    'An RBD image of an image of Glance, or a copy of ours, that has no '
    'location',
    'It holds space, and Glance refuses to write the image to the store, as '
    'its name is taken',
    'If it is a copy of ours, ask for the copy: it is verified and '
    'registered; or remove it with --repair --remove-orphans. If it is not, '
    'look at it, and remove it with "rbd snap purge" and "rbd rm"',
    ORPHANS)
DELETED_IMAGE = Kind(
    'deleted-image',
    'An RBD image of an image that was deleted in Glance',
    'It holds space for ever, and what was to be gone can still be read',
    'Remove it with --repair --remove-orphans if it is a copy of ours, else '
    'with "rbd snap purge" and "rbd rm"',
    ORPHANS)
WRONG_SIZE = Kind(
    'wrong-size',
    'The RBD image has another size than Glance says',
    'Servers and volumes that are made from it are cut off, or have the '
    'wrong size, and quotas are wrong',
    'Remove this copy (glance stores-delete) if another one is good, and '
    'have the image copied to the store again',
    has_repair=False)
WRONG_CONTENT = Kind(
    'wrong-content',
    'The content of the RBD image has another hash than Glance says',
    'Servers start from data that nobody has uploaded',
    'Find out who has written to it. Remove this copy (glance '
    'stores-delete) if another one is good, and have the image copied again',
    has_repair=False)
SNAPSHOT_MISSING = Kind(
    'snapshot-missing',
    'The RBD image has not the snapshot that its location names',
    'It can be neither read nor cloned: Nova and Cinder download the image '
    'from elsewhere or fail, and it is no source of copies',
    '--repair takes the snapshot if the content has the hash of the image')
SNAPSHOT_UNPROTECTED = Kind(
    'snapshot-unprotected',
    'The snapshot is not protected, and this cluster makes clones of '
    'version 1, which need that',
    'Each clone is refused: servers and volumes are downloaded in full or '
    'fail',
    '--repair protects it if the content has the hash of the image; or let '
    'the cluster make clones of version 2 ("ceph osd '
    'set-require-min-compat-client mimic")')
WRONG_CLUSTER = Kind(
    'wrong-cluster',
    'A location names another cluster than the one its store is in',
    'Nova and Cinder compare the FSID and clone nothing; Glance reads '
    'whatever has that name in the cluster of the store',
    'Correct rbd_store_ceph_conf of the store, or remove the location and '
    'have the image copied again',
    has_repair=False)
UNREADABLE_IMAGE = Kind(
    'unreadable-image',
    'An RBD image is listed and cannot be opened',
    'Its name is taken, and nothing can be read of it',
    'Look at it with "rbd info" and at the health of the cluster; "rbd rm" '
    'ends a removal that was interrupted',
    has_repair=False)
HEADLESS_IMAGE = Kind(
    'headless-image',
    'An RBD image is listed and has no header: half made or half removed',
    'Its name is taken, and nothing can be read of it',
    'If it has the name of a partial copy, or Glance has deleted the image, '
    '--repair --remove-partials takes it away; else "rbd rm" does',
    PARTIALS)

KINDS = (MISSING_IMAGE, PARTIAL_COPY, ORPHAN_IMAGE, DELETED_IMAGE, WRONG_SIZE,
         WRONG_CONTENT, SNAPSHOT_MISSING, SNAPSHOT_UNPROTECTED, WRONG_CLUSTER,
         UNREADABLE_IMAGE, HEADLESS_IMAGE)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that differs.

    :param store: whose pool it is in.
    :param name: of the RBD image.
    :param image_id: of Glance, or ``None`` if nobody knows.
    :param evidence: how that is known.
    :param reason: why it is not repaired whatever is allowed; empty if it
        can be.
    :param rbd_id: what Ceph calls the image that was seen; ``None`` without
        one.
    """

    kind: Kind
    store: str
    pool: str
    name: str
    image_id: str | None
    evidence: str
    reason: str = ''
    rbd_id: str | None = None

    @property
    def key(self):
        """What tells it from all others, from one look to the next."""
        return self.kind.id, self.store, self.pool, self.name, self.rbd_id

    @property
    def subject(self):
        return f'{self.store}:{self.pool}/{self.name}'


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of a scrub.

    :param findings: in the order in which they can be repaired.
    :param counted: what there is, by name.
    :param unknown: why nobody knows, by what it is about: a store that does
        not answer, or a copy that could not be read.
    """

    findings: tuple
    counted: dict
    unknown: dict = dataclasses.field(default_factory=dict)
