# SPDX-License-Identifier: Apache-2.0

import unittest

import hypothesis
from hypothesis import strategies

from dcn_plugins.imagecopy import progress_text
from dcn_plugins.imagecopy import request

MIB = 1 << 20

_STORES = strategies.from_regex(r'[a-z0-9_.:%/-]{1,20}', fullmatch=True)
_NUMBERS = strategies.integers(0, 10 ** 9)
_PROGRESS = strategies.one_of(
    strategies.builds(
        request.Progress, _STORES,
        strategies.sampled_from(('waits', 'plan', 'verify', 'publish')),
        strategies.just(0), strategies.just(0), strategies.just(0.0)),
    strategies.builds(
        lambda store, done, total, rate: request.Progress(
            store, 'pump', done * MIB, total * MIB, rate * 1e6),
        _STORES, _NUMBERS, _NUMBERS.map(lambda number: number + 1),
        _NUMBERS))


class ProgressTextTest(unittest.TestCase):

    @hypothesis.given(strategies.lists(
        _PROGRESS, unique_by=lambda progress: progress.store),
        strategies.sampled_from(('', progress_text.MARK)))
    def test_what_is_written_is_read(self, progresses, mark):
        text = mark + progress_text.SEPARATOR.join(
            f'{progress.store} {progress_text.text_of(progress)}'
            for progress in progresses)
        self.assertEqual({progress.store: progress
                          for progress in progresses},
                         progress_text.progress_of(text))

    def test_what_else_there_is_is_passed_over(self):
        text = ('central copied 1024 MiB in 5s, 100 MiB sent; dcn1 failed: '
                'no route; perhaps; dcn0 1% 10/1024 MiB 118 MB/s ETA 9s')
        self.assertEqual({'dcn0'}, set(progress_text.progress_of(text)))
        for text in ('', 'Copied 15 MiB', 'dcn0 ?% ?/? MiB'):
            self.assertEqual({}, progress_text.progress_of(text))
