# SPDX-License-Identifier: Apache-2.0
"""The step of Glance's copy-image that fills RBD stores."""

import os

from glance.common import exception
from oslo_log import log as logging
from taskflow import task

from dcn_plugins.glance import store_copies
from dcn_plugins.glance import task_watch

LOG = logging.getLogger(__name__)


class CopyTask(task.Task):
    """Fill the stores of a claim, all at once.

    If one fails, and ``all_stores_must_succeed`` is set, the task of Glance
    fails, and the user is told which and why. The copies that are whole stay
    all the same, where Glance would delete them: they are good, and were
    expensive.

    :param conf: of Glance.
    :param claim: the :class:`~dcn_plugins.glance.claims.Claim`.
    :param claims: where it came from.
    :param asked: what Glance hands to a plugin.
    """

    def __init__(self, conf, claim, claims, asked):
        super().__init__(name='{task_type}-DCNCopy-{task_id}'.format(**asked))
        self._conf = conf
        self._claim = claim
        self._claims = claims
        self._asked = asked

    def execute(self):
        """Copy; raises ``UploadException`` with a text for the user."""
        self._claims.drop(self._asked['task_id'])
        self._claim.give_back(self._asked['backend'])
        copies = store_copies.StoreCopies(self._conf, self._asked,
                                          self._claim.ours, task_watch.MARK)
        try:
            self._judge(copies.run(is_last=not self._claim.others))
        except Exception:
            copies.forget(self._claim.others)
            raise
        if not self._claim.others:
            self._leave_stub()

    def _judge(self, failed):
        if failed and self._asked['import_req'].get(
                'all_stores_must_succeed', True):
            raise exception.UploadException('; '.join(
                f'{store}: {reason}' for store, reason in failed.items()))

    def _leave_stub(self):
        """Leave Glance a staged file to delete, or it would log an error.

        Should it stay, it has the wrong size and is staged anew by Glance.
        """
        path = os.path.join(
            self._conf.os_glance_staging_store.filesystem_store_datadir,
            self._asked['image_id'])
        try:
            with open(path, 'a'):
                pass
        except OSError as exc:
            LOG.warning('%s was not made: %s', path, exc)
