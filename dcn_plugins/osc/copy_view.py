# SPDX-License-Identifier: Apache-2.0
"""What somebody sees who waits for copies of images."""

import contextlib
import sys

from dcn_plugins.imagecopy import progress_text

try:
    import rich.console as rich_console
    import rich.progress as rich_progress
except ImportError:
    # There are lines then.
    rich_console = rich_progress = None


# With a store's name and "100% 99999/99999 MiB 9999 MB/s ETA 9999s" in 80.
_BAR_COLUMNS = 20


class Lines:
    """A line for each change.

    :param say: called with each line.
    :param names: what the lines about an image begin with, by its id.
    """

    has_bars = False

    def __init__(self, say, names):
        self._say = say
        self._names = names

    def say(self, image_id, text):
        """Tell something of an image."""
        self._say(self._names.get(image_id, '') + text)

    def change(self, image_id, store, state, count):
        """Tell that the copy to a store is in another state."""
        self.say(image_id, f'{store}: {state} ({count})')

    def move(self, image_id, store, progress):
        """Tell how far a copy is: of bars only."""


class Bars(Lines):
    """A bar for each copy, on a terminal; lines stand above them.

    :param bars: ``rich.progress.Progress`` that is shown.
    """

    has_bars = True

    def __init__(self, bars, names):
        # The texts come from a cloud: nothing in them is markup.
        super().__init__(lambda text: bars.console.print(
            text, markup=False, highlight=False, soft_wrap=True), names)
        self._bars = bars
        self._known = {}

    def change(self, image_id, store, state, count):
        """Show a state; it says all that a line would."""
        bar = self._bar(image_id, store)
        if state == 'present':
            # Also of one that was there before anybody had told its size.
            self._bars.update(bar, total=1, completed=1)
        self._bars.update(bar, told=state)

    def move(self, image_id, store, progress):
        """Show how far a copy is."""
        self._bars.update(
            self._bar(image_id, store), completed=progress.done_bytes,
            total=max(progress.total_bytes, progress.done_bytes) or None,
            told=progress_text.text_of(progress))

    def _bar(self, image_id, store):
        key = image_id, store
        if key not in self._known:
            # All of a UUID leaves no room for the bar.
            self._known[key] = self._bars.add_task(
                f'{image_id[:8]} {store}' if image_id in self._names
                else store, total=None, told='')
        return self._known[key]


@contextlib.contextmanager
def opened(say, names, stream=None):
    """Give bars while the context lasts; lines if they cannot be shown.

    :param say: called with each line.
    :param names: what is said of an image begins with, by its id.
    :param stream: where bars are shown: by default standard error.
    """
    console = rich_console and rich_console.Console(file=stream or sys.stderr)
    # A dumb one shows nothing of a bar before its end.
    if console is None or not console.is_terminal or console.is_dumb_terminal:
        yield Lines(say, names)
        return
    columns = (rich_progress.TextColumn('{task.description}', markup=False),
               rich_progress.BarColumn(_BAR_COLUMNS),
               rich_progress.TextColumn('{task.fields[told]}', markup=False))
    with rich_progress.Progress(*columns, console=console) as bars:
        yield Bars(bars, names)
