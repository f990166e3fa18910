# SPDX-License-Identifier: Apache-2.0
"""etcd in memory, as far as locks use it.

:class:`Store` is what a cluster agrees on: it runs the JSON of real requests,
and :mod:`tests.contracts.etcd_contract` holds both to the same.
:class:`Client` stands for :class:`dcn_plugins.locking.etcd.Client` and has the
faults of a network.
"""

import base64
import contextlib
import dataclasses
import threading
import time

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd


@dataclasses.dataclass(frozen=True)
class Item:
    """One key of etcd."""

    value: str
    created: int
    changed: int
    lease: int


class Store:
    """Keys, their revisions and the leases they hang on."""

    def __init__(self):
        self.items = {}
        self.revision = 1
        self.leases = set()
        self._last_lease = 0

    def copy(self):
        """Return a store of its own that holds the same."""
        # Quicker than copy.copy(): explorations make a hundred thousand.
        other = Store.__new__(Store)
        other.__dict__ |= self.__dict__
        other.items = dict(self.items)
        other.leases = set(self.leases)
        return other

    def keys(self):
        """Return all keys as texts, sorted."""
        return sorted(base64.b64decode(key).decode() for key in self.items)

    def grant(self):
        """Return a new lease."""
        self._last_lease += 1
        self.leases.add(self._last_lease)
        return self._last_lease

    def expire(self, lease):
        """End a lease and what hangs on it."""
        self.leases.discard(lease)
        gone = [key for key, item in self.items.items()
                if item.lease == lease]
        if gone:
            self.revision += 1
        for key in gone:
            del self.items[key]

    def transaction(self, body):
        """Run a transaction; raises EtcdRefused like etcd."""
        before = self.items
        self.items = dict(before)
        revision = self.revision + 1
        try:
            answer = self._run(body, revision)
        except exceptions.EtcdRefused:
            self.items = before
            raise
        if self.items != before:
            self.revision = revision
        return {'header': {'revision': str(self.revision)}, **answer}

    def _run(self, body, revision):
        is_met = all(map(self._is_met, body.get('compare', ())))
        found = [self._operation(operation, revision) for operation in body[
            'success' if is_met else 'failure']]
        return {'responses': found, **({'succeeded': True} if is_met else {})}

    def _is_met(self, compare):
        if 'range_end' in compare:
            # Of no key at all every comparison holds but that of creation,
            # which is compared with 0.
            keys = self._range(compare) or [None]
        else:
            keys = [compare['key']]
        return all(self._holds(compare, self.items.get(key)) for key in keys)

    @staticmethod
    def _holds(compare, item):
        if compare['target'] == 'VALUE':
            # Of no key at all it never holds.
            return item is not None and item.value == compare['value']
        field, attribute = {'CREATE': ('create_revision', 'created'),
                            'MOD': ('mod_revision', 'changed')}[
                                compare['target']]
        value = getattr(item, attribute) if item else 0
        wanted = int(compare[field])
        return {'EQUAL': value == wanted, 'GREATER': value > wanted,
                'LESS': value < wanted,
                'NOT_EQUAL': value != wanted}[compare['result']]

    def _operation(self, operation, revision):
        (kind, body), = operation.items()
        if kind == 'request_put':
            self._put(body, revision)
            return {'response_put': {}}
        if kind == 'request_delete_range':
            keys = [key for key in self._range(body) if key in self.items]
            for key in keys:
                del self.items[key]
            return {'response_delete_range': {'deleted': str(len(keys))}}
        if kind == 'request_range':
            return {'response_range': self.range(body)}
        return {'response_txn': self._run(body, revision)}

    def _put(self, body, revision):
        lease = int(body.get('lease', 0))
        if lease and lease not in self.leases:
            raise exceptions.EtcdRefused(
                'etcdserver: requested lease not found', etcd.NOT_FOUND,
                'etcdserver: requested lease not found')
        old = self.items.get(body['key'])
        if body.get('ignore_lease'):
            if old is None:
                raise exceptions.EtcdRefused(
                    'etcdserver: key not found', 3,
                    'etcdserver: key not found')
            lease = old.lease
        self.items[body['key']] = Item(
            body.get('value', ''), old.created if old else revision, revision,
            lease)

    def range(self, body):
        """Return the items of a range like etcd."""
        found = [
            {'key': key, 'create_revision': str(self.items[key].created),
             'mod_revision': str(self.items[key].changed),
             **({'value': self.items[key].value} if self.items[key].value
                and not body.get('keys_only') else {}),
             **({'lease': str(self.items[key].lease)}
                if self.items[key].lease else {})}
            for key in self._range(body) if key in self.items]
        if not found:
            return {}
        if body.get('count_only'):
            return {'count': str(len(found))}
        limit = int(body.get('limit', 0)) or len(found)
        return {'kvs': found[:limit], 'count': str(len(found)),
                **({'more': True} if len(found) > limit else {})}

    def _range(self, body):
        if 'range_end' not in body:
            return [body['key']]
        first, last = (base64.b64decode(body[name])
                       for name in ('key', 'range_end'))
        return sorted((key for key in self.items
                       if first <= base64.b64decode(key) < last),
                      key=base64.b64decode)


class Client:
    """Calls to a :class:`Store` that several clients share.

    :param faults: exceptions for the next calls, ``None`` for no fault. One
        that says ``is_sent`` is raised after the call had its effect.
    """

    def __init__(self, store=None):
        self.store = store or Store()
        self.changed = threading.Condition()
        self.faults = []
        self.calls = []
        self.late = []
        self.watches = 0
        self.rewinds = 0
        self.changes = object()

    def call(self, path, body, seconds):
        """Run a call; raises what ``faults`` say."""
        with self.changed:
            fault = self.faults.pop(0) if self.faults else None
            self.calls.append((path, body))
            if isinstance(fault, Repeated):
                if fault.is_late:
                    self.late.append((path, body))
                else:
                    self._answer(path, body)
            elif fault is not None and not getattr(fault, 'is_sent', True):
                raise fault
            if isinstance(fault, Late):
                self.late.append((path, body))
                raise fault
            answer = etcd.Answer(self._answer(path, body))
            answer.is_repeated = isinstance(fault, Repeated)
            self.changed.notify_all()
        if fault is not None and not answer.is_repeated:
            raise fault
        return answer

    def deliver(self):
        """Run what has been on its way for so long."""
        with self.changed:
            late, self.late = self.late, []
            for path, body in late:
                with contextlib.suppress(exceptions.EtcdRefused):
                    self._answer(path, body)
            self.changed.notify_all()

    def transaction(self, body, seconds):
        """Run a transaction; see :meth:`call`."""
        self.changes = object()
        return self.call('/kv/txn', body, seconds)

    def expire(self, lease):
        """End a lease."""
        with self.changed:
            self.store.expire(lease)
            self.changed.notify_all()

    @contextlib.contextmanager
    def watch(self, keys, seconds):
        """Yield what watches of the deletion of keys tell."""
        self.watches += 1
        yield self._events(set(keys), seconds)

    def _events(self, keys, seconds):
        deadline = time.monotonic() + seconds
        keys &= set(self.store.items)
        yield ()
        while True:
            with self.changed:
                if not self.changed.wait_for(
                        lambda: keys - set(self.store.items),
                        max(0.0, deadline - time.monotonic())):
                    raise exceptions.EtcdUnavailable('silence', True)
                gone = keys - set(self.store.items)
            keys -= gone
            yield tuple(gone)

    def _answer(self, path, body):
        if path == '/kv/txn':
            return self.store.transaction(body)
        if path == '/lease/grant':
            return {'ID': str(self.store.grant()), 'TTL': body['TTL']}
        if path == '/lease/keepalive':
            alive = int(body['ID']) in self.store.leases
            return {'result': {'ID': body['ID'], 'TTL': '60'} if alive
                    else {'ID': body['ID']}}
        if path == '/lease/timetolive':
            alive = int(body['ID']) in self.store.leases
            return {'ID': body['ID'], **(
                {'TTL': '60', 'grantedTTL': '60'} if alive
                else {'TTL': '-1'})}
        if path == '/lease/revoke':
            self.store.expire(int(body['ID']))
            return {}
        if path == '/kv/range':
            return self.store.range(body)
        if path == '/kv/deleterange':
            answer = self.store.transaction({
                'success': [{'request_delete_range': body}]})
            return answer['responses'][0]['response_delete_range']
        raise AssertionError(path)

    def close(self):
        """Do nothing; there is no connection."""


class Repeated(Exception):
    """A call that one member did not answer, and another one did.

    :param is_late: whether the first has it and will run it later.
    """

    def __init__(self, is_late=False):
        super().__init__('another member')
        self.is_late = is_late


class Late(exceptions.EtcdUnavailable):
    """A call that got no answer, and has its effect later."""

    def __init__(self):
        super().__init__('a member stands still', True)
