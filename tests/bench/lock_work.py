# SPDX-License-Identifier: Apache-2.0
"""What processes do with a lock while somebody measures.

Each of them is a process of its own, as cinder-volumes are, and knows a lock
service by its URL only.
"""

import contextlib
import multiprocessing
import time

from tooz import coordination

SPAWN = multiprocessing.get_context('spawn')

# Longer than anything here takes when it works.
LIMIT_SECONDS = 300.0

# How long each has the lock when two take turns.
TURN_SECONDS = 0.02


@contextlib.contextmanager
def lock(url, member, name):
    """Yield a lock of a coordinator of its own."""
    coordinator = coordination.get_coordinator(url, member.encode())
    coordinator.start(start_heart=True)
    try:
        yield coordinator.get_lock(name)
    finally:
        coordinator.stop()


def run(target, count, *args):
    """Run processes; return what each has found, in their order.

    They begin together, when all have a connection.

    :param target: called with number, barrier and the arguments.
    :raises RuntimeError: if one has failed or takes too long.
    """
    barrier = SPAWN.Barrier(count)
    answers = SPAWN.Queue()
    processes = [
        SPAWN.Process(target=_answer, args=(answers, target, number, barrier,
                                            *args), daemon=True)
        for number in range(count)]
    for process in processes:
        process.start()
    try:
        found = dict(answers.get(timeout=LIMIT_SECONDS)
                     for _process in processes)
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    for number, answer in found.items():
        if isinstance(answer, str):
            raise RuntimeError(f'process {number}: {answer}')
    return [found[number] for number in range(count)]


def _answer(answers, target, number, barrier, *args):
    try:
        answers.put((number, target(number, barrier, *args)))
    # It has to be told in the process that measures.
    except Exception as exc:
        barrier.abort()
        answers.put((number, f'{type(exc).__name__}: {exc}'))


def wait_in_line(number, barrier, url, name, hold_seconds):
    """Queue up behind the earlier ones; return when it was granted."""
    with lock(url, f'w{number}', name) as one:
        with lock(url, f'x{number}', b'%s-%d' % (name, number)):
            pass
        barrier.wait(LIMIT_SECONDS)
        # So that there is an order to keep.
        time.sleep(0.05 * number)
        if not one.acquire():
            raise RuntimeError('was not granted')
        granted_at = time.monotonic()
        time.sleep(hold_seconds)
        one.release()
        return granted_at, time.monotonic()


def contend(number, barrier, url, name, hold_seconds, seconds):
    """Take a lock again and again; return the waits, in seconds."""
    waits = []
    with lock(url, f'w{number}', name) as one:
        barrier.wait(LIMIT_SECONDS)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            asked_at = time.monotonic()
            if not one.acquire():
                raise RuntimeError('was not granted')
            waits.append(time.monotonic() - asked_at)
            time.sleep(hold_seconds)
            one.release()
        # Who ends is busy with that, and is not what the others wait for.
        barrier.wait(LIMIT_SECONDS)
    return waits


def hand_over(number, barrier, url, name, rounds):
    """Take turns with another; return ``[(granted at, released at)]``."""
    found = []
    with lock(url, f'w{number}', name) as one:
        barrier.wait(LIMIT_SECONDS)
        for _round in range(rounds):
            if not one.acquire():
                raise RuntimeError('was not granted')
            granted_at = time.monotonic()
            # The other one is in line by then.
            time.sleep(TURN_SECONDS)
            released_at = time.monotonic()
            one.release()
            found.append((granted_at, released_at))
    return found
