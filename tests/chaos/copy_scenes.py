# SPDX-License-Identifier: Apache-2.0
"""What happens to a copy of an image while it is made.

Each scene is a function of a Stage and begins when the copy was asked for.
What it breaks it mends before it returns.
"""

import contextlib
import os
import signal
import threading
import time

from tests.chaos import image_cloud
from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab.services import ceph

CUT_SECONDS = 60
# A cluster that is away is noticed after the timeouts of its clients.
_END_SECONDS = 240
_TASK_SECONDS = 20


class Stage:
    """One copy, from its beginning to its end.

    :param cloud: :class:`~tests.chaos.image_cloud.ImageCloud`.
    :param chance: ``random.Random``.
    :param fact: :class:`~tests.chaos.copy_checker.Copy`, filled on the way.
    :param span_seconds: about as long as such a copy takes undisturbed.
    """

    def __init__(self, cloud, chance, fact, span_seconds):
        self.cloud = cloud
        self.chance = chance
        self.fact = fact
        self.store = cloud.near
        self.span_seconds = span_seconds

    @property
    def image_id(self):
        return self.fact.image_id

    @property
    def api(self):
        return self.cloud.apis[0]

    @property
    def link(self):
        return self.cloud.links[self.store]

    @property
    def cluster(self):
        return self.cloud.clusters[self.store]

    def begin(self):
        """Ask for the copy."""
        status = self.cloud.copy(self.image_id, [self.store])
        if status != 202:
            raise deadline.LabError(f'the copy is not taken: HTTP {status}')

    def pause(self):
        """Let the copy come as far as chance will have it."""
        time.sleep(self.chance.uniform(0, self.span_seconds))

    def end(self):
        """Wait for the end of the copy, and note what it was."""
        try:
            self.fact.end = deadline.wait(
                'the end of the copy', self._ended, _END_SECONDS, 0.3,
                retry_on=(Exception,))
        except deadline.LabTimeout:
            self.fact.end = 'stuck'
        if self.fact.end == 'failed':
            self.fact.reason = self._reason()

    def restart(self):
        """Kill the glance-api that copies, and start it again."""
        self.fact.attempts += 1
        self.api.kill()
        self.api.start()

    def _ended(self):
        image = self.cloud.image(self.image_id)
        if image is None:
            return 'failed'
        if self.store in image.get('stores', '').split(','):
            return 'copied'
        is_asked = (image.get('os_glance_import_task')
                    or self.store in image.get(
                        'os_glance_importing_to_stores', ''))
        return None if is_asked else 'failed'

    def _reason(self):
        if self.fact.is_deleted:
            return 'the image was deleted'
        # The image is told first, and then its task.
        with contextlib.suppress(deadline.LabTimeout):
            deadline.wait('the end of the task', lambda: not any(
                task['status'] == 'processing'
                for task in self.cloud.tasks(self.image_id)), _TASK_SECONDS)
        tasks = self.cloud.tasks(self.image_id)
        return tasks[0]['message'] if tasks else ''


def undisturbed(stage):
    stage.end()


def killed(stage):
    stage.pause()
    stage.restart()
    stage.end()


def line_is_cut(stage):
    stage.pause()
    stage.fact.attempts += 1
    stage.link.tell('cut')
    time.sleep(CUT_SECONDS)
    stage.link.tell('heal')
    stage.end()


def target_is_full(stage):
    # Of what is there already it needs a part only.
    stage.fact.attempts += 1
    quota = 'osd pool set-quota images max_bytes'.split()
    stage.cluster.ceph(*quota, str(32 << 20))
    try:
        stage.end()
    finally:
        stage.cluster.ceph(*quota, '0')
        deadline.wait('the pool having room', lambda: 'full' not in
                      stage.cluster.ceph('health', 'detail'), 60, 1)


def target_is_gone(stage):
    stage.pause()
    stage.fact.attempts += 1
    stage.cluster.kill()
    try:
        stage.end()
    finally:
        stage.cluster.start()


def source_is_deleted(stage):
    stage.pause()
    stage.fact.attempts += 1
    stage.cloud.delete_copy(stage.image_id, layouts.CENTRAL)
    stage.end()
    # It may have been refused as the last one, or as one that is in use.
    stage.fact.is_lost = layouts.CENTRAL not in stage.cloud.stores(
        stage.image_id)


def image_is_deleted(stage):
    stage.pause()
    status = stage.cloud.delete(stage.image_id)
    stage.fact.is_deleted = status == 204
    stage.end()


def asked_of_two(stage):
    """Ask the glance-api of the target's site for the same copy."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        stage.cloud.copy(stage.image_id, [stage.store], stage.store)))
    thread.start()
    thread.join(60)
    if answers not in ([202], [400], [409]):
        raise deadline.LabError(f'the second request: {answers}')
    stage.end()


def bit_is_flipped(stage):
    """Change a byte of what was written at the target, behind its back.

    What has been verified already is Ceph's to keep; so the copier is stopped
    meanwhile, and the object is the last one.
    """
    stage.fact.attempts += 1
    end = time.monotonic() + 4 * stage.span_seconds
    stage.pause()
    while time.monotonic() < end:
        names = stage.cloud.names(stage.store, stage.image_id)
        with _stopped(stage):
            if names and _flip(stage, names[0]):
                break
        time.sleep(0.1)
    stage.end()


@contextlib.contextmanager
def _stopped(stage):
    """Stop the processes of our copier; stock has none."""
    pids = [pid for pid in stage.api.pids() if b'imagecopy.worker' in (
        process.PROC / str(pid) / 'cmdline').read_bytes()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        # What is under way arrives.
        time.sleep(0.5)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _flip(stage, name):
    import rados

    try:
        prefix = [line.split()[1] for line in ceph.rbd(
            stage.cloud.lab, stage.store, 'info',
            f'{image_cloud.POOL}/{name}').splitlines()
            if 'block_name_prefix' in line][0]
    except (deadline.LabError, IndexError):
        return False
    with rados.Rados(conffile=str(stage.cluster.conf)) as client:
        with client.open_ioctx(image_cloud.POOL) as ioctx:
            found = [o.key for o in ioctx.list_objects()
                     if o.key.startswith(prefix)]
            if not found:
                return False
            # They are written in their order.
            key = max(found)
            place = stage.chance.randrange(ioctx.stat(key)[0])
            byte = ioctx.read(key, 1, place)
            ioctx.write(key, bytes([byte[0] ^ 1]), place)
    return True


OTHERS = (undisturbed, line_is_cut, target_is_full, target_is_gone,
          source_is_deleted, image_is_deleted, asked_of_two, bit_is_flipped)


def scene_of(seed):
    """Return the scene of a seed: every other one is a kill."""
    return killed if seed % 2 else OTHERS[seed // 2 % len(OTHERS)]
