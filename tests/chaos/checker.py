# SPDX-License-Identifier: Apache-2.0
"""Whether a history is one that a user of volumes may see. Pure.

==========  ==============================================================
exclusion   two have changed the same thing at the same time
lost        what was acknowledged is not there
damaged     it is there, with another size, content or parent
undone      it is there though its making has failed, or its deletion has
            succeeded
leak        something in Ceph that belongs to nobody
locks       a key, a lease or a marker of an operation that has ended
stuck       no answer long after all had been repaired
crash       a process has ended by itself
==========  ==============================================================
"""

import dataclasses

from tests.chaos import history
from tests.chaos import inventory
from tests.chaos import ledger

#: How long after all was repaired an operation may still go on.
STUCK_SECONDS = 60.0

RULES = ('exclusion', 'lost', 'damaged', 'undone', 'leak', 'locks', 'stuck',
         'crash')


@dataclasses.dataclass(frozen=True)
class Violation:
    """A promise that was broken."""

    rule: str
    text: str

    def __str__(self):
        return f'{self.rule}: {self.text}'


def check(record, settled, emptied=None, closed=None, until=None):
    """Return all violations of a run.

    :param record: its :class:`~tests.chaos.history.History`.
    :param settled: the inventory after all was repaired, before the users
        delete what they have.
    :param until: the number of the first operation after that.
    :param emptied: the inventory after they have deleted everything.
    :param closed: the inventory after the services have ended, too.
    """
    book = ledger.accounts(record.operations[:until])
    found = [*_exclusion(record, settled), *_stuck(record), *_crashes(record),
             *_objects(book, settled), *_leaks(book, settled)]
    if emptied is not None:
        found += _nothing_left(emptied)
    if closed is not None:
        found += _locks_left(closed)
    return found


def _exclusion(record, settled):
    """Find increments that overwrote one another.

    Each wrote one more than it had read. So a number that two acknowledged
    ones have written was written without knowing of the other, and what the
    counter says in the end is the number of those that took effect.
    """
    writers = {}
    for operation in record.of(history.INCREMENT):
        if operation.outcome in (history.OK, history.UNKNOWN) and (
                operation.found is not None):
            writers.setdefault(operation.found + 1, []).append(operation)
    for value, operations in sorted(writers.items()):
        sure = [o for o in operations if o.outcome == history.OK]
        if len(sure) > 1:
            told = ', '.join(f'{o.process} (#{o.number})' for o in sure)
            yield Violation('exclusion', f'{value} was written by {told}')
    if settled.counter is None:
        return
    highest = max((o.found + 1 for found in writers.values() for o in found
                   if o.outcome == history.OK), default=0)
    if settled.counter < highest:
        yield Violation('exclusion', f'{highest} was written and acknowledged,'
                        f' and the counter says {settled.counter}')
    missing = [value for value in range(1, settled.counter + 1)
               if value not in writers]
    if missing:
        yield Violation('exclusion', f'nobody says to have written {missing}')
    yield from _orders(record)


def _orders(record):
    """Find increments that read what was out of date when they began."""
    ended = sorted((o for o in record.of(history.INCREMENT)
                    if o.outcome == history.OK), key=lambda o: o.ended)
    for operation in record.of(history.INCREMENT):
        if operation.outcome != history.OK:
            continue
        before = [o for o in ended if o.ended <= operation.began]
        known = max((o.found + 1 for o in before), default=0)
        if operation.found < known:
            yield Violation(
                'exclusion', f'{operation.process} (#{operation.number}) read '
                f'{operation.found} after {known} had been acknowledged')


def _stuck(record):
    if record.healed_at is None:
        return
    limit = record.healed_at + STUCK_SECONDS
    for operation in record.operations:
        if operation.ended is None or operation.ended > max(
                limit, operation.began + STUCK_SECONDS):
            yield Violation(
                'stuck', f'{operation.kind} of {operation.target} '
                f'(#{operation.number}) by {operation.process}')


def _crashes(record):
    for death in record.deaths:
        yield Violation('crash', f'{death.process}: {death.reason}')


def _objects(book, settled):
    """Find what is there and may not be, and what is not and has to."""
    for name, account in book.items():
        found = _find(settled, name)
        told = ', '.join(account.why)
        if found is None:
            if account.must:
                yield Violation('lost', f'{name} ({told})')
        elif not account.may:
            yield Violation('undone', f'{name} is there and holds '
                            f'{found.content!r} ({told})')
        else:
            for problem in _damage(account, found):
                yield Violation('damaged', f'{name} {problem} ({told})')


def _find(settled, name):
    image = settled.images.get(ledger.image_of(name))
    if '@' not in name:
        return image
    if image is None:
        image = settled.images.get(ledger.image_of(name) + ledger.SILENT)
    return image.snapshots.get(name.partition('@')[2]) if image else None


def _damage(account, found):
    if found.content not in account.contents:
        yield (f'holds {found.content!r} and not '
               + ' or '.join(map(repr, sorted(account.contents))))
    if isinstance(found, inventory.Snapshot):
        return
    if found.size not in account.sizes:
        yield (f'has {found.size} GiB and not '
               + ' or '.join(map(str, sorted(account.sizes))))
    if found.parent and not (
            found.parent[0] in account.parents
            or found.parent[0].startswith(inventory.TRASH)):
        yield f'shares data with {found.parent[0]}'


def _leaks(book, settled):
    """Find what nobody has asked for, or that nobody needs any more."""
    wanted = {name for name, account in book.items() if account.may}
    needed = {ancestor for name in wanted
              for ancestor in settled.ancestors(name)}
    links = settled.links()
    for name, image in settled.images.items():
        if name not in book and name not in needed:
            yield Violation('leak', f'image {name}')
        for snapshot, found in image.snapshots.items():
            if not _is_explained(book, links, name, snapshot, found):
                yield Violation('leak', f'snapshot {name}@{snapshot}'
                                + (' in the trash' if found.is_trash else ''))


def _is_explained(book, links, image, snapshot, found):
    if (image, snapshot) in links:
        return True
    if found.is_trash:
        return any(parent == image for parent, _snapshot in links)
    return f'{image.removesuffix(ledger.SILENT)}@{snapshot}' in book


def _nothing_left(emptied):
    for name, image in emptied.images.items():
        kept = ', '.join(
            snapshot + (' in the trash' if found.is_trash else '')
            for snapshot, found in image.snapshots.items())
        yield Violation('leak', f'image {name} after all was deleted, holding '
                        f'{image.content!r}, with the snapshots {kept or 0}')
    for marker in emptied.markers:
        yield Violation('locks', f'marker {marker} while nothing goes on')


def _locks_left(closed):
    for what, left in (('key', closed.keys), ('lease', closed.leases),
                       ('marker', closed.markers)):
        for one in left:
            yield Violation('locks', f'{what} {one} after the services ended')
