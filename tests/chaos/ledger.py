# SPDX-License-Identifier: Apache-2.0
"""What has to be there, and what may be, by what was acknowledged. Pure.

Names are never used again: each object has one operation that makes it. Its
user changes one object by one operation at a time, and reads no content
while it is changed; so the order of requests is the order of effects, except
for what was never answered.
"""

import dataclasses

from tests.chaos import history

#: What upstream's driver calls a volume that was deleted and has clones.
SILENT = '.deleted'
#: And the snapshot that a clone is made from, after the clone's name.
CLONE_SNAPSHOT = '.clone_snap'


@dataclasses.dataclass
class Account:
    """What is known about one object.

    :param must: it was acknowledged, and nobody has asked to delete it.
    :param may: whether it is nothing wrong if it is there.
    :param sizes: in GiB, that it may have.
    :param contents: that it may have.
    :param parents: images that it may share data with, if with any.
    :param why: what was asked and answered, for people.
    """

    must: bool = False
    may: bool = False
    sizes: set = dataclasses.field(default_factory=set)
    contents: set = dataclasses.field(default_factory=lambda: {''})
    parents: set = dataclasses.field(default_factory=set)
    why: list = dataclasses.field(default_factory=list)


def accounts(operations):
    """Return ``{name: Account}`` after all operations, in their order."""
    book = {}
    for operation in operations:
        record = _RULES.get(operation.kind)
        if record is None:
            continue
        account = book.setdefault(operation.target, Account())
        account.why.append(f'{operation.kind} #{operation.number} by '
                           f'{operation.process} {operation.outcome}')
        record(book, account, operation)
    return book


def image_of(name):
    """Return the image of an object: itself, or what a snapshot is of."""
    return name.partition('@')[0]


def _made(book, account, operation):
    done = operation.outcome
    account.must = done == history.OK
    account.may = done in (history.OK, history.UNKNOWN)
    source = book.get(operation.source)
    if operation.kind == history.SNAPSHOT:
        source = book.get(image_of(operation.target))
    if source:
        account.contents = set(source.contents)
    if operation.kind == history.SNAPSHOT:
        account.sizes = set(source.sizes) if source else set()
        return
    account.sizes = {operation.size}
    if operation.source:
        image = image_of(operation.source)
        account.parents = {image, image + SILENT}


def _extended(_book, account, operation):
    _may_be(account.sizes, operation.size, operation.outcome)


def _written(_book, account, operation):
    _may_be(account.contents, operation.content, operation.outcome)


def _reverted(book, account, operation):
    if operation.outcome == history.REFUSED:
        return
    found = book.get(operation.source, Account()).contents
    if operation.outcome == history.OK:
        account.contents = set(found)
    else:
        account.contents |= found


def _deleted(_book, account, operation):
    if operation.outcome == history.REFUSED:
        return
    account.must = False
    if operation.outcome == history.OK:
        account.may = False


def _may_be(values, value, outcome):
    """Note a change of a value, which may have been made."""
    if outcome == history.REFUSED:
        return
    if outcome == history.OK:
        values.clear()
    values.add(value)


_RULES = {history.CREATE: _made, history.CLONE: _made,
          history.SNAPSHOT: _made, history.FROM_SNAPSHOT: _made,
          history.EXTEND: _extended, history.WRITE: _written,
          history.REVERT: _reverted, history.DELETE: _deleted}
