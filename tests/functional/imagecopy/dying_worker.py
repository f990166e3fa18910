# SPDX-License-Identifier: Apache-2.0
"""The process that copies, and dies at one step, or stands still there.

DCN_COPY_STEP names the step, DCN_COPY_SIGNAL what is to happen then.
"""

import os
import signal

from dcn_plugins.imagecopy import worker


def step(name):
    if name == os.environ['DCN_COPY_STEP']:
        os.kill(os.getpid(), getattr(signal, os.environ['DCN_COPY_SIGNAL']))


if __name__ == '__main__':
    worker.main(step)
