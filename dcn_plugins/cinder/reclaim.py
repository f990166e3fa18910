# SPDX-License-Identifier: Apache-2.0
"""Remove what an audit has found, each thing under the locks of its volumes.

An audit is old when it is read. So each finding is looked at once more when
the locks are held, Cinder's database included, and by the same rules; only if
it is found again it is removed. Whoever is killed on the way leaves what the
next audit finds.
"""

import dataclasses
import time

from oslo_log import log as logging

from dcn_plugins.cinder import findings
from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import pool_listing
from dcn_plugins import exceptions

LOG = logging.getLogger(__name__)

# For messages, and for the record of who holds the locks.
OPERATION = 'audit'

# After so many failures, one after the other, the rest is not tried.
MOST_FAILURES = 3

_CLONE_GONE = 'The last clone of it was removed'
_IN_USE = 'it has gone meanwhile, or is in use'


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What has become of a finding.

    :param reason: why it is there still, or what is not certain.
    :param parent: pool, image and snapshot that a removed image was a clone
        of.
    """

    finding: findings.Finding
    is_reclaimed: bool
    reason: str = ''
    is_failure: bool = False
    parent: tuple = None


class Reclaimer:
    """Remove what can be reclaimed from the pool of a backend.

    :param rbd: the module, or what stands in for it.
    :param guarded: takes the name of an operation and names of images.
        Returns a context manager that holds their locks, and yields what has
        ``connection(pool)``, which returns the RADOS client and its I/O
        context.
    :param pool: its name.
    :param names: :class:`~dcn_plugins.cinder.volume_names.VolumeNames`.
    :param known: returns what the database says of ids of volumes and of
        snapshots; see :mod:`~dcn_plugins.cinder.volume_records`.
    :param deferral_seconds: for how long images are kept in the trash
        instead, or ``None``.
    """

    def __init__(self, rbd, guarded, pool, names, known,
                 deferral_seconds=None, clock=time.time):
        self._rbd = rbd
        self._guarded = guarded
        self._pool = pool
        self._names = names
        self._known = known
        self._deferral_seconds = deferral_seconds
        self._clock = clock

    def reclaim(self, report, policy):
        """Yield an :class:`Outcome` for each finding, in their order.

        :param policy: by which the report was made.
        """
        failures = 0
        for finding in report.findings:
            if not finding.is_reclaimable:
                outcome = Outcome(finding, False, finding.reason)
            elif failures == MOST_FAILURES:
                outcome = Outcome(finding, False, 'given up after '
                                  f'{MOST_FAILURES} failures')
            else:
                outcome = self._reclaim(finding, policy)
                failures = failures + 1 if outcome.is_failure else 0
            yield outcome

    def release(self, parents, policy):
        """Remove what was kept for clones that are gone; yield Outcomes.

        What is not removed, an audit finds. Only what has become of use
        again meanwhile stays; nothing is too young.

        :param parents: pairs of an image and the snapshot of it that was
            made for a clone; see :class:`~dcn_plugins.cinder.trash.Purged`.
        :param policy: see :meth:`reclaim`.
        """
        policy = dataclasses.replace(policy, grace_seconds=0)
        for image, snapshot in parents:
            finding = findings.Finding(
                findings.CLONE_SNAPSHOT, image, _CLONE_GONE,
                snapshot=snapshot)
            while finding is not None:
                outcome = self._reclaim(finding, policy)
                yield outcome
                finding = self._above(outcome)

    def _above(self, outcome):
        """Return what may be of no use without what was removed."""
        image = outcome.finding.image
        volume = self._names.deleted(image)
        if volume is None or not outcome.is_reclaimed:
            return None
        if outcome.finding.snapshot:
            return findings.Finding(findings.DELETED_IMAGE, image,
                                    _CLONE_GONE)
        if not outcome.parent or self._deferral_seconds is not None:
            return None
        pool, parent, snapshot = outcome.parent
        if pool != self._pool or self._names.clone(snapshot) != volume:
            return None
        return findings.Finding(findings.CLONE_SNAPSHOT, parent, _CLONE_GONE,
                                snapshot=snapshot)

    def _reclaim(self, finding, policy):
        is_reclaimed = False
        try:
            with self._guarded(OPERATION, self._images(finding)) as held:
                _client, ioctx = held.connection(self._pool)
                listing = pool_listing.read_one(
                    self._rbd, ioctx, self._pool, self._names, finding.image)
                reason = self._why_not(listing, finding, policy)
                if not reason:
                    self._remove(ioctx, finding)
                    is_reclaimed = True
        except exceptions.LockTimeout:
            return Outcome(finding, False, 'an operation has its lock')
        except (self._rbd.ImageBusy, self._rbd.ImageHasSnapshots) as exc:
            return Outcome(finding, False, f'it is in use: {exc}')
        # The database may raise anything, and the others must have a chance.
        except Exception as exc:
            LOG.debug('%s was not reclaimed', finding.subject, exc_info=True)
            return Outcome(finding, is_reclaimed,
                           f'{type(exc).__name__}: {exc}', True)
        if is_reclaimed:
            LOG.info('Reclaimed %s %s: %s', finding.kind, finding.subject,
                     finding.evidence)
        image = listing.images.get(finding.image)
        return Outcome(finding, is_reclaimed, reason,
                       parent=image and image.parent)

    def _images(self, finding):
        """Return the names of the images whose locks are to be held."""
        volumes = {self._names.owner(finding.image),
                   finding.snapshot and self._names.clone(finding.snapshot)}
        return sorted(map(self._names.image, volumes - {None}))

    def _why_not(self, listing, finding, policy):
        known = self._known(*leftovers.ids(listing, self._names))
        report = leftovers.find(
            listing, self._names, known,
            dataclasses.replace(policy, now=self._clock()))
        for found in report.findings:
            if found.key == finding.key:
                return found.reason
        return _IN_USE

    def _remove(self, ioctx, finding):
        calls = self._rbd.RBD()
        if finding.trash_id:
            calls.trash_remove(ioctx, finding.trash_id)
        elif finding.snapshot:
            self._remove_snapshot(ioctx, finding)
        elif self._deferral_seconds is None:
            calls.remove(ioctx, finding.image)
        else:
            calls.trash_move(ioctx, finding.image, self._deferral_seconds)

    def _remove_snapshot(self, ioctx, finding):
        image = self._rbd.Image(ioctx, finding.image)
        try:
            if image.is_protected_snap(finding.snapshot):
                image.unprotect_snap(finding.snapshot)
            image.remove_snap(finding.snapshot)
        finally:
            image.close()
