# SPDX-License-Identifier: Apache-2.0
"""The check of the options of [dcn], which each service has."""

from dcn_plugins.cmd import results
from dcn_plugins.conf import unknown_options


def check(conf, options, also_known=(), file='one'):
    """Find options of [dcn] that are unknown or without a valid value.

    :param also_known: names that others have registered.
    :param file: what to name if there was no configuration file.
    """
    paths = unknown_options.config_files(conf)
    if not paths:
        return results.warning('No configuration file was found, so that the '
                               f'defaults were checked. Name {file} with '
                               '--config-file.')
    # An option of which the value is not valid raises here.
    known = {opt.dest: conf.dcn[opt.dest] for opt in options}
    found = unknown_options.find(paths, 'dcn', [*known, *also_known])
    return results.of([], [
        f'{path}: {option} is not an option of [dcn] and has no effect. '
        + (f'Did you mean {nearest}?' if nearest else 'Remove it.')
        for path, option, nearest in found])
