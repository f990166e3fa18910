# SPDX-License-Identifier: Apache-2.0
"""A list whose exit status says whether something in it is wrong."""

from osc_lib.command import command


class VerdictLister(command.Lister):
    """Print a list; the exit status is 1 if ``take_action`` has found a flaw.

    Subclasses set ``has_failed`` there.
    """

    has_failed = False

    def run(self, parsed_args):
        """Print what was found or done; return the exit status."""
        return super().run(parsed_args) or int(self.has_failed)
