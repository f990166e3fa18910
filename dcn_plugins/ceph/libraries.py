# SPDX-License-Identifier: Apache-2.0
"""librados, librbd and libxxhash for those who move a lot of data.

The Python bindings copy what they are given, allocate what they read, and do
not know the checksums of OSDs. Here data stay in buffers of ours from the
first socket to the last. What is seldom called goes through the bindings.
"""

import ctypes
import functools

from dcn_plugins import exceptions

ADDRESS, SIZE, U64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
_TEXT, _INT, _I64 = ctypes.c_char_p, ctypes.c_int, ctypes.c_int64
_OUT = ctypes.c_void_p

#: What librados and librbd call at the end of a call that was not waited for.
ENDED = ctypes.CFUNCTYPE(None, ADDRESS, ADDRESS)
#: What diff_iterate calls for each extent.
FOUND = ctypes.CFUNCTYPE(_INT, U64, SIZE, _INT, ADDRESS)

_RADOS = {
    'rados_create2': (_OUT, _TEXT, _TEXT, U64),
    'rados_conf_read_file': (ADDRESS, _TEXT),
    'rados_conf_set': (ADDRESS, _TEXT, _TEXT),
    'rados_conf_get': (ADDRESS, _TEXT, _OUT, SIZE),
    'rados_connect': (ADDRESS,),
    'rados_get_min_compatible_client': (ADDRESS, _OUT, _OUT),
    'rados_cluster_fsid': (ADDRESS, _OUT, SIZE),
    'rados_ioctx_create': (ADDRESS, _TEXT, _OUT),
    'rados_ioctx_create2': (ADDRESS, _I64, _OUT),
    'rados_stat': (ADDRESS, _TEXT, _OUT, _OUT),
    'rados_read': (ADDRESS, _TEXT, _OUT, SIZE, U64),
    'rados_remove': (ADDRESS, _TEXT),
    'rados_getxattr': (ADDRESS, _TEXT, _TEXT, _OUT, SIZE),
    'rados_setxattr': (ADDRESS, _TEXT, _TEXT, _TEXT, SIZE),
    'rados_aio_create_completion2': (ADDRESS, ENDED, _OUT),
    'rados_aio_get_return_value': (ADDRESS,),
    'rados_aio_read_op_operate': (ADDRESS, ADDRESS, ADDRESS, _TEXT, _INT),
    'rados_aio_write_op_operate': (ADDRESS, ADDRESS, ADDRESS, _TEXT, ADDRESS,
                                   _INT),
    'rados_write_op_operate': (ADDRESS, ADDRESS, _TEXT, ADDRESS, _INT),
    'rados_exec': (ADDRESS, _TEXT, _TEXT, _TEXT, _TEXT, SIZE, _OUT, SIZE),
    'rados_mon_command': (ADDRESS, _OUT, SIZE, _TEXT, SIZE, _OUT, _OUT, _OUT,
                          _OUT),
    'rados_mgr_command': (ADDRESS, _OUT, SIZE, _TEXT, SIZE, _OUT, _OUT, _OUT,
                          _OUT),
}
_RADOS_WITHOUT_ANSWER = {
    'rados_shutdown': (ADDRESS,),
    'rados_ioctx_destroy': (ADDRESS,),
    'rados_ioctx_snap_set_read': (ADDRESS, U64),
    'rados_aio_release': (ADDRESS,),
    'rados_release_read_op': (ADDRESS,),
    'rados_release_write_op': (ADDRESS,),
    'rados_write_op_truncate': (ADDRESS, U64),
    'rados_write_op_create': (ADDRESS, _INT, _TEXT),
    'rados_write_op_exec': (ADDRESS, _TEXT, _TEXT, _TEXT, SIZE, _OUT),
    'rados_buffer_free': (ADDRESS,),
    'rados_read_op_checksum': (ADDRESS, _INT, _TEXT, SIZE, U64, SIZE, SIZE,
                               _OUT, SIZE, _OUT),
}
_RBD = {
    'rbd_open': (ADDRESS, _TEXT, _OUT, _TEXT),
    'rbd_open_read_only': (ADDRESS, _TEXT, _OUT, _TEXT),
    'rbd_close': (ADDRESS,),
    'rbd_stat': (ADDRESS, _OUT, SIZE),
    'rbd_get_id': (ADDRESS, _OUT, SIZE),
    'rbd_get_block_name_prefix': (ADDRESS, _OUT, SIZE),
    'rbd_get_features': (ADDRESS, _OUT),
    'rbd_get_flags': (ADDRESS, _OUT),
    'rbd_get_overlap': (ADDRESS, _OUT),
    'rbd_get_stripe_count': (ADDRESS, _OUT),
    'rbd_create4': (ADDRESS, _TEXT, U64, ADDRESS),
    'rbd_clone3': (ADDRESS, _TEXT, _TEXT, ADDRESS, _TEXT, ADDRESS),
    'rbd_image_options_set_uint64': (ADDRESS, _INT, U64),
    'rbd_update_features': (ADDRESS, U64, ctypes.c_uint8),
    'rbd_resize': (ADDRESS, U64),
    'rbd_remove': (ADDRESS, _TEXT),
    'rbd_lock_acquire': (ADDRESS, _INT),
    'rbd_is_exclusive_lock_owner': (ADDRESS, _OUT),
    'rbd_snap_get_id': (ADDRESS, _TEXT, _OUT),
    'rbd_snap_set': (ADDRESS, _TEXT),
    'rbd_snap_create': (ADDRESS, _TEXT),
    'rbd_snap_remove': (ADDRESS, _TEXT),
    'rbd_snap_protect': (ADDRESS, _TEXT),
    'rbd_snap_unprotect': (ADDRESS, _TEXT),
    'rbd_snap_is_protected': (ADDRESS, _TEXT, _OUT),
    'rbd_diff_iterate2': (ADDRESS, _TEXT, U64, U64, ctypes.c_uint8,
                          ctypes.c_uint8, FOUND, ADDRESS),
    'rbd_aio_create_completion': (ADDRESS, ENDED, _OUT),
    'rbd_aio_read2': (ADDRESS, U64, SIZE, ADDRESS, ADDRESS, _INT),
    'rbd_aio_write2': (ADDRESS, U64, SIZE, ADDRESS, ADDRESS, _INT),
    'rbd_aio_write_zeroes': (ADDRESS, U64, SIZE, ADDRESS, _INT, _INT),
}
_RBD_WITHOUT_ANSWER = {
    'rbd_image_options_create': (_OUT,),
    'rbd_image_options_destroy': (ADDRESS,),
    'rbd_aio_release': (ADDRESS,),
}


@functools.cache
def librados():
    """Return librados; raises ConfigError if it is missing."""
    library = _loaded('librados.so.2', 'librados2')
    _declare(library, _RADOS, _INT)
    _declare(library, _RADOS_WITHOUT_ANSWER, None)
    _declare(library, {'rados_create_read_op': (),
                       'rados_create_write_op': ()}, ADDRESS)
    return library


@functools.cache
def librbd():
    """Return librbd; raises ConfigError if it is missing."""
    library = _loaded('librbd.so.1', 'librbd1')
    _declare(library, _RBD, _INT)
    _declare(library, _RBD_WITHOUT_ANSWER, None)
    _declare(library, {'rbd_get_data_pool_id': (ADDRESS,),
                       'rbd_aio_get_return_value': (ADDRESS,)}, _I64)
    return library


@functools.cache
def libxxhash():
    """Return libxxhash; raises ConfigError if it is missing."""
    library = _loaded('libxxhash.so.0', 'libxxhash0')
    _declare(library, {'XXH64': (ADDRESS, SIZE, U64)}, U64)
    return library


def _loaded(name, package):
    try:
        return ctypes.CDLL(name)
    except OSError as exc:
        raise exceptions.ConfigError(
            name, str(exc), f'Install {package}, or what has this file in '
            'your distribution') from exc


def _declare(library, functions, answer):
    for name, arguments in functions.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = answer
