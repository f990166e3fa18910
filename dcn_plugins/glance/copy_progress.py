# SPDX-License-Identifier: Apache-2.0
"""Say how far the copies of one image are, for the message of its task."""

from dcn_plugins.imagecopy import progress_text

_MIB = 1 << 20


class CopyProgress:
    """The latest news of each store, in the order in which they were asked.

    Steps are those of :class:`~dcn_plugins.imagecopy.request.Progress`.

    :param stores: names of all stores.
    """

    def __init__(self, stores):
        self._texts = dict.fromkeys(stores, 'waits')

    def take(self, progress):
        """Note a ``Progress``; may be called by any thread."""
        self._texts[progress.store] = progress_text.text_of(progress)

    def end(self, store, text):
        """Note what has become of a store."""
        self._texts[store] = text

    def __str__(self):
        return progress_text.SEPARATOR.join(
            f'{store} {text}' for store, text in self._texts.items())


def ended(result):
    """Return what there is to say of a ``Result`` that is a copy."""
    text = (f'{result.outcome.value} {result.size_bytes // _MIB} MiB in '
            f'{result.seconds:.0f}s, {result.sent_bytes // _MIB} MiB sent')
    if result.saved_bytes:
        text += f', {result.saved_bytes // _MIB} MiB saved'
    return text
