# SPDX-License-Identifier: Apache-2.0
"""Take a lab down completely, whatever state it was left in.

Needs nothing but the directory's name: a lab that was killed while it was
coming up has no complete layout.
"""

import pathlib
import shutil

from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab import wan

_ETC_CEPH = pathlib.Path('/etc/ceph')


def keyrings(name):
    """Return the keyrings of a lab that os-brick forces into /etc/ceph."""
    return sorted(_ETC_CEPH.glob(f'{name}-*.keyring'))


def remove(directory):
    """End all processes, remove networks, keyrings and the directory.

    :raises deadline.LabError: with whatever could not be removed.
    """
    directory = pathlib.Path(directory)
    layouts.check_directory(directory)
    if directory.exists() and not is_lab(directory):
        raise deadline.LabError(
            f'{directory} is not empty and holds no lab: name another one')
    name = layouts.Layout(directory, {}).name
    ended = process.sweep(directory)
    wan.remove(name)
    for path in keyrings(name):
        path.unlink(missing_ok=True)
    if _ETC_CEPH.is_dir() and not any(_ETC_CEPH.iterdir()):
        _ETC_CEPH.rmdir()
    remove_tree(directory)
    left = leftovers(directory)
    if left:
        raise deadline.LabError('left behind: ' + ', '.join(left))
    return ended


def remove_tree(directory):
    """Remove a lab's directory; what says that it is one goes last.

    :raises deadline.LabError: if somebody writes there meanwhile. It is still
        a lab then, so that this can be repeated.
    """
    if not directory.exists():
        return
    for entry in directory.iterdir():
        if entry.name == layouts.FILE:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    again = [entry.name for entry in directory.iterdir()
             if entry.name != layouts.FILE]
    if again:
        raise deadline.LabError(
            f'{directory}: {", ".join(sorted(again))} is there again: end '
            f'what writes there, and repeat this')
    (directory / layouts.FILE).unlink(missing_ok=True)
    directory.rmdir()


def is_lab(directory):
    """Say whether a directory is ours to remove: a lab's, or empty."""
    names = {entry.name for entry in directory.iterdir()}
    return not names or layouts.FILE in names or (
        f'{pathlib.Path(layouts.FILE).stem}.tmp' in names)


def leftovers(directory):
    """Return what is left of a lab on the machine, in words."""
    directory = pathlib.Path(directory)
    name = layouts.Layout(directory, {}).name
    found = [f'process {pid}' for pid in process.owned(directory)]
    found += [f'network namespace {n}' for n in wan.namespaces(name)]
    found += [str(path) for path in keyrings(name)]
    if directory.exists():
        found.append(str(directory))
    return found
