# SPDX-License-Identifier: Apache-2.0
"""End the operations of those who have died, or were not heard of in time.

Whoever finds a fence record without its claim takes all locks that the record
names, with a record of his own that says the same. So nobody else does it at
the same time, and if he dies, the next one does. Then he cuts the clients of
the record off in Ceph, looks whether its marker is still there, and if so
undoes or finishes what it says.

No marker means that the operation has not begun, or has ended: then there is
nothing to do. That is also why an etcd that was restored from a backup, and
with it the records of operations that ended long ago, does no harm. So only
the markers say what is to be ended, and his own marker says no more than
those that it replaces.
"""

import dataclasses

from oslo_log import log as logging

from dcn_plugins.cinder import fence_record
from dcn_plugins.cinder import lock_table
from dcn_plugins.cinder import operation as operations
from dcn_plugins.cinder import repair
from dcn_plugins import exceptions
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import session

LOG = logging.getLogger(__name__)

# How often more of it may turn up while the locks are being taken: also what
# the try before has left.
MOST_ROUNDS = 20

#: How long the caretaker waits for the locks of one record.
SWEEP_SECONDS = 10.0

# How long it leaves alone what it could not end, in seconds.
FIRST_PAUSE = 1.0
LAST_PAUSE = 60.0


class LeftBehind(Exception):
    """Say that others have died with locks that are asked for.

    :param records: of :class:`~dcn_plugins.cinder.fence_record.Record`.
    """

    def __init__(self, records):
        self.records = tuple(records)
        super().__init__(', '.join(
            f'{record.host} ({intent["operation"]})'
            for record in self.records for intent in record.intents))

    @classmethod
    def of_texts(cls, texts):
        """Return it for the texts of records.

        :raises LockServiceError: for a text that we do not understand.
        """
        return cls(_parsed(text) for text in sorted(set(texts)))


def refuse(entries):
    """Raise LeftBehind for the entries that are to be fenced."""
    raise LeftBehind.of_texts(entry.text for entry in entries)


def inherited(record, replaced):
    """Return the marker of who ends what some markers say.

    :param record: the text of his own record.
    :param replaced: the texts of these markers by key.
    """
    return dataclasses.replace(
        _parsed(record), intents=_intents(_begun(replaced).values())
    ).to_text()


class Settlement:
    """End what others have left, and what has failed here.

    :param backend: :class:`~dcn_plugins.cinder.backend.Backend`.
    :param lock_guard: :class:`~dcn_plugins.cinder.lock_guard.LockGuard`.
    """

    def __init__(self, backend, lock_guard):
        self._backend = backend
        self._guard = lock_guard
        # When a sweep tries again what it could not end, by locks: each
        # try leaves the record of another claim.
        self._postponed = {}

    def settle(self, records, deadline):
        """End the operations of some records.

        :param deadline: of ``session.clock()``.
        :raises DCNError: if it could not be done; all records are left then.
        """
        # One that was given back may be cut off by somebody who is late.
        own = operations.OwnClient(self._backend.clients(), is_new=True)
        settled, orphans = set(), []
        is_well = False
        try:
            # Not at once: their names may be more than one claim can take.
            for record in records:
                if record.claim not in settled:
                    known = {record.claim: record}
                    orphans += self._settled(own, known, deadline)
                    settled |= known.keys()
            is_well = True
        finally:
            own.end(is_well)
        for image in orphans:
            repair.collect(self._backend, self._guard, image)

    def sweep(self):
        """End what nobody asks for; return the number of records.

        :raises EtcdError: if etcd does not tell what is there.
        """
        locks = self._backend.locks()
        scope = self._backend.scope()
        all_left = locks.left_behind() if locks else []
        # Each try makes an entry in the blocklist.
        left_names = {tuple(sorted(left.modes)) for left in all_left}
        self._postponed = {names: when for names, when
                           in self._postponed.items() if names in left_names}
        found = 0
        for left in all_left:
            names = tuple(sorted(left.modes))
            due_at, pause = self._postponed.get(names, (0, FIRST_PAUSE))
            if session.clock() < due_at:
                continue
            try:
                record = _parsed(left.record)
                # Another backend may have its locks in the same etcd.
                if (record.fsid, record.pool) == (scope.cluster, scope.pool):
                    self.settle([record], session.clock() + SWEEP_SECONDS)
                    found += 1
            # Whatever it is, the others must not wait for this one.
            except Exception as exc:
                self._postponed[names] = (
                    session.clock() + pause, min(2 * pause, LAST_PAUSE))
                LOG.warning('What a dead holder has left of %s is not ended '
                            'yet: %s', ', '.join(left.modes), exc)
        return found

    def _settled(self, own, known, deadline):
        """Settle what is known, and what turns up on the way."""
        for _round in range(MOST_ROUNDS):
            try:
                return self._settle(own, known, deadline)
            except LeftBehind as exc:
                known.update((record.claim, record)
                             for record in exc.records)
        raise exceptions.LockTimeout(
            min(next(iter(known.values())).wishes), 0.0)

    def _settle(self, own, known, deadline):
        wishes = {}
        for record in known.values():
            for name, mode in record.wishes.items():
                # One that is shared by several dead clones need not be
                # exclusive: who settles another one shares it, too.
                if wishes.get(name) != lock_queue.EXCLUSIVE:
                    wishes[name] = mode
        operation = operations.Operation(
            'settlement',
            lock_table.Touched(wishes, _intents(known.values())), own,
            is_heir=True)
        fence = _Fence(self._backend, own, known)
        left = max(0.0, deadline - session.clock())
        with self._guard.locked(operation, left, fence,
                                fence.markers) as replaced:
            return self._repaired(operation, known, replaced, fence.cut_off)

    def _repaired(self, operation, known, replaced, cut_off):
        """Repair what had begun; return deleted images that lost a clone."""
        begun = _begun(replaced)
        for claim, record in known.items():
            if claim not in begun:
                LOG.info('%s: it had not begun, or has ended',
                         LeftBehind([record]))
        orphans = []
        for record in begun.values():
            LOG.warning('%s: it is ended now', LeftBehind([record]))
            for intent in record.intents:
                orphans += self._ended(operation, intent, cut_off)
        return orphans

    def _ended(self, operation, intent, cut_off):
        try:
            repair.unlock(self._backend, operation, intent, cut_off)
            return repair.end(self._backend, operation, intent)
        except exceptions.DCNError:
            raise
        # librbd and upstream raise what they like; the record stays.
        except Exception as exc:
            raise exceptions.RepairFailed(
                intent['operation'], min(operation.touched.wishes),
                f'{type(exc).__name__}: {exc}') from exc


class _Fence:
    """Cut off the clients of known records, and find their markers."""

    def __init__(self, backend, own, known):
        self._backend = backend
        self._own = own
        self._known = known
        # A client that nobody had before: what it has left, it has ended.
        self._is_fenced = set(own.get().addresses)
        #: Addresses of those that are in Ceph's blocklist since.
        self.cut_off = set()

    def __call__(self, entries):
        """Fence the holders of some entries; see ``Locks.acquire``."""
        self._fence([_parsed(entry.text) for entry in entries])

    def markers(self):
        """Return the markers of the known records, which may be replaced."""
        markers = self._backend.markers(self._own.get())
        keys = [key for record in self._known.values()
                for key in record.marker_keys]
        found = markers.present(keys)
        # Those that etcd has told of are fenced; it may have lost some, who
        # end their work until they are.
        while self._fence([_parsed(text) for text in found.values()]):
            found = markers.present(keys)
        return found

    def _fence(self, records):
        """Cut off whoever is not yet; return whether there was anybody."""
        more = [record for record in records
                if record.claim not in self._known]
        if more:
            raise LeftBehind(more)
        wanted = {address for record in records
                  for address in record.addresses} - self._is_fenced
        if wanted:
            if self._backend.fence(self._own.get(), sorted(wanted)):
                self.cut_off |= wanted
            self._is_fenced |= wanted
        return bool(wanted)


def _intents(records):
    """Return what some records say, once each."""
    found = []
    for record in records:
        for intent in record.intents:
            if intent not in found:
                found.append(intent)
    return tuple(found)


def _begun(markers):
    """Return the records in the texts of some markers, by their claims."""
    return {record.claim: record
            for record in map(_parsed, sorted(set(markers.values())))}


def _parsed(text):
    try:
        return fence_record.Record.parsed(text)
    except fence_record.UnknownRecord as exc:
        raise exceptions.LockServiceError(
            'of a fence record', str(exc)) from exc
