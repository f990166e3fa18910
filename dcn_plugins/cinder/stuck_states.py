# SPDX-License-Identifier: Apache-2.0
"""States in which volumes and snapshots get stuck, and what ends them. Pure.

Each has somebody who works on the object and then sets another state. When he
dies, or his message is lost, or the database does not answer when he is done,
the state stays. What becomes of it then:

=======================  ==============================  =====================
Volume                   Who works on it, under what     Becomes
=======================  ==============================  =====================
creating                 manager; the lock of its        error
                         source's deletion, else the
                         driver's for part of the time
downloading              manager; the driver's           error
deleting                 manager; that of its deletion   deleted once more,
                                                         with its snapshots
error_managing_deleting  the same                        deleted once more
unmanaging               the same                        unmanaged once more
extending                manager; the driver's           error_extending
retyping                 manager; the driver's           as its attachments
reverting                manager; the driver's           error; its snapshot
                                                         available
managing                 manager; the driver's           error_managing
uploading                manager; that of an upload, if  as its attachments
                         the driver takes it
maintenance              see the migrations              as its attachments
attaching, detaching     Nova asks for it, and ends it   left alone
reserved                 the same                        left alone
backing-up               cinder-backup, which ends it    left alone
                         when it starts
restoring-backup         the same                        left alone
=======================  ==============================  =====================

=======================  ==============================  =====================
Migration of a volume    Who works on it, under what     Becomes
=======================  ==============================  =====================
starting                 scheduler, manager              error
migrating, no target     manager; the driver's           error
migrating to a target    manager, for hours, or Nova;    left alone
                         none
completing               manager; none                   left alone
=======================  ==============================  =====================

=======================  ==============================  =====================
Snapshot                 Who works on it, under what     Becomes
=======================  ==============================  =====================
creating                 manager; the driver's           error
deleting                 manager; that of its deletion,  deleted once more
                         or that of its volume
unmanaging               manager; that of its deletion   unmanaged once more
restoring                with its volume                 available, once its
                                                         volume is through
backing-up               cinder-backup                   left alone
=======================  ==============================  =====================

How it is known that nobody works on an object is the matter of
:mod:`dcn_plugins.cinder.suspects`.
"""

import dataclasses

#: The status follows from what is attached.
BY_ATTACHMENTS = 'by attachments'

#: What a message is sent for once more.
DELETE = 'delete'
UNMANAGE = 'unmanage'

#: Whose row in the table of workers it is.
NO_ROW = 'no row'
NOBODY = 'nobody'
DEAD = 'dead'
ALIVE = 'alive'

VOLUME_STATES = ('creating', 'downloading', 'deleting',
                 'error_managing_deleting', 'unmanaging', 'extending',
                 'retyping', 'reverting', 'managing')
#: Only where all drivers of a cluster take a lock while they upload.
UPLOAD_STATES = ('uploading',)
MIGRATION_STATES = ('starting', 'migrating')
SNAPSHOT_STATES = ('creating', 'deleting', 'unmanaging', 'restoring')


@dataclasses.dataclass(frozen=True)
class Found:
    """A volume or snapshot in a state that should pass.

    :param kind: ``volume`` or ``snapshot``.
    :param touched: when it was last changed; only compared.
    :param unit: common to those that are worked on one after the other, as
        the snapshots of a group are.
    :param own: names of locks; if any is claimed, somebody works on it.
    :param around: names of locks that somebody who works on it has or waits
        for, but others do, too.
    :param worker: one of the constants for rows of workers.
    :param has_source: whether it is made from a volume or snapshot.
    :param has_target: whether there is a volume that it is being migrated to.
    :param volume_status: of the volume of a snapshot.
    """

    kind: str
    id: str
    status: str
    touched: object = None
    unit: str = ''
    own: frozenset = frozenset()
    around: frozenset = frozenset()
    worker: str = NO_ROW
    migration_status: str | None = None
    has_source: bool = False
    has_target: bool = False
    volume_status: str | None = None

    @property
    def fingerprint(self):
        """What is different when somebody has changed it."""
        return (self.kind, self.id, self.status, self.migration_status,
                self.touched)

    @property
    def is_migrating(self):
        return self.migration_status in MIGRATION_STATES

    @property
    def is_begun(self):
        """Whether a process has taken it over, and no message waits."""
        return self.worker in (ALIVE, DEAD)


@dataclasses.dataclass(frozen=True)
class Remedy:
    """What to do about an object that nobody works on.

    :param again: a message to send once more, else ``status`` is set.
    :param is_slow: whether the work may go on for long without any lock.
    """

    status: str | None = None
    migration_status: str | None = None
    again: str | None = None
    is_slow: bool = False


def remedy(found):
    """Return the Remedy for an object, or ``None`` to leave it alone."""
    if found.kind == 'snapshot':
        return _of_snapshot(found)
    if found.is_migrating:
        return _of_migration(found)
    if found.status in ('creating', 'downloading'):
        return _of_creation(found)
    return _OF_VOLUMES.get(found.status)


_OF_VOLUMES = {
    'deleting': Remedy(again=DELETE),
    'error_managing_deleting': Remedy(again=DELETE),
    'unmanaging': Remedy(again=UNMANAGE),
    'extending': Remedy('error_extending'),
    'retyping': Remedy(BY_ATTACHMENTS),
    'reverting': Remedy('error'),
    'managing': Remedy('error_managing'),
    'uploading': Remedy(BY_ATTACHMENTS),
}


def _of_creation(found):
    if found.status == 'downloading':
        # Without a row it is a server's volume that is made anew from an
        # image; from that of a volume it is copied under no lock.
        return Remedy('error', is_slow=found.worker == NO_ROW)
    # From an image, perhaps, which may be fetched under no lock.
    return Remedy('error', is_slow=(
        found.worker == ALIVE and not found.has_source))


def _of_migration(found):
    if found.has_target:
        return None
    status = (BY_ATTACHMENTS if found.status in ('retyping', 'maintenance')
              else found.status)
    return Remedy(status, migration_status='error')


def _of_snapshot(found):
    if found.status == 'creating':
        return Remedy('error')
    if found.status == 'restoring':
        return None if found.volume_status == 'reverting' else (
            Remedy('available'))
    # They are part of the deletion of their volume; a second one would make
    # that fail.
    if found.volume_status == 'deleting':
        return None
    return {'deleting': Remedy(again=DELETE),
            'unmanaging': Remedy(again=UNMANAGE)}.get(found.status)


def last_remedy(found):
    """Return what is done when repeating has not helped."""
    what = remedy(found)
    if what.again is None:
        return what
    if what.again == UNMANAGE and found.kind == 'volume':
        return Remedy('error_unmanaging')
    return Remedy('error_deleting')
