# SPDX-License-Identifier: Apache-2.0
"""Run the commands that operators use, and see what they take."""

import os
import subprocess


def run(words, is_checked=True):
    """Run a command; raise what it has said if it fails."""
    done = subprocess.run(words, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=900)
    if is_checked and done.returncode:
        raise RuntimeError(f'{words}: {done.stderr.decode()}')


def pipeline(commands):
    """Run commands, each of which reads what the one before has written.

    :returns: what each of them, with its children, has used.
    """
    running, source = [], subprocess.DEVNULL
    for number, words in enumerate(commands):
        is_last = number + 1 == len(commands)
        process = subprocess.Popen(
            words, stdin=source, stdout=(
                subprocess.DEVNULL if is_last else subprocess.PIPE))
        if source != subprocess.DEVNULL:
            source.close()
        source = process.stdout
        running.append(process)
    usages = []
    for words, process in zip(commands, running):
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f'{words} has ended with '
                               f'{process.returncode}')
        usages.append(usage)
    return usages


def pipelines(several):
    """Run pipelines one after the other; return what all of them have used."""
    return [usage for words in several for usage in pipeline(words)]
