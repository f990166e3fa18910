# SPDX-License-Identifier: Apache-2.0
"""Every error that dcn_plugins raises, as one tree.

The outcome of an error answers what its caller has to do: ``NOTHING_DONE``
may be retried, ``PARTIAL`` must be repaired, ``UNKNOWN`` must be looked at
first. Data are attributes; the class builds the message.
"""

import enum


class Outcome(enum.Enum):
    """What had happened when an error was raised."""

    NOTHING_DONE = 'nothing done'
    PARTIAL = 'partly done'
    UNKNOWN = 'unknown'


class DCNError(Exception):
    """Base of all errors of dcn_plugins."""

    outcome = Outcome.UNKNOWN
    exit_code = 1


class ConfigError(DCNError):
    """Report configuration that is of no use: where, what, and the remedy."""

    outcome = Outcome.NOTHING_DONE
    exit_code = 2

    def __init__(self, source, problem, remedy):
        self.source = source
        self.problem = problem
        self.remedy = remedy
        super().__init__(f'{source}: {problem}. {remedy}')


class InvalidPolicy(ConfigError):
    """Report a placement policy of no use, with all that is wrong in it.

    :param faults: each with ``line``, ``reason`` and ``remedy``, see
        :class:`~dcn_plugins.placement.policy_nodes.Fault`.
    """

    def __init__(self, source, faults):
        self.faults = tuple(faults)
        super().__init__(source, '; '.join(map(str, self.faults)),
                         'The last good policy stays in force')


class LockError(DCNError):
    """Base of errors of a named lock."""

    def __init__(self, message, name):
        self.name = name
        super().__init__(message)


class LockTimeout(LockError):
    """Report that the lock stayed with somebody else all the time."""

    outcome = Outcome.NOTHING_DONE

    def __init__(self, name, wait_seconds):
        self.wait_seconds = wait_seconds
        super().__init__(
            f'lock {name} was not granted within {wait_seconds:g} s; '
            'nothing was done', name)


class LockLost(LockError):
    """Report that the lock was no longer ours when the work ended."""

    outcome = Outcome.PARTIAL

    def __init__(self, name, operation):
        self.operation = operation
        super().__init__(
            f'lock {name} was lost while {operation} ran: another holder may '
            'have worked at the same time; compare the object with its '
            'database record before it is used', name)


class LockServiceError(LockError):
    """Report that the lock service did not answer, so nobody knows."""

    outcome = Outcome.UNKNOWN

    def __init__(self, name, reason):
        self.reason = reason
        super().__init__(f'lock {name}: the lock service failed: {reason}',
                         name)


class WorkLeft(LockError):
    """Report work that has failed and is ended by who has the lock next."""

    outcome = Outcome.PARTIAL

    def __init__(self, name, operation, reason):
        self.operation = operation
        self.reason = reason
        super().__init__(
            f'lock {name}: {operation} has failed and is left to be undone '
            f'or finished by whoever has the lock next: {reason}', name)


class RepairFailed(LockError):
    """Report that the half-done work of a dead holder could not be ended."""

    outcome = Outcome.PARTIAL

    def __init__(self, operation, name, reason):
        self.operation = operation
        self.reason = reason
        super().__init__(
            f'lock {name}: {operation} of a dead holder could not be ended: '
            f'{reason}; it is tried again', name)


class EtcdError(DCNError):
    """Base of errors of one call to etcd."""


class EtcdUnavailable(EtcdError):
    """Report that no member of etcd has answered in time.

    :param is_sent: whether the call may have had its effect all the same.
    """

    def __init__(self, reason, is_sent=False):
        self.reason = reason
        self.is_sent = is_sent
        if not is_sent:
            self.outcome = Outcome.NOTHING_DONE
        super().__init__(f'etcd does not answer: {reason}')


class EtcdRefused(EtcdError):
    """Report that etcd has answered a call with an error.

    :param code: of gRPC.
    :param is_sent: whether the call may have had its effect through another
        member, which did not answer.
    """

    outcome = Outcome.NOTHING_DONE

    def __init__(self, message, code, text, is_sent=False):
        self.code = code
        self.text = text
        self.is_sent = is_sent
        if is_sent:
            self.outcome = Outcome.UNKNOWN
        super().__init__(f'etcd refuses: {message}')


class ServiceError(DCNError):
    """Report that an API of the cloud has not done what it was asked.

    :param service: for people.
    :param status: of HTTP; ``None`` if there was no answer.
    """

    exit_code = 1

    def __init__(self, service, reason, remedy, status=None):
        self.service = service
        self.reason = reason
        self.remedy = remedy
        self.status = status
        if status is not None:
            self.outcome = Outcome.NOTHING_DONE
        super().__init__(f'{service}: {reason}. {remedy}')


class NotDone(DCNError):
    """Report a command of an operator that was done in part or not at all.

    :param remedy: what to do, as a sentence.
    """

    outcome = Outcome.PARTIAL

    def __init__(self, problem, remedy):
        self.problem = problem
        self.remedy = remedy
        super().__init__(f'{problem}. {remedy}')


class CopyError(DCNError):
    """Base of errors of copying one image."""

    def __init__(self, message, image_id):
        self.image_id = image_id
        super().__init__(message)


class CopyRefused(CopyError):
    """Report that Glance refused a copy for good: a retry is useless."""

    outcome = Outcome.NOTHING_DONE

    def __init__(self, image_id, stores, reason):
        self.stores = tuple(stores)
        self.reason = reason
        super().__init__(
            f'copy of image {image_id} to {",".join(self.stores)} was '
            f'refused: {reason}', image_id)


class CopyCancelled(CopyError):
    """Report that a copy was ended from outside; a later one goes on."""

    outcome = Outcome.PARTIAL

    def __init__(self, image_id, reason):
        self.reason = reason
        super().__init__(f'copy of image {image_id} was cancelled: {reason}',
                         image_id)


class CopyNotRegistered(CopyError):
    """Report that a copy was made and cannot become one of the image."""

    outcome = Outcome.NOTHING_DONE

    def __init__(self, image_id, store, reason):
        self.store = store
        self.reason = reason
        super().__init__(
            f'the copy of image {image_id} in {store} is not registered: '
            f'{reason}', image_id)


class CopyPostponed(CopyError):
    """Report that Glance cannot take the copy now; a later try may succeed."""

    outcome = Outcome.NOTHING_DONE

    def __init__(self, image_id, reason):
        self.reason = reason
        super().__init__(f'copy of image {image_id} has to wait: {reason}',
                         image_id)


class ClaimLost(CopyError):
    """Report that the claim of a job has ended before its work.

    Somebody else goes on with the job, or it is no more.
    """

    outcome = Outcome.UNKNOWN

    def __init__(self, image_id, store):
        self.store = store
        super().__init__(
            f'the job that copies image {image_id} to {store} is no longer '
            'ours: our lease has ended, or the image was deleted', image_id)


class RemovalLost(CopyError):
    """Report that somebody else has taken over what removes a copy."""

    outcome = Outcome.UNKNOWN

    def __init__(self, image_id, store):
        self.store = store
        super().__init__(
            f'the removal of image {image_id} from {store} is no longer '
            'ours: another worker has taken it over, or the image was '
            'deleted', image_id)


class RemovalRefused(CopyError):
    """Report that Glance, or we, did not remove a copy.

    :param is_used: whether that is because somebody uses it.
    :param is_away: whether that is because the store is out of reach.
    """

    outcome = Outcome.NOTHING_DONE

    def __init__(self, image_id, store, reason, is_used=False, is_away=False):
        self.store = store
        self.reason = reason
        self.is_used = is_used
        self.is_away = is_away
        super().__init__(
            f'image {image_id} is not removed from {store}: {reason}',
            image_id)


class RemovalUnanswered(CopyError):
    """Report that nobody knows whether Glance removes a copy, or will."""

    outcome = Outcome.UNKNOWN

    def __init__(self, image_id, store, reason):
        self.store = store
        self.reason = reason
        super().__init__(
            f'Glance has not answered whether image {image_id} was removed '
            f'from {store}: {reason}', image_id)


class SourceMissing(CopyError):
    """Report that nothing has, or tells, the image that is to be copied."""

    outcome = Outcome.NOTHING_DONE
    exit_code = 3

    def __init__(self, image_id, reason):
        self.reason = reason
        super().__init__(
            f'image {image_id} cannot be read from any source: {reason}',
            image_id)


class SourceChanged(CopyError):
    """Report that the snapshot was removed while it was copied."""

    outcome = Outcome.NOTHING_DONE
    exit_code = 4

    def __init__(self, image_id, source):
        self.source = source
        super().__init__(
            f'the source {source} of image {image_id} was removed or replaced '
            'while it was copied; the copy was removed', image_id)


class CopyInterrupted(CopyError):
    """Report that a copy has ended early, and can be gone on with."""

    outcome = Outcome.PARTIAL
    exit_code = 5

    def __init__(self, image_id, reason):
        self.reason = reason
        super().__init__(
            f'the copy of image {image_id} was interrupted: {reason}; the '
            'next one goes on where it ended', image_id)


class VerifyFailed(CopyError):
    """Report data that are not what they should be.

    :param offset: of the first ones that were found; ``None`` if nobody can
        tell.
    """

    outcome = Outcome.PARTIAL
    exit_code = 6

    def __init__(self, place, offset, reason='the data differ'):
        self.place = place
        self.offset = offset
        self.reason = reason
        where = '' if offset is None else f' at offset {offset}'
        super().__init__(f'{place}{where}: {reason}; nothing was published',
                         None)


class TargetBusy(CopyError):
    """Report that somebody else copies the same image to the same place."""

    outcome = Outcome.NOTHING_DONE
    exit_code = 7

    def __init__(self, image, fsid):
        self.image = image
        self.fsid = fsid
        super().__init__(
            f'another process works on the copy {image} in cluster {fsid}, or '
            'has ended less than 30 s ago', None)


class ForeignImage(CopyError):
    """Report an image in our way that is not ours to touch."""

    outcome = Outcome.NOTHING_DONE
    exit_code = 8

    def __init__(self, image, fsid, reason):
        self.image = image
        self.fsid = fsid
        self.reason = reason
        super().__init__(
            f'{image} in cluster {fsid} is in the way: it {reason}. If '
            'Glance has no location for it, it is left of an import that '
            f'failed: remove it with "rbd snap purge {image}" and "rbd rm '
            f'{image}" (after "rbd snap unprotect", if it has a snapshot)',
            None)


class CephError(DCNError):
    """Base of errors of Ceph.

    :param doing: what was to be done, for people.
    """

    def __init__(self, message, doing):
        self.doing = doing
        super().__init__(f'{doing}: {message}')


class ClusterUnreachable(CephError):
    """Report that Ceph has not answered in time, so nobody knows."""

    outcome = Outcome.UNKNOWN

    def __init__(self, doing, reason):
        self.reason = reason
        super().__init__(f'Ceph does not answer: {reason}', doing)


class Fenced(CephError):
    """Report that our own client was cut off, as its locks are lost."""

    outcome = Outcome.PARTIAL

    def __init__(self, doing):
        super().__init__(
            'somebody else has taken over and has cut this client off from '
            'Ceph', doing)


class CephRefused(CephError):
    """Report that Ceph has answered with an error.

    :param errno: of the operating system, or None.
    """

    outcome = Outcome.NOTHING_DONE

    def __init__(self, doing, reason, errno=None):
        self.reason = reason
        self.errno = errno
        super().__init__(f'Ceph refuses: {reason}', doing)


class FenceError(CephError):
    """Report that clients of Ceph are not provably cut off.

    :param outcome: whether they may be so all the same.
    """

    def __init__(self, addresses, reason, remedy, outcome=Outcome.UNKNOWN):
        self.addresses = tuple(addresses)
        self.reason = reason
        self.remedy = remedy
        self.outcome = outcome
        super().__init__(
            f'{reason}. {remedy}',
            f'cutting off {", ".join(map(str, self.addresses)) or "clients"}')
