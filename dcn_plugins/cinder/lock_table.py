# SPDX-License-Identifier: Apache-2.0
"""What each operation of the driver touches, and how it is ended for it.

An operation locks each image and snapshot that it makes, changes or removes
exclusively, and shares each that it needs unchanged. A snapshot is apart from
its image: removing one does not hinder the others. An image that was deleted
while it had clones is called ``NAME.deleted`` and has the lock of ``NAME``.

An operation that calls another on the same objects inside upstream's code
(copy_image_to_volume and migrate_volume delete the volume, retype removes QoS
keys) names them at the start; upstream has none that calls one on a further
object, but for the children that it flattens.
"""

import dataclasses
import secrets

from oslo_config import cfg

from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import names

CONF = cfg.CONF

EXCLUSIVE, SHARED = lock_queue.EXCLUSIVE, lock_queue.SHARED

_DELETED = '.deleted'


@dataclasses.dataclass(frozen=True)
class Touched:
    """The locks of an operation, and what others need to end it.

    :param wishes: mode by name of each lock.
    :param intents: dictionaries of ``operation`` and what it is about.
    :param is_found: whether some of it has to be looked up in Ceph, under
        the locks.
    :param otherwise: what is touched for sure, if this is a guess.
    """

    wishes: dict
    intents: tuple
    is_found: bool = False
    otherwise: 'Touched | None' = None


def touched(operation, scope, call, ancestors=None):
    """Return the :class:`Touched` of one call of the driver.

    :param operation: name of the method, a key of ``LOCKS``.
    :param scope: :class:`~dcn_plugins.locking.names.Scope` of the pool.
    :param call: arguments of the call by name.
    :param ancestors: of a volume that is deleted: pairs of an image and the
        snapshot of it that goes with the volume; ``None`` for an operation
        that has to do with none.
    """
    wishes = {}
    intent = {'operation': operation}
    for part in LOCKS[operation]:
        part(scope, call, wishes, intent)
    _ancestors(scope, ancestors or (), wishes, intent)
    return Touched(wishes, (intent,), ancestors is not None)


def of_image(operation, scope, image, ancestors=None):
    """Return the :class:`Touched` of work on one image and its ancestors."""
    wishes = {image_lock(scope, image): EXCLUSIVE}
    intent = {'operation': operation, 'image': image}
    _ancestors(scope, ancestors or (), wishes, intent)
    return Touched(wishes, (intent,), ancestors is not None)


def of_images(operation, scope, images):
    """Return the :class:`Touched` of work on some images."""
    return Touched({image_lock(scope, image): EXCLUSIVE for image in images},
                   ({'operation': operation, 'images': sorted(images)},))


def _ancestors(scope, ancestors, wishes, intent):
    for image, snapshot in ancestors:
        # Who deletes the last clone of a deleted volume removes that, too.
        _want(wishes, image_lock(scope, image),
              EXCLUSIVE if is_deleted(image) else SHARED)
        intent.setdefault('ancestors', []).append([image, snapshot])


def image_lock(scope, image):
    """Return the name of the lock of an image, deleted or not."""
    return scope.image(image.removesuffix(_DELETED))


def deleted(image):
    """Return what an image is called when its volume is deleted."""
    return image.removesuffix(_DELETED) + _DELETED


def is_deleted(image):
    """Tell whether an image is what is left of a deleted volume."""
    return image.endswith(_DELETED)


def _want(wishes, name, mode):
    if wishes.get(name) != EXCLUSIVE:
        wishes[name] = mode


def _name(record):
    return record.name


def _volume(scope, call, wishes, intent):
    intent['image'] = name = _name(call['volume'])
    _want(wishes, image_lock(scope, name), EXCLUSIVE)


def _source_volume(scope, call, wishes, intent):
    # Not shared, nor is that of a snapshot: librbd has whoever holds its own
    # lock of an image make a snapshot for others, and he would do so for
    # somebody who was cut off meanwhile.
    intent['source'] = name = _name(call['src_vref'])
    _want(wishes, image_lock(scope, name), EXCLUSIVE)


def _snapshot(scope, call, wishes, intent, mode=EXCLUSIVE):
    snapshot = call['snapshot']
    intent['source'] = snapshot.volume_name
    intent['snapshot'] = _name(snapshot)
    _want(wishes, scope.snapshot(snapshot.volume_name, _name(snapshot)),
          mode)


def _source_snapshot(scope, call, wishes, intent):
    _snapshot(scope, call, wishes, intent, SHARED)


def _snapshot_of_volume(scope, call, wishes, intent):
    # As _source_snapshot, without asking the database for the volume again.
    intent['snapshot'] = _name(call['snapshot'])
    _want(wishes, scope.snapshot(_name(call['volume']),
                                 _name(call['snapshot'])), SHARED)


def _volume_of_snapshot(scope, call, wishes, intent):
    _want(wishes, image_lock(scope, call['snapshot'].volume_name), EXCLUSIVE)


def _existing_name(call):
    # Upstream takes a bare name too and refuses the rest, after this.
    reference = call['existing_ref']
    if isinstance(reference, dict):
        reference = reference.get('source-name')
    return str(reference) if reference else None


def _image_to_manage(scope, call, wishes, intent):
    name = _existing_name(call)
    if name:
        intent['existing'] = name
        _want(wishes, image_lock(scope, name), EXCLUSIVE)


def _snapshot_to_manage(scope, call, wishes, intent):
    name = _existing_name(call)
    if name:
        intent['existing'] = name
        _want(wishes, scope.snapshot(call['snapshot'].volume_name, name),
              EXCLUSIVE)


def _migrated_images(scope, call, wishes, intent):
    # By id and not by name, as upstream renames: the name of a migrated
    # volume is made from its _name_id.
    for volume in (call['volume'], call['new_volume']):
        _want(wishes, scope.image(CONF.volume_name_template % volume.id),
              EXCLUSIVE)


def _image_in_target_pool(scope, call, wishes, intent):
    capabilities = (call['host'] or {}).get('capabilities') or {}
    parts = str(capabilities.get('location_info')).split(':')
    if len(parts) != 5:
        return  # upstream refuses it too, and migrates in another way
    _cluster, _conf, fsid, _user, pool = parts
    if fsid == scope.cluster:
        intent['target_pool'] = pool
        intent['migration'] = secrets.token_hex(8)
    _want(wishes, names.Scope(fsid, pool).image(_name(call['volume'])),
          EXCLUSIVE)


def _whether_it_is_overwritten(scope, call, wishes, intent):
    # The image of a volume that is imaged anew was there before.
    if call.get('disable_sparse'):
        intent['is_overwritten'] = True


LOCKS = {
    'create_volume': (_volume,),
    'create_volume_from_snapshot': (_volume, _source_snapshot),
    'create_cloned_volume': (_volume, _source_volume),
    # The parent is Glance's: it is neither changed by it nor ours to lock.
    'clone_image': (_volume,),
    'copy_image_to_volume': (_volume, _whether_it_is_overwritten),
    'copy_image_to_encrypted_volume': (_volume, _whether_it_is_overwritten),
    'delete_volume': (_volume,),
    'extend_volume': (_volume,),
    'retype': (_volume,),
    'update_rbd_image_qos': (_volume,),
    'delete_rbd_image_qos_keys': (_volume,),
    'migrate_volume': (_volume, _image_in_target_pool),
    'update_migrated_volume': (_migrated_images,),
    'manage_existing': (_volume, _image_to_manage),
    'create_snapshot': (_snapshot, _volume_of_snapshot),
    'delete_snapshot': (_snapshot, _volume_of_snapshot),
    'revert_to_snapshot': (_volume, _snapshot_of_volume),
    'manage_existing_snapshot': (_snapshot, _snapshot_to_manage,
                                 _volume_of_snapshot),
    'unmanage_snapshot': (_snapshot, _volume_of_snapshot),
}

_NOTHING_IN_CEPH = 'does nothing, or nothing in Ceph'
_READS = 'reads only'
_FAILOVER = (
    'runs when the site is in ruins, so it must not need the DLM of the '
    'site; Cinder admits one failover of a cluster at a time')

# Why each other public method of upstream's class needs no lock. A method
# that is in neither table fails a test, so that a new one is looked at.
NO_LOCKS = {
    'get_driver_options': _NOTHING_IN_CEPH,
    'do_setup': _READS,
    'check_for_setup_error': 'reads; what it starts takes its own locks',
    'RBDProxy': _NOTHING_IN_CEPH,
    'snapshot_revert_use_temp_snapshot': _NOTHING_IN_CEPH,
    'failover': _FAILOVER,
    'failover_completed': _FAILOVER,
    'failover_host': _FAILOVER,
    'ensure_export': _NOTHING_IN_CEPH,
    'create_export': _NOTHING_IN_CEPH,
    'remove_export': _NOTHING_IN_CEPH,
    'initialize_connection': _READS,
    'terminate_connection': _NOTHING_IN_CEPH,
    'copy_volume_to_image': 'reads only, for hours perhaps, during which '
                            'the volume must stay usable',
    'manage_existing_get_size': _READS,
    'manage_existing_snapshot_get_size': _READS,
    'get_manageable_volumes': _READS,
    'get_manageable_snapshots': _READS,
    'unmanage': _NOTHING_IN_CEPH,
    'get_backup_device': 'decides only; the clone or snapshot that it asks '
                         'for is made by operations that lock',
    'get_rbd_image_qos': _READS,
}
