# SPDX-License-Identifier: Apache-2.0
"""The newest good policy of a process, read again when its file changes."""

import os
import threading
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.placement import policy_nodes
from dcn_plugins.placement import policy_text

LOG = logging.getLogger(__name__)

#: How old the answer to "has it changed?" may be.
CHECK_SECONDS = 1.0

# The time of the last change would be cheaper and not enough: of two changes
# within one tick of the file system's clock it tells one.
_MOST_BYTES = 4 * policy_nodes.MOST_CHARACTERS


_shared = {}


def shared(path):
    """Return the one :class:`PolicyFile` of a path in this process.

    So what is wrong with it is said once. A process that was forked gets its
    own: a thread does not survive that, and a lock may.
    """
    key = os.getpid(), path
    # Of two at the same time one wins, and the other has read nothing yet.
    return _shared.get(key) or _shared.setdefault(key, PolicyFile(path))


class PolicyFile:
    """A policy file; thread-safe.

    What goes wrong is logged at ERROR level, once for each new cause, and the
    last good policy stays in force: also when the file is gone.

    :param path: of the file.
    """

    def __init__(self, path, clock=time.monotonic):
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._policy = None
        self._text = None
        self._problem = None
        self._checked_at = None

    def current(self):
        """Return the policy in force; ``None`` if there was no good one yet.

        It reads a file of the local disk, once a second at most. While one
        thread does so, others have the policy before.
        """
        if not self._is_due():
            return self._policy
        # Nobody but the first has to wait for the first one.
        if self._lock.acquire(blocking=self._checked_at is None):
            try:
                if self._is_due():
                    self._check()
                    self._checked_at = self._clock()
            finally:
                self._lock.release()
        return self._policy

    @property
    def problem(self):
        """Why the file as it is now is of no use; ``None`` if it is."""
        return self._problem

    def _is_due(self):
        return (self._checked_at is None
                or self._clock() - self._checked_at >= CHECK_SECONDS)

    def _check(self):
        try:
            with open(self._path, 'rb') as file:
                text = file.read(_MOST_BYTES + 1)
        except OSError as exc:
            self._text = None
            self._note_problem(str(exceptions.ConfigError(
                self._path, f'it cannot be read: {exc.strerror or exc}',
                'Correct [dcn] placement_policy_file, or the rights of the '
                'file')))
            return
        if text != self._text:
            self._text = text
            self._take(text)

    def _take(self, text):
        try:
            policy = policy_text.policy_of(text.decode(), self._path)
        except UnicodeDecodeError as exc:
            self._note_problem(str(exceptions.InvalidPolicy(self._path, [
                policy_nodes.Fault(1 + text[:exc.start].count(b'\n'),
                                   'it is no text', 'save it as UTF-8')])))
        except exceptions.InvalidPolicy as exc:
            self._note_problem(str(exc))
        else:
            LOG.info('%s: this placement policy is in force now, %d rules '
                     'and %d residencies', self._path, len(policy.rules),
                     len(policy.residencies))
            self._policy, self._problem = policy, None

    def _note_problem(self, problem):
        if problem != self._problem:
            LOG.error('%s%s', problem, '' if self._policy else
                      '. There was no good one since this process began')
        self._problem = problem
