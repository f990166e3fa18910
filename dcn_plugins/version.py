# SPDX-License-Identifier: Apache-2.0
"""The installed version of dcn_plugins, for the log line of each door."""

from importlib import metadata

DISTRIBUTION = 'dcn_plugins'


def version_string():
    """Return the installed version, or ``unknown`` when there is none.

    A source tree on PYTHONPATH has no metadata; a door must load all the same.
    """
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return 'unknown'
