# SPDX-License-Identifier: Apache-2.0
"""python -m tests.functional.glance.upstream_run file|rbd: Glance's own tests
of imports and copies, with stores in files or in RBD.

Prints what came of them, as JSON. Our data path is switched on by
OS_DCN__COPY_DATA_PATH in the environment, which servers that the tests start
read, too.
"""

import functools
import importlib
import json
import os
import re
import sys
import unittest

# Older releases have eventlet patch all that is imported afterwards.
import glance.tests  # noqa: F401

from dcn_plugins.glance import data_path
from tests.fakes import copier
from tests.functional.glance import glance_api
from tests.functional.glance import rbd_stores

RETRIES = 2
_WORD = re.compile('import|copy', re.IGNORECASE)
_MODULES = (
    'functional.v2.test_images', 'functional.v2.test_images_import_locking',
    'functional.v2.test_multi_store_images',
    'functional.v2.test_parallel_store_import',
    'unit.async_.flows.test_api_image_import',
    'unit.async_.flows.test_copy_image')


def run(kind):
    """Run the tests; return how many, and which were skipped or failed."""
    os.chdir(glance_api._DIRECTORY)
    counted = _Counted()
    counted.watch()
    result = _run(_tests(kind))
    failed = _failed(result)
    for _again in range(RETRIES):
        # Some wait for a fixed time, which is too short on a busy machine.
        failed = _failed(_run([
            found for found in _tests(kind) if _name(found) in failed]))
    return {
        'ran': result.testsRun, 'claims': counted.claims,
        'asked': counted.asked, 'failed': failed,
        'skipped': sorted(_name(test) for test, _why in result.skipped)}


def _run(tests):
    result = unittest.TestResult()
    unittest.TestSuite(tests).run(result)
    return result


def _failed(result):
    return {_name(test): text
            for test, text in result.errors + result.failures}


def _tests(kind):
    for name in _MODULES:
        try:
            module = importlib.import_module(f'glance.tests.{name}')
        except ModuleNotFoundError as exc:
            if exc.name != f'glance.tests.{name}':
                raise
            continue
        for found in _flat(unittest.defaultTestLoader.loadTestsFromModule(
                module)):
            # Those that start no server of their own have our stores, and
            # those of parallel imports look into files.
            if kind == 'rbd' and (name.endswith('parallel_store_import')
                                  or not isinstance(
                    found, glance_api.functional.SynchronousAPIBase)):
                continue
            if name.startswith('unit') or _WORD.search(_name(found)):
                yield found


def _flat(suite):
    for found in suite:
        if isinstance(found, unittest.TestSuite):
            yield from _flat(found)
        else:
            yield found


class _Counted:
    """How often our data path was on, and the engine was asked."""

    def __init__(self):
        self.claims = self.asked = 0

    def watch(self):
        claim, copy = data_path.claim, copier.Copier.copy

        @functools.wraps(claim)
        def counted_claim(conf, *args):
            self.claims += data_path.is_on(conf)
            return claim(conf, *args)

        @functools.wraps(copy)
        def counted_copy(*args, **kwargs):
            self.asked += 1
            return copy(*args, **kwargs)

        data_path.claim = counted_claim
        copier.Copier.copy = counted_copy


def _name(test):
    return test.id().partition('glance.tests.')[2]


if __name__ == '__main__':
    if sys.argv[1] == 'rbd':
        rbd_stores.give_to_upstream()
    print(json.dumps(run(sys.argv[1])))
