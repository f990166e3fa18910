# SPDX-License-Identifier: Apache-2.0
"""Keep a task of Glance alive, and learn when it has been ended.

Glance takes the lock of an image away from a task that has not been written
to for 60 minutes, and offers no other way to end one than to change it.
"""

import time

from glance.common import exception
from glance.common.scripts import utils as script_utils
from oslo_log import log as logging

from dcn_plugins.glance import database
from dcn_plugins.imagecopy import progress_text

LOG = logging.getLogger(__name__)

BEAT_SECONDS = 5.0

#: How the message of a task begins while it beats. Glance's own tasks write
#: nothing for minutes, so this tells which of them silence is the end of.
MARK = progress_text.MARK

#: How long the database may be away before a copy is given up; far below the
#: 60 minutes.
PATIENCE_SECONDS = 300.0

# What somebody has done to the task or to the image.
_ENDED = (exception.NotFound, exception.TaskAbortedError)


class TaskWatch:
    """One task that is processing, and its message.

    :param action_wrapper: Glance's, of the image and the task.
    :param progress: its text becomes the message.
    :param mark: what it begins with: :data:`MARK` if it beats from now on
        until :meth:`end`, and nothing of Glance's runs meanwhile.
    """

    def __init__(self, task_repo, task_id, action_wrapper, progress,
                 clock=time.monotonic, mark=''):
        self._task_repo = task_repo
        self._task_id = task_id
        self._action_wrapper = action_wrapper
        self._progress = progress
        self._mark = mark
        self._clock = clock
        self._last_good = clock()

    def beat(self):
        """Write the message, if the work may go on.

        :raises NotFound: if the image or the task is gone.
        :raises TaskAbortedError: if the task is no longer processing, or the
            lock of the image is no longer its own.
        :raises Exception: if the database has been away for too long.
        """
        try:
            self._write()
        except _ENDED:
            raise
        # Any other error is one of the database, which may come back.
        except Exception as exc:
            if self._clock() - self._last_good > PATIENCE_SECONDS:
                raise
            LOG.warning('The message of task %s was not written: %s',
                        self._task_id, exc)
        else:
            self._last_good = self._clock()

    def end(self, is_last=False):
        """Write the last message; marked if the task is as good as over.

        What comes now is Glance's, and beats no more. So, other than with
        :meth:`beat`, each error is raised.

        :param is_last: whether Glance only ends the task now, which takes
            milliseconds: silence is the end of that one, too.
        """
        if not is_last:
            self._mark = ''
        self._write()

    @database.retried
    def assert_running(self):
        """Return the task; raise as :meth:`beat` does if the work is over."""
        self._action_wrapper.assert_task_lock()
        task = script_utils.get_task(self._task_repo, self._task_id)
        if task is None:
            raise exception.TaskNotFound(task_id=self._task_id)
        if task.status != 'processing':
            raise exception.TaskAbortedError()
        return task

    @database.retried
    def is_ours(self):
        """Return whether what an image says of our stores is ours to write.

        It is, for who has the lock, also when the task has been ended.
        """
        try:
            self._action_wrapper.assert_task_lock()
        except _ENDED as exc:
            LOG.info('Nothing more is written about image %s: %s',
                     self._action_wrapper.image_id, exc)
            return False
        return True

    def is_another(self):
        """Return whether the image may be in the hands of somebody else.

        It may, too, if the database does not say. It is not, if there is no
        image any more.
        """
        try:
            self._action_wrapper.assert_task_lock()
        except exception.NotFound:
            return False
        # The lock of another, of nobody, or nobody knows.
        except Exception as exc:
            LOG.info('Image %s may be in the hands of another task: %s',
                     self._action_wrapper.image_id, exc)
            return True
        return False

    def _write(self):
        task = self.assert_running()
        task.message = f'{self._mark}{self._progress}'
        self._save(task)

    @database.retried
    def _save(self, task):
        self._task_repo.save(task)
