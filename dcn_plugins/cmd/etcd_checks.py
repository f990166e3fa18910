# SPDX-License-Identifier: Apache-2.0
"""Checks of a lock service: its URL, whether it answers, the library."""

import importlib.metadata

from dcn_plugins.cmd import results
from dcn_plugins import exceptions
from dcn_plugins.health import dlm
from dcn_plugins.locking import connection

#: For whoever waits for the command.
SECONDS = 5.0
_BROKEN_TOOZ = '9.0.0'


def answer(url, source, consequence):
    """Ask the etcd of a URL, of ours or of tooz' own drivers.

    :param source: the option that has the URL.
    :param consequence: a sentence, of a URL that is of no use.
    """
    try:
        settings = connection.settings_of(dlm.ours(url), source)
        question = dlm.Question(settings, dlm.tls_context(settings, source),
                                SECONDS)
    except exceptions.ConfigError as exc:
        return results.failure(f'{exc}. {consequence}')
    found = question()
    if found.is_good:
        return results.success()
    return results.warning(
        f'{source}: from this host, {found.reason}: {found.details}. Repair '
        'etcd, or run dcn-status where the service runs.')


def tooz():
    """Find the release of tooz whose locks do not wait."""
    try:
        version = importlib.metadata.version('tooz')
    except importlib.metadata.PackageNotFoundError:
        return results.failure('tooz is not installed: there are no locks. '
                               'Install dcn_plugins with its requirements.')
    if version == _BROKEN_TOOZ:
        return results.failure(
            f'With tooz {version} a lock that should wait gives up after '
            'about one second. Install another release.')
    return results.success()


def missing(namespace, names):
    """Return those of the names that no package of this environment has."""
    known = {point.name for point in
             importlib.metadata.entry_points(group=namespace)}
    return [name for name in names if name not in known]
