# SPDX-License-Identifier: Apache-2.0
"""What a check says, and what several say together."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check has found.

    :param is_good: whether requests may come.
    :param reason: one line for anybody: the answer of ``/healthcheck`` is
        public, so no address and no path stands in it.
    :param details: the rest, for the operator: the log, and the answer if
        ``[healthcheck] detailed`` is set.
    """

    is_good: bool
    reason: str = 'OK'
    details: str = ''

    def __str__(self):
        return f'{self.reason}: {self.details}' if self.details else (
            self.reason)


def silent(what, seconds):
    """Return the verdict of what has not answered for so long."""
    return Verdict(False, f'{what} does not answer',
                   f'not within {seconds:g} s')


def joined(verdicts):
    """Return one verdict of several: good if all of them are."""
    bad = [one for one in verdicts if not one.is_good]
    told = bad or [one for one in verdicts if one.reason != 'OK']
    return Verdict(not bad, '; '.join(one.reason for one in told) or 'OK',
                   '; '.join(one.details for one in told if one.details))
