# SPDX-License-Identifier: Apache-2.0
"""Make a failure of each copy whose glance-api is no more.

Glance would refuse all imports of the image for an hour. Only tasks that are
marked are looked at, see :data:`~dcn_plugins.glance.task_watch.MARK`, and
those of copy-image that have noted nothing of their stores; of others silence
says nothing.

Whoever is judged and lives after all is stopped by the loss of his lock: he
looks at it before each row that he adds. So an error costs a copy its end,
and nothing else.
"""

import time

from glance.common import exception
from glance import context as glance_context
from glance import db
from oslo_log import log as logging

from dcn_plugins.glance import database
from dcn_plugins.glance import image_record
from dcn_plugins.glance import task_pulses
from dcn_plugins.glance import task_watch
from dcn_plugins.glance import upstream_shape
from dcn_plugins import version

LOG = logging.getLogger(__name__)

#: Nine beats; and more than the 30 s in which Ceph notices that a client is
#: gone, so that whoever asks again is not told that the target is busy.
SILENT_SECONDS = 45.0

# Those that were written to last: who died a minute ago is among them, also
# where thousands that died long ago were never cleared up.
_MOST = 1000


class DeadTasks:
    """The tasks of Glance that have ended without an end.

    Any number of processes may do this at once, and be killed at any line:
    each step may be done twice, and the one that makes a task be no longer
    looked at is the last.

    :param db_api: ``glance.db.get_api()``.
    :param context: of an administrator.
    """

    def __init__(self, db_api, context, clock=time.monotonic):
        self._db = db_api
        self._context = context
        self._repo = db.TaskRepo(context, db_api)
        self._clock = clock
        self._pulses = task_pulses.TaskPulses(SILENT_SECONDS)

    def look(self):
        """Look at all tasks, and clear up what is left of the dead.

        :raises Exception: what the database raises, for all of them; what is
            wrong with one is logged, and tried again the next time.
        """
        pulses = {row['id']: row['updated_at'] for row in self._processing()}
        for task_id in self._pulses.silent(pulses, self._clock()):
            try:
                self._judge(task_id, pulses[task_id])
            # One that cannot be dealt with must not be in the way of others.
            except Exception:
                LOG.exception('Task %s, which is dead, was not cleared up',
                              task_id)

    @database.retried
    def _processing(self):
        return self._db.task_get_all(
            self._context, filters={'type': 'api_image_import',
                                    'status': 'processing'},
            limit=_MOST, sort_key='updated_at')

    def _judge(self, task_id, pulse):
        task = self._get(task_id)
        if task is None or task.updated_at != pulse:
            return
        if (task.message or '').startswith(task_watch.MARK) or (
                self._has_never_begun(task)):
            self._clear(task)
        else:
            self._pulses.dismiss(task_id)

    def _has_never_begun(self, task):
        """Say whether a copy-image ended before its first line, or ours.

        Glance notes the stores while it makes the flow of a task, and we do
        after the mark: it takes milliseconds from the beginning of a task. So
        no task is that of a living process that has been silent for so long
        and has noted none of its stores.
        """
        request = task.task_input.get('import_req') or {}
        method = (request.get('method') or {}).get('name')
        if method != 'copy-image' or task.message:
            return False
        record = image_record.ImageRecord(
            self._db, self._context, task.task_input['image_id'])
        try:
            return record.is_untouched(_stores(task))
        except exception.NotFound:
            return False

    def _clear(self, task):
        """Set the stores, the lock and the task right, in this order.

        While the image is locked nobody begins anything with it. A task that
        is still processing is found by the next pass.
        """
        image_id = task.task_input['image_id']
        record = image_record.ImageRecord(self._db, self._context, image_id)
        stores = _stores(task)
        try:
            record.abandon(task.task_id, stores)
            missing = sorted(set(stores) - record.stores())
        except exception.NotFound:
            missing = []
        record.unlock(task.task_id)
        reason = _reason(task.message or '', missing)
        if self._fail(task.task_id, reason):
            LOG.warning('Image %s, task %s: %s', image_id, task.task_id,
                        reason)

    def _fail(self, task_id, reason):
        """Return whether it was not done by somebody else meanwhile."""
        task = self._get(task_id)
        if task is None or task.status != 'processing':
            return False
        task.fail(reason)
        self._save(task)
        return True

    @database.retried
    def _get(self, task_id):
        try:
            return self._repo.get(task_id)
        except exception.NotFound:
            return None

    @database.retried
    def _save(self, task):
        self._repo.save(task)


def _stores(task):
    return [store for store in task.task_input['backend'] if store]


def of_this_glance():
    """Return the tasks of the database of this glance-api.

    ``None``, and an error is logged, if it is not a Glance that we know.
    """
    found = upstream_shape.differences()
    if found:
        LOG.error('Copies of a glance-api that is killed are left to Glance: '
                  'dcn_plugins %s does not know this release (%s)',
                  version.version_string(), '; '.join(found))
        return None
    return DeadTasks(db.get_api(), glance_context.get_admin_context())


def _reason(message, missing):
    parts = ['The glance-api that made the copies has ended, or was away for '
             f'{SILENT_SECONDS:.0f} s.']
    if missing:
        parts.append(f'Not copied to: {",".join(missing)}. Ask again: what '
                     'is there of a copy is gone on with.')
    last = message.removeprefix(task_watch.MARK)
    if last:
        parts.append(f'Last heard: {last}')
    return ' '.join(parts)
