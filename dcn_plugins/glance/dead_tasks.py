# SPDX-License-Identifier: Apache-2.0
"""Make a failure of each copy whose glance-api is no more.

Glance would refuse all imports of the image for an hour. Only tasks that are
marked are looked at, see :data:`~dcn_plugins.glance.task_watch.MARK`, and
those of copy-image that have noted nothing of their stores; of others silence
says nothing. Marked is also who has done all that is ours, if Glance has
nothing more to fill.

A task that waits for its turn writes nothing at all. A copy-image is given up
after a while in which no glance-api can have had all hands full: its
glance-api was killed between its answer and the beginning of the task, which
locks the image for two hours otherwise. Whoever asked sees a failure that says
so.

Glance calls a task a success, and takes the lock of the image away then. If it
is killed in between, the lock stays for an hour; nobody needs it, so it goes.
And a request that was under way when a task ended may bring back that the
image is on its way to a store: so nobody scrubs it any more.

Whoever is judged and lives after all is stopped by the loss of his lock: he
looks at it before each row that he adds, and when his turn comes. So an error
costs a copy its end, and nothing else.
"""

import time

from glance.common import exception
from glance import context as glance_context
from glance import db
from oslo_log import log as logging
from oslo_utils import timeutils

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

#: How long a task may wait for its turn while fewer than so many tasks are
#: processed anywhere: no glance-api has all hands full then. (16 at a time
#: unless changed; if it is fewer than this, so many.)
PENDING_SECONDS, FEW = 180.0, 4

#: A task that has written nothing for so long is not processed any more.
#: Glance leaves those that have died as they are.
FORGOTTEN_SECONDS = 86400.0

# Those that were written to last: who died a minute ago is among them, also
# where thousands that died long ago were never cleared up.
_MOST, _MOST_ENDED = 1000, 200
_PENDING, _PROCESSING, _COPY = 'pending', 'processing', 'copy-image'
_ENDED = ('success', 'failure')
_IMPORT = 'api_image_import'


class DeadTasks:
    """The tasks of Glance that have ended without an end.

    Any number of processes may do this at once, and be killed at any line:
    each step may be done twice, and the one that makes a task be no longer
    looked at is the last.

    :param db_api: ``glance.db.get_api()``.
    :param context: of an administrator.
    :param few: how many tasks a glance-api processes at once at the least.
    """

    def __init__(self, db_api, context, clock=time.monotonic, few=FEW):
        self._db = db_api
        self._context = context
        self._repo = db.TaskRepo(context, db_api)
        self._clock = clock
        self._few = few
        self._pulses = task_pulses.TaskPulses(SILENT_SECONDS)
        self._waiting = task_pulses.TaskPulses(PENDING_SECONDS)
        self._ended = task_pulses.TaskPulses(SILENT_SECONDS)

    def look(self):
        """Look at all tasks, and clear up what is left of the dead.

        :raises Exception: what the database raises, for all of them; what is
            wrong with one is logged, and tried again the next time.
        """
        # Tasks of all kinds have the same threads.
        processing = self._rows(_PROCESSING)
        self._look_at(filter(_is_import, processing), self._pulses,
                      self._judge)
        is_busy = sum(map(_is_fresh, processing)) >= self._few
        # To wait counts from the last moment in which somebody was.
        self._look_at(() if is_busy else filter(
            _is_import, self._rows(_PENDING)), self._waiting, self._give_up)
        self._look_at([row for status in _ENDED
                       for row in self._rows(status, _MOST_ENDED)
                       if _is_import(row)], self._ended, self._settle)

    def _look_at(self, rows, seen, judge):
        pulses = {row['id']: row['updated_at'] for row in rows}
        for task_id in seen.silent(pulses, self._clock()):
            try:
                task = self._get(task_id)
                if task is not None and task.updated_at == pulses[task_id]:
                    judge(task)
            # One that cannot be dealt with must not be in the way of others.
            except Exception:
                LOG.exception('Task %s, which is dead, was not cleared up',
                              task_id)

    @database.retried
    def _rows(self, status, most=_MOST):
        return self._db.task_get_all(
            self._context, filters={'status': status}, limit=most,
            sort_key='updated_at')

    def _give_up(self, task):
        if task.status == _PENDING and _method(task) == _COPY:
            self._clear(task, 'The glance-api that was asked has ended, or '
                              f'has not begun for {PENDING_SECONDS:.0f} s.')

    def _settle(self, task):
        record = image_record.ImageRecord(
            self._db, self._context, task.task_input['image_id'])
        record.unlock(task.task_id)
        try:
            record.settle(_stores(task))
        except exception.NotFound:
            # Its image has been deleted.
            pass
        self._ended.dismiss(task.task_id)

    def _judge(self, task):
        if (task.message or '').startswith(task_watch.MARK) or (
                self._has_never_begun(task)):
            self._clear(
                task, 'The glance-api that made the copies has ended, or was '
                f'away for {SILENT_SECONDS:.0f} s.')
        else:
            self._pulses.dismiss(task.task_id)

    def _has_never_begun(self, task):
        """Say whether a copy-image ended before its first line, or ours.

        Glance notes the stores while it makes the flow of a task, and we do
        after the mark: it takes milliseconds from the beginning of a task. So
        no task is that of a living process that has been silent for so long
        and has noted none of its stores.
        """
        if _method(task) != _COPY or task.message:
            return False
        record = image_record.ImageRecord(
            self._db, self._context, task.task_input['image_id'])
        try:
            return record.is_untouched(_stores(task))
        except exception.NotFound:
            return False

    def _clear(self, task, why):
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
        reason = _reason(why, task.message or '', missing)
        if self._fail(task, reason):
            LOG.warning('Image %s, task %s: %s', image_id, task.task_id,
                        reason)

    def _fail(self, known, reason):
        """Return whether it was not done by somebody else meanwhile."""
        task = self._get(known.task_id)
        if task is None or task.status != known.status:
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


def _is_import(row):
    return row['type'] == _IMPORT


def _is_fresh(row):
    # By a wide margin, as clocks of hosts differ.
    return timeutils.delta_seconds(
        timeutils.normalize_time(row['updated_at']),
        timeutils.utcnow()) < FORGOTTEN_SECONDS


def _method(task):
    request = task.task_input.get('import_req') or {}
    return (request.get('method') or {}).get('name')


def _stores(task):
    return [store for store in task.task_input['backend'] if store]


def of_this_glance(conf):
    """Return the tasks of the database of this glance-api.

    :param conf: of Glance.

    ``None``, and an error is logged, if it is not a Glance that we know.
    """
    found = upstream_shape.differences()
    if found:
        LOG.error('Copies of a glance-api that is killed are left to Glance: '
                  'dcn_plugins %s does not know this release (%s)',
                  version.version_string(), '; '.join(found))
        return None
    return DeadTasks(db.get_api(), glance_context.get_admin_context(),
                     few=min(FEW, conf.wsgi.task_pool_threads))


def _reason(why, message, missing):
    parts = [why]
    if missing:
        parts.append(f'Not copied to: {",".join(missing)}. Ask again: what '
                     'is there of a copy is gone on with.')
    last = message.removeprefix(task_watch.MARK)
    if last:
        parts.append(f'Last heard: {last}')
    return ' '.join(parts)
