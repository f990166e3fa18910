# SPDX-License-Identifier: Apache-2.0
"""Find options of our group that nobody registered.

oslo.config ignores what it does not know, so ``move_polcy = off`` would be
silently without effect.
"""

import difflib
import os

from oslo_config import cfg
from oslo_log import log as logging

LOG = logging.getLogger(__name__)


def config_files(conf):
    """Return the paths of all configuration files that ``conf`` has read."""
    paths = list(conf.config_file or [])
    for directory in conf.config_dir or []:
        if os.path.isdir(directory):
            paths += sorted(os.path.join(directory, name)
                            for name in os.listdir(directory)
                            if name.endswith('.conf'))
    return paths


def find(paths, group, known):
    """Return ``[(path, option, nearest known option or None)]``.

    :param paths: files to read; one that cannot be read or parsed is passed
        over, as oslo.config has already refused or reported it.
    :param known: names that are registered in ``group``.
    """
    # oslo.config takes either spelling in a file.
    known = {name.replace('-', '_') for name in known}
    unknown = []
    for path in paths:
        sections = {}
        try:
            cfg.ConfigParser(path, sections).parse()
        except (OSError, ValueError, cfg.ParseError):
            continue
        for option in sections.get(group, {}):
            if option.replace('-', '_') not in known:
                nearest = difflib.get_close_matches(option, known, n=1)
                unknown.append((path, option, nearest[0] if nearest else None))
    return unknown


def warn(conf, group, also_known=()):
    """Log one warning per option of ``[group]`` that no plugin knows.

    Never raises: a spelling mistake must not keep the service from starting.

    :param also_known: options that are registered later than this check.
    """
    try:
        known = set(conf[group]).union(
            name for opt in also_known
            for name in (opt.dest, *(old.name for old in opt.deprecated_opts)))
        found = find(config_files(conf), group, known)
    except (cfg.Error, OSError) as exc:
        LOG.warning('The options of [%s] could not be checked: %s', group, exc)
        return
    for path, option, nearest in found:
        LOG.warning('%s: [%s] %s is not an option of dcn_plugins and has no '
                    'effect.%s', path, group, option,
                    f' Did you mean {nearest}?' if nearest else
                    ' Remove it or correct its name.')
