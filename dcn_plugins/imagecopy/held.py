# SPDX-License-Identifier: Apache-2.0
"""Data in memory that several have to be done with before it is used again."""


class Held:
    """A run of data of the source.

    :param start: in the image; ``length``: of the data.
    :param lead: how many bytes of zeros it begins with, in whole blocks.
    :param address: of its first byte.
    :param give_back: called when the last of those who need it is done.
    """

    __slots__ = ('start', 'length', 'lead', 'address', '_give_back', '_users')

    def __init__(self, start, length, lead, address, give_back):
        self.start = start
        self.length = length
        self.lead = lead
        self.address = address
        self._give_back = give_back
        self._users = 1

    @property
    def end(self):
        """Where it ends in the image."""
        return self.start + self.length

    def keep(self):
        """Note one more who needs it."""
        self._users += 1

    def release(self):
        """Note that one of them does not need it any more."""
        self._users -= 1
        if not self._users:
            self._give_back()
