# SPDX-License-Identifier: Apache-2.0
"""Results of checks, in the words of oslo.upgradecheck."""

from oslo_upgradecheck import upgradecheck

_CODES = upgradecheck.Code


def success(details=None):
    """Return that there is nothing to do."""
    return upgradecheck.Result(_CODES.SUCCESS, details)


def warning(details):
    """Return that something should be looked at."""
    return upgradecheck.Result(_CODES.WARNING, details)


def failure(details):
    """Return that something does not work."""
    return upgradecheck.Result(_CODES.FAILURE, details)


def of(failures, warnings):
    """Return one result of all texts; success when there is none."""
    text = ' '.join([*failures, *warnings])
    if failures:
        return failure(text)
    return warning(text) if text else success()
