# SPDX-License-Identifier: Apache-2.0
"""Say how far the copies of one image are, for the message of its task."""

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
        self._texts[progress.store] = _text(progress)

    def end(self, store, text):
        """Note what has become of a store."""
        self._texts[store] = text

    def __str__(self):
        return '; '.join(f'{store} {text}'
                         for store, text in self._texts.items())


def _text(progress):
    """Return ``53% 540/1024 MiB 118 MB/s ETA 4s``, or only the step."""
    if progress.step != 'pump' or not progress.total_bytes:
        return progress.step
    left = max(progress.total_bytes - progress.done_bytes, 0)
    parts = [f'{100 * progress.done_bytes // progress.total_bytes}%',
             f'{progress.done_bytes // _MIB}/{progress.total_bytes // _MIB}'
             ' MiB',
             f'{progress.bytes_per_second / 1e6:.0f} MB/s']
    if progress.bytes_per_second > 0:
        parts.append(f'ETA {left / progress.bytes_per_second:.0f}s')
    return ' '.join(parts)


def ended(result):
    """Return what there is to say of a ``Result`` that is a copy."""
    text = (f'{result.outcome.value} {result.size_bytes // _MIB} MiB in '
            f'{result.seconds:.0f}s, {result.sent_bytes // _MIB} MiB sent')
    if result.saved_bytes:
        text += f', {result.saved_bytes // _MIB} MiB saved'
    return text
