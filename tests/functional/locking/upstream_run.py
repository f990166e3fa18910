# SPDX-License-Identifier: Apache-2.0
"""python -m tests.functional.locking.upstream_run URL [--eventlet]: tooz' own
tests of drivers, on the driver of a URL.

Prints what came of them, as JSON. With eventlet it is like a service under
eventlet: all is patched before anything else is imported.
"""

import json
import sys


def run(url):
    """Run the tests; return how many, and which were skipped or failed."""
    # Here, as all of it has to come after eventlet.
    import gc
    import os
    import unittest

    # Older releases look there when they are imported, newer ones later.
    os.environ['TOOZ_TEST_URL'] = url
    from tooz.tests import test_coordination

    class Result(unittest.TestResult):

        def stopTest(self, test):
            super().stopTest(test)
            gc.collect()

    # Two tests start processes. What collects their semaphores writes to a
    # pipe, and under eventlet that waits: within a wait that it interrupts,
    # whose end is lost then, and the process waits for ever.
    gc.disable()
    result = Result()
    unittest.defaultTestLoader.loadTestsFromTestCase(
        test_coordination.TestAPI).run(result)
    return {
        'ran': result.testsRun,
        'skipped': sorted(_name(test) for test, _why in result.skipped),
        'failed': {_name(test): text
                   for test, text in result.errors + result.failures},
        'is_green': _is_green()}


def _is_green():
    patcher = sys.modules.get('eventlet.patcher')
    return bool(patcher and patcher.is_monkey_patched('thread')
                and patcher.is_monkey_patched('socket'))


def _name(test):
    return test.id().rpartition('.')[2]


if __name__ == '__main__':
    if '--eventlet' in sys.argv[2:]:
        import eventlet
        eventlet.monkey_patch()
    print(json.dumps(run(sys.argv[1])))
