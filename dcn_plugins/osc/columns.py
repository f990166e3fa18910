# SPDX-License-Identifier: Apache-2.0
"""Facts for tables and for programs."""

from cliff import columns

from dcn_plugins.osc import fact as facts


class FactColumn(columns.FormattableColumn):
    """A fact: for people as its text, for programs with its age and reason.

    :param told: makes a text of its value.
    """

    def __init__(self, fact, now, told=str):
        super().__init__(fact.for_programs(now))
        self._fact = fact
        self._now = now
        self._told = told

    def human_readable(self):
        return self._fact.text(self._now, self._told)


class DatedColumn(FactColumn):
    """A fact that tells people its age in any case, or its problem."""

    def human_readable(self):
        told = super().human_readable()
        age = self._fact.age_seconds(self._now)
        if not self._fact.is_known:
            told = told if self._fact.is_asked else 'not asked'
            return f'{told}: {self._fact.problem}'
        if age is None or age > facts.OLD_SECONDS:
            return told
        return f'{told} ({facts.duration(age)} ago)'


class ListColumn(columns.FormattableColumn):
    """Several names."""

    def human_readable(self):
        return ', '.join(map(str, self._value))


class AgeColumn(columns.FormattableColumn):
    """A length of time in seconds, or ``None``."""

    def human_readable(self):
        return '-' if self._value is None else facts.duration(self._value)
