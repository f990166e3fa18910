# SPDX-License-Identifier: Apache-2.0
"""Start processes so that they can be found again, whatever happens to us."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

from tests.lab import deadline
from tests.lab import layout as layouts

PROC = pathlib.Path('/proc')


def start_time(pid):
    """Return when a process began, in clock ticks, or None if it is gone.

    Together with the pid it names one process for ever; a pid alone does not.
    """
    try:
        fields = (PROC / str(pid) / 'stat').read_text().rsplit(')', 1)[1]
    except (OSError, IndexError):
        return None
    state, ticks = fields.split()[0], fields.split()[19]
    return None if state == 'Z' else int(ticks)


def environment(lab, extra=None):
    """Return the environment of the lab's processes; nothing is inherited.

    Except for the locale, the caller's variables stay out: an OS_CLOUD or a
    PYTHONPATH of the user's must not change what the lab does.
    """
    env = {
        layouts.MARKER: str(lab.directory),
        'PATH': f'{lab.venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'PYTHONPATH': str(lab.plugins),
        'PYTHONUNBUFFERED': '1',
        'PYTHONWARNINGS': 'ignore',
        'LANG': 'C.UTF-8',
        'HOME': str(lab.path('state')),
        'TMPDIR': '/tmp',
    }
    env.update(extra or {})
    return env


def in_site(lab, site, argv):
    """Return the command that runs ``argv`` in the network of a site."""
    argv = [str(item) for item in argv]
    namespace = lab.namespace(site)
    if namespace is None:
        return argv
    return ['nsenter', f'--net=/run/netns/{namespace}', '--'] + argv


def run(lab, argv, site=layouts.CENTRAL, seconds=300, text_in=None, env=None,
        log=None, check=True):
    """Run a program of the lab to its end and return its output.

    :raises deadline.LabError: when it fails, with its last lines; when it
        does not end in time.
    """
    deadline.check_open()
    try:
        done = subprocess.run(
            in_site(lab, site, argv), input=text_in, text=True,
            capture_output=True, env=environment(lab, env), timeout=seconds,
            stdin=subprocess.DEVNULL if text_in is None else None)
    except subprocess.TimeoutExpired as exc:
        raise deadline.LabTimeout(f'the end of {argv[0]}', seconds) from exc
    if log is not None:
        log.write_text(f'$ {" ".join(map(str, argv))}\n'
                       f'{done.stdout}{done.stderr}')
    if check and done.returncode:
        tail = (done.stderr or done.stdout).strip().splitlines()[-6:]
        raise deadline.LabError(
            f'{" ".join(map(str, argv[:4]))} ended with '
            f'{done.returncode}: ' + ' | '.join(tail))
    return done.stdout


class Process:
    """A program in the background, known by its name in the lab."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.record = lab.path('run', f'{name}.json')
        self.log = lab.path('log', f'{name}.log')

    def spawn(self, argv, site, env=None):
        """Start ``argv`` in its own session, output to the log.

        The marker in the environment finds the process even when we are
        killed before the record is written.
        """
        deadline.check_open()
        with self.log.open('ab') as log:
            written = log.tell()
            child = subprocess.Popen(
                in_site(self.lab, site, argv), stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, cwd=self.lab.directory,
                env=environment(self.lab, env), start_new_session=True)
        self.record.write_text(json.dumps(
            {'pid': child.pid, 'start': start_time(child.pid),
             'written': written}))
        # Nobody waits for the child but this interpreter, as long as it
        # lives: without poll() it would stay a zombie that looks alive.
        self._child = child
        return child.pid

    def _read(self):
        try:
            return json.loads(self.record.read_text())
        except (OSError, ValueError):
            return None

    @property
    def pid(self):
        """The pid of the process, or None when it does not run."""
        known = self._read()
        if not known:
            return None
        child = getattr(self, '_child', None)
        if child is not None:
            child.poll()
        same = start_time(known['pid']) == known['start']
        return known['pid'] if same and known['start'] else None

    @property
    def is_alive(self):
        """Say whether exactly the process that was started still runs."""
        return self.pid is not None

    def signal(self, number, group=True):
        """Send a signal to the process group (or the first process only)."""
        pid = self.pid
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        return True

    def stop(self, seconds=10):
        """Ask the process to end, kill it after ``seconds``."""
        pid = self.pid
        if pid is not None:
            self.signal(signal.SIGTERM, group=False)
            end = time.monotonic() + seconds
            while self.is_alive and time.monotonic() < end:
                time.sleep(0.05)
            kill_group(pid)
        self.record.unlink(missing_ok=True)

    def kill(self):
        """Kill the whole process group at once, as a crash would."""
        pid = self.pid
        if pid is not None:
            kill_group(pid)
        self.record.unlink(missing_ok=True)

    def has_logged(self, text):
        """Say whether this run of the process has logged a text."""
        known = self._read()
        if not known:
            return False
        with self.log.open('rb') as log:
            log.seek(known['written'])
            return text.encode() in log.read()

    def tail(self, lines=8):
        """Return the end of the log."""
        try:
            text = self.log.read_text(errors='replace')
        except OSError:
            return ''
        return '\n'.join(text.strip().splitlines()[-lines:])


def kill_group(pid):
    """Kill a process group; a group that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def tree(root):
    """Return the pids of a process and of all its descendants."""
    children = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / 'stat').read_text().rsplit(')', 1)[1].split()
            except (OSError, IndexError):
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def owned(directory):
    """Return the pids of all processes that belong to a lab directory.

    By the marker in the environment they were started with. nova-scheduler
    writes its title over it, so by the session of a recorded process too. And
    libvirt starts guests with an environment and a session of their own, so
    by what is mounted over libvirt's directories where they live.
    """
    marker = f'{layouts.MARKER}={directory}'.encode()
    mounted = mounted_root(pathlib.Path(directory))
    sessions = recorded_sessions(pathlib.Path(directory))
    mine = set()
    parent = os.getpid()
    while parent > 1:
        mine.add(parent)
        fields = (PROC / str(parent) / 'stat').read_text().rsplit(')', 1)[1]
        parent = int(fields.split()[1])
    pids = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) in mine:
            continue
        try:
            environ = (entry / 'environ').read_bytes().split(b'\0')
            mounts = (entry / 'mountinfo').read_text()
            session = int((entry / 'stat').read_text().rsplit(
                ')', 1)[1].split()[3])
        except OSError:
            continue
        if (marker in environ
                or session in sessions
                or any(line.split()[3].startswith(mounted)
                       for line in mounts.splitlines())):
            pids.append(int(entry.name))
    return pids


def recorded_sessions(directory):
    """Return the sessions of the processes that a lab has recorded.

    Each was started as the leader of one. The number of a leader that is
    gone is not given to another process while its session has members.
    """
    sessions = set()
    for record in directory.glob('run/*.json'):
        try:
            known = json.loads(record.read_text())
        except (OSError, ValueError):
            continue
        if start_time(known['pid']) in (None, known['start']):
            sessions.add(known['pid'])
    return sessions


def mounted_root(directory):
    """Return how mountinfo names what is mounted from inside a directory.

    The path within its file system, with a slash at the end: the path here
    may lead through a bind mount, a subvolume or a chroot.
    """
    roots = {}
    for line in (PROC / 'self' / 'mountinfo').read_text().splitlines():
        fields = line.split()
        # Of several mounts on one point the last one is on top.
        roots[fields[4]] = fields[3]
    base = directory
    while str(base) not in roots:
        base = base.parent
    root = roots[str(base)].rstrip('/')
    return f'{root}/{directory.relative_to(base)}/'


def sweep(directory, seconds=15):
    """Kill every process of a lab directory; return how many there were.

    :raises deadline.LabTimeout: when some do not die (state D).
    """
    left = first = owned(directory)
    end = time.monotonic() + seconds
    # Not deadline.wait(), which refuses when the lab is being taken down.
    while left:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() >= end:
            raise deadline.LabTimeout(f'the end of processes {left}', seconds)
        time.sleep(0.1)
        left = owned(directory)
    return len(first)


def listens(pids, port):
    """Say whether one of the processes listens on a TCP port.

    A port that answers proves nothing: it may be somebody else's server.
    """
    for pid in pids:
        inodes = set()
        for table in ('tcp', 'tcp6'):
            try:
                lines = (PROC / str(pid) / 'net' / table).read_text()
            except OSError:
                continue
            for line in lines.splitlines()[1:]:
                fields = line.split()
                if fields[3] == '0A' and int(
                        fields[1].rsplit(':', 1)[1], 16) == port:
                    inodes.add(f'socket:[{fields[9]}]')
        if inodes and any(inodes & open_files(pid) for pid in pids):
            return True
        if inodes:
            return False
    return False


def open_files(pid):
    """Return what the file descriptors of a process point at."""
    found = set()
    try:
        for entry in os.scandir(PROC / str(pid) / 'fd'):
            with contextlib.suppress(OSError):
                found.add(os.readlink(entry.path))
    except OSError:
        pass
    return found
