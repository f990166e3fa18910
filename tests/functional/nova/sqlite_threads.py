# SPDX-License-Identifier: Apache-2.0
"""Let native threads use the databases of Nova's own test fixtures.

Nova's fixtures keep each database in memory, and all threads share its one
connection. Green threads take turns between transactions and never within
one; native threads do not, and SQLite then fails with "cannot start a
transaction within a transaction". Nova 34.0.0 has a cure of its own, earlier
releases have none.
"""

import contextlib
import threading

import fixtures
from nova import monkey_patch
from nova.tests import fixtures as nova_fixtures
from oslo_db.sqlalchemy import enginefacade


def is_needed():
    """Tell whether Nova runs on native threads and does not help itself."""
    # Releases without the function know green threads alone.
    is_patched = getattr(monkey_patch, 'is_patched', lambda: True)
    return not is_patched() and not hasattr(nova_fixtures,
                                            'DatabaseWriteLock')


class OneTransactionAtATime(fixtures.Fixture):
    """Give the databases to one thread at a time, for a whole transaction.

    One lock for all databases: with one for each, two threads that need two
    of them could wait for each other.
    """

    def _setUp(self):
        lock = threading.RLock()
        scope = enginefacade._TransactionContextManager._transaction_scope

        @contextlib.contextmanager
        def locked(context_manager, context):
            with lock, scope(context_manager, context) as resource:
                yield resource

        self.useFixture(fixtures.MonkeyPatch(
            'oslo_db.sqlalchemy.enginefacade._TransactionContextManager.'
            '_transaction_scope', locked))
        # Idle workers notice that their pool was closed only this often, and
        # each service that stops waits for them.
        self.useFixture(fixtures.MonkeyPatch(
            'futurist._thread.ThreadWorker.MAX_IDLE_FOR', 0.05))
