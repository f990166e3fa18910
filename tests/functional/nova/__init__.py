# SPDX-License-Identifier: Apache-2.0
"""Our doors of Nova, inside Nova's own functional test fixtures."""

# Before any other module of Nova: it selects threads or eventlet for all.
import nova.tests.functional  # noqa: F401
