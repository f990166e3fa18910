# SPDX-License-Identifier: Apache-2.0
"""python -m tests.lab: bring up, use and take down a multi-site OpenStack."""

import argparse
import contextlib
import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from tests.lab import catalogue
from tests.lab import cleanup
from tests.lab import cloud as clouds
from tests.lab import deadline
from tests.lab import guest
from tests.lab import layout as layouts
from tests.lab import pane_settings
from tests.lab import report
from tests.lab.services import nova
from tests.lab import wan

BUILD_SECONDS = 300.0
SOURCE = pathlib.Path(__file__).resolve().parents[2]
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ACTIONS = ('start', 'stop', 'restart', 'kill', 'pause', 'resume')


def cache_directory():
    """Return where the set-up keeps what it has fetched."""
    return pathlib.Path(os.environ.get('DCN_CACHE', '/var/cache/dcn_plugins'))


def say(text=''):
    """Print at once: a lab takes a while, and somebody watches."""
    print(text, flush=True)


def _try_lock(source):
    """Tell whether nobody else has the lock of a file, and take it."""
    try:
        fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _build():
    """Build alone: setuptools has one directory for it, in the checkout.

    Of two labs that start at the same time, one would get an empty package.

    :raises deadline.LabTimeout: if somebody else builds for long.
    """
    with open(SOURCE / 'setup.py') as source:
        deadline.wait('the build of another lab', lambda: _try_lock(source),
                      BUILD_SECONDS, 0.2)
        yield


def install_plugins(lab):
    """Install dcn_plugins from the checkout for this lab's services.

    :raises deadline.LabError: with what pip said.
    """
    with _build():
        done = _install(lab.plugins)
    if done.returncode:
        raise deadline.LabError(f'dcn_plugins cannot be installed: '
                                f'{done.stderr.strip()[-500:]}')
    if not (lab.plugins / 'dcn_plugins' / '__init__.py').exists():
        raise deadline.LabError(f'dcn_plugins was installed to {lab.plugins} '
                                'and is not there: try again')


def _install(target):
    return subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps',
         '--no-build-isolation', '--no-index', '--disable-pip-version-check',
         '--root-user-action=ignore', '--target', str(target), str(SOURCE)],
        capture_output=True, text=True, timeout=BUILD_SECONDS,
        # pbr asks git for the version; under sudo the checkout is not ours.
        env={**os.environ, 'GIT_CONFIG_COUNT': '1',
             'GIT_CONFIG_KEY_0': 'safe.directory', 'GIT_CONFIG_VALUE_0': '*'})


_claims = []


def claim(directory):
    """Let no second command bring the same lab up or down at the same time.

    By a name that ends with the process, however it ends, and leaves no file.

    :raises deadline.LabError: when another command has claimed the lab.
    """
    if _claims:
        return
    mine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mine.bind(f'\0{layouts.Layout(directory, {}).name}')
    except OSError:
        raise deadline.LabError(
            f'another command brings the lab in {directory} up or down: wait '
            'for it, end it, or name another directory with --dir') from None
    _claims.append(mine)


def up(arguments):
    """Bring a lab up; one that is there, whole or broken, goes first."""
    # What was asked for is read before anything is ended.
    layouts.check_directory(arguments.dir)
    layouts.check_edges(arguments.sites)
    link = layouts.Wan.parse(arguments.wan) if arguments.wan else None
    claim(arguments.dir)
    # So that a later sweep finds what is started outside of a service, too.
    os.environ[layouts.MARKER] = str(arguments.dir)
    ended = cleanup.remove(arguments.dir)
    if ended:
        say(f'an earlier lab was here: {ended} processes ended')
    lab = layouts.Layout.create(arguments.dir, arguments.sites,
                                arguments.guests, link)
    say(f'lab in {lab.directory}: {", ".join(lab.sites)}; guests: '
        f'{arguments.guests}; WAN: {arguments.wan or "none"}')
    started = time.monotonic()
    install_plugins(lab)
    guest.build(cache_directory(), lab.path('www', guest.NAME))
    show_phase(lab, time.monotonic() - started, 'plugins and guest image')
    made = clouds.Cloud(lab)
    made.up(lambda seconds, step: show_phase(
        lab, time.monotonic() - started, step))
    lab.state['up_seconds'] = time.monotonic() - started
    lab.save()
    pss, rss = report.total_memory(lab.directory)
    say(f'ready after {lab.state["up_seconds"]:.0f} s, memory {pss:.0f} MiB '
        f'PSS, {rss:.0f} MiB RSS')
    return made


def show_phase(lab, seconds, step):
    """Print and record one step of the bring-up."""
    lab.state['phases'].append([round(seconds, 1), step])
    say(f'{seconds:7.1f} s  {step}')


def load(arguments):
    """Return the running lab and move into its network."""
    lab = layouts.Layout.load(arguments.dir)
    wan.enter(lab)
    return clouds.Cloud(lab)


def run_up(arguments):
    """Bring a lab up and leave it running."""
    up(arguments)
    return 0


def run_demo(arguments):
    """Bring a lab up, walk through the workflow, take it down."""
    from tests.lab import demo
    is_up = False
    try:
        made = up(arguments)
        is_up = True
        return 0 if demo.run(made, say) else 1
    finally:
        if arguments.keep and is_up:
            say(f'the lab stays up: tests/lab/lab --dir {arguments.dir} '
                'status|exec|service|wan|grow|down')
        else:
            take_down(arguments)


def run_status(arguments):
    """Show services, ports and memory."""
    text, is_whole = report.services(load(arguments))
    say(text)
    return 0 if is_whole else 1


def run_exec(arguments):
    """Run a command as the lab's administrator, in the central network.

    "openstack dcn" knows the etcds and the policy of the lab.
    """
    lab = load(arguments).lab
    env = {**os.environ, **catalogue.variables(lab),
           'OS_DCN_CONFIG_FILE': str(pane_settings.write(lab)),
           'PATH': f'{lab.venv}/bin:{lab.plugins}/bin:'
                   f'{os.environ.get("PATH", "")}',
           'PYTHONPATH': str(lab.plugins),
           'DCN_LAB': str(lab.directory)}
    argv = arguments.argv or [os.environ.get('SHELL', '/bin/bash')]
    try:
        return subprocess.run(
            argv, env=env, cwd=os.environ.get('DCN_LAB_CALLED_IN')).returncode
    except FileNotFoundError as exc:
        raise deadline.LabError(f'there is no command {argv[0]}') from exc


def run_service(arguments):
    """Start, stop, restart, kill, pause or resume one service."""
    service = load(arguments)[arguments.name]
    getattr(service, arguments.action)()
    say(f'{service.name}: '
        f'{"running" if service.is_running else "not running"}')
    return 0


def run_grow(arguments):
    """Start the services of one more edge, which is no site yet."""
    claim(arguments.dir)
    os.environ[layouts.MARKER] = str(arguments.dir)
    made = load(arguments)
    site = made.grow(lambda seconds, step: say(f'{seconds:7.1f} s  {step}'))
    hosts = ' '.join(f'--host {compute.host}' for compute
                     in made.of(nova.Compute) if compute.site == site)
    say(f'the services of {site} run. To make a site of them: '
        f'openstack dcn site onboard {site} {hosts}')
    return 0


def run_wan(arguments):
    """Change a line, or show its settings and counters."""
    made = load(arguments)
    if not made.lab.wan:
        raise deadline.LabError('this lab has no WAN: up --wan 40ms,1Gbit')
    answer = made[f'wan-{arguments.site}'].tell(wan.order(arguments.order))
    for key, value in answer.items():
        say(f'{key:12} {value}')
    return 0


def run_down(arguments):
    """Take the lab down; nothing of it is left."""
    take_down(arguments)
    return 0


def take_down(arguments):
    """End everything and say so."""
    claim(arguments.dir)
    started = time.monotonic()
    # Half a removal helps nobody; it takes a second or two.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    ended = cleanup.remove(arguments.dir)
    say(f'down: {ended} processes ended in '
        f'{time.monotonic() - started:.1f} s, nothing left')


def parser():
    """Return the command line."""
    top = argparse.ArgumentParser(
        prog='python -m tests.lab', description=__doc__)
    top.add_argument('--dir', type=pathlib.Path, default=pathlib.Path(
        os.environ.get('DCN_LAB', '/var/tmp/dcn-lab')),
        help='directory of the lab (default: %(default)s)')
    commands = top.add_subparsers(required=True, metavar='COMMAND')
    for name, function in (('up', run_up), ('demo', run_demo)):
        command = commands.add_parser(name, help=function.__doc__)
        command.set_defaults(function=function)
        command.add_argument('--sites', type=int, default=2,
                             help='number of edge sites (default: 2)')
        command.add_argument(
            '--guests', choices=('fake', 'real'),
            default='real' if name == 'demo' else 'fake',
            help='real: libvirt and QEMU; fake: Nova\'s fake driver '
                 '(default: %(default)s)')
        command.add_argument('--wan', metavar='RTT[,RATE]',
                             help='put the edges behind lines like '
                                  '40ms,1Gbit (default: none)')
        command.add_argument('--keep', action='store_true',
                             help='leave the lab up at the end')
    for name, function in (('status', run_status), ('grow', run_grow),
                           ('down', run_down)):
        command = commands.add_parser(name, help=function.__doc__)
        command.set_defaults(function=function)
    command = commands.add_parser('exec', help=run_exec.__doc__)
    command.set_defaults(function=run_exec)
    command.add_argument('argv', nargs=argparse.REMAINDER)
    command = commands.add_parser('service', help=run_service.__doc__)
    command.set_defaults(function=run_service)
    command.add_argument('name')
    command.add_argument('action', choices=_ACTIONS)
    command = commands.add_parser('wan', help=run_wan.__doc__)
    command.set_defaults(function=run_wan)
    command.add_argument('site')
    command.add_argument('order', nargs='+', metavar='ORDER',
                         help='stat, cut, heal, delay US, rate KBIT, '
                              'loss FRACTION')
    return top


def main(argv=None):
    """Run one command and return its exit status."""
    arguments = parser().parse_args(argv)
    # Another spelling of the path would be another lab.
    arguments.dir = arguments.dir.resolve()
    # Keys and passwords are for nobody else.
    os.umask(0o077)
    # A terminated demo takes its lab down like an interrupted one.
    for number in _ENDING[1:]:
        signal.signal(number, lambda signum, _frame: sys.exit(128 + signum))
    try:
        return arguments.function(arguments)
    except deadline.LabError as exc:
        print(f'error: {exc}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
