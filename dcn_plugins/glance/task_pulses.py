# SPDX-License-Identifier: Apache-2.0
"""Which tasks have written nothing for a while."""


class TaskPulses:
    """What each task has last been seen to write, and since when.

    The clock is ours alone. That of whoever writes may be wrong, or go back:
    what he writes is compared with what was there, and never with a time.

    :param silent_seconds: how long a task is silent before it is named.
    """

    def __init__(self, silent_seconds):
        self._silent_seconds = silent_seconds
        self._seen = {}

    def silent(self, pulses, now):
        """Return the ids of those that have been silent for so long.

        :param pulses: of all tasks that there are, by id; any other is
            forgotten.
        """
        seen = {}
        for task_id, pulse in pulses.items():
            before = self._seen.get(task_id)
            seen[task_id] = (before if before and before[0] == pulse
                             else (pulse, now))
        self._seen = seen
        return [task_id for task_id, (_pulse, since) in seen.items()
                if since is not None and now - since >= self._silent_seconds]

    def dismiss(self, task_id):
        """Do not name a task again before it has written something."""
        pulse, _since = self._seen[task_id]
        self._seen[task_id] = pulse, None
