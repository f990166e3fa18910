# SPDX-License-Identifier: Apache-2.0
"""``dcn-status upgrade check``: find what keeps our plugins from their work.

Run it with the configuration and in the environment of each service::

    dcn-status --config-file /etc/nova/nova.conf upgrade check
    dcn-status --service cinder --config-file /etc/cinder/cinder.conf \\
        upgrade check
    dcn-status --service glance \\
        --config-file /etc/glance/glance-api.conf upgrade check

It changes nothing. Its exit status is that of oslo.upgradecheck: 0 when there
is nothing to do, 1 with a warning, 2 with a failure. A configuration file
that cannot be read is a failure, too.
"""

import argparse
import importlib.util
import logging
import sys

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from dcn_plugins import exceptions

NOVA, CINDER, GLANCE = 'nova', 'cinder', 'glance'

_SERVICE = cfg.StrOpt(
    'service', default=NOVA, choices=[NOVA, CINDER, GLANCE],
    help='The service whose configuration is checked.')


class StatusCommands(upgradecheck.UpgradeCommands):
    """The checks of this environment, in the order of their output.

    :param checks: ``(name, function)``; a function takes nothing and returns
        an ``upgradecheck.Result``.
    """

    display_title = 'dcn_plugins Upgrade Check Results'

    def __init__(self, checks):
        super().__init__()
        self._upgrade_checks = tuple(
            (name, _guarded(check)) for name, check in checks)


def _guarded(check):
    def run(_commands):
        try:
            return check()
        # An option of which the file holds no valid value.
        except cfg.Error as exc:
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                f'{_first_line(exc)}. Correct the option.')
    return run


def _first_line(exc):
    return (str(exc) or type(exc).__name__).splitlines()[0].rstrip('.')


def checks_of_nova(conf):
    """Register Nova's options and return the checks of Nova.

    Where Nova is not installed, as on a host of Cinder, that is the one
    result. It is a warning: nothing was checked.
    """
    try:
        # Only here, as it imports Nova.
        from dcn_plugins.cmd import nova_checks
    except ImportError as exc:
        if exc.name == 'nova':
            result = upgradecheck.Result(
                upgradecheck.Code.WARNING,
                'skipped: Nova is not installed in this environment. Run '
                'dcn-status where nova-scheduler and nova-api run.')
        else:
            result = upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                f'Nova cannot be imported: {_first_line(exc)}. Repair this '
                'environment.')
        return [('Nova', lambda: result)]
    nova_checks.register_opts(conf)
    return nova_checks.NovaChecks(conf).all()


def checks_of_cinder(conf):
    """Register what is read of cinder.conf and return its checks."""
    from dcn_plugins.cmd import cinder_checks

    cinder_checks.register_opts(conf)
    return _where_it_is('cinder', cinder_checks.CinderChecks(conf).all())


def checks_of_glance(conf):
    """Register what is read of glance-api.conf and return its checks."""
    from dcn_plugins.cmd import glance_checks

    glance_checks.register_opts(conf)
    return _where_it_is('glance', glance_checks.GlanceChecks(conf).all())


def _where_it_is(package, checks):
    """Return the checks, or one result where the service is not installed."""
    if importlib.util.find_spec(package):
        return checks
    name = package.capitalize()
    return [(name, lambda: upgradecheck.Result(
        upgradecheck.Code.WARNING,
        f'skipped: {name} is not installed in this environment. Run '
        'dcn-status where it runs.'))]


_CHECKS = {NOVA: checks_of_nova, CINDER: checks_of_cinder,
           GLANCE: checks_of_glance}


def _service(argv):
    """Return the service that is named, before there are any options.

    Its options decide what the rest of the command line may be.
    """
    parser = argparse.ArgumentParser(
        prog='dcn-status', add_help=False, allow_abbrev=False)
    parser.add_argument('--service', default=NOVA, choices=list(_CHECKS))
    return parser.parse_known_args(argv)[0].service


def main(argv=None):
    """Run the command and return its exit status; raises only SystemExit."""
    # What the libraries log stands in the results. Without a handler Python
    # would write it between them, tracebacks included.
    logging.getLogger().addHandler(logging.NullHandler())
    argv = sys.argv[1:] if argv is None else argv
    service = _service(argv)
    conf = cfg.ConfigOpts()
    conf.register_cli_opt(_SERVICE)
    commands = StatusCommands(_CHECKS[service](conf))
    try:
        return int(upgradecheck.main(
            conf, project=service, upgrade_command=commands, argv=argv))
    # Of the files only; what a check raises ends in run() above.
    except (cfg.Error, OSError, UnicodeDecodeError) as exc:
        error = exceptions.ConfigError(
            'configuration', _first_line(exc),
            'Name a readable file with --config-file.')
        print(error, file=sys.stderr)
        return error.exit_code
