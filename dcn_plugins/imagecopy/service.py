# SPDX-License-Identifier: Apache-2.0
"""Copy one image from one Ceph cluster to several others."""


def copy(request, on_result, on_progress=None, check=None):
    """Copy an image to all targets of a request; return their results.

    A target that fails or is slow neither ends nor slows the others. It
    blocks, in a native thread or not, and may be called by several at once.

    :param request: :class:`~dcn_plugins.imagecopy.request.CopyRequest`.
    :param on_result: called with a
        :class:`~dcn_plugins.imagecopy.request.Result` as soon as a target is
        whole, verified and readable, or has failed: the caller registers it
        at once. If it raises, the image is removed from that target again.
    :param on_progress: called about once a second with a
        :class:`~dcn_plugins.imagecopy.request.Progress` of a target.
    :param check: called about once a second; if it raises, all that has not
        ended is cancelled (what is partial stays, for a later copy), and its
        exception comes out of here.
    :returns: ``{store: Result}``.
    :raises CopyError: if there is nothing to copy from: no source answers, or
        none has the image.
    """
    raise NotImplementedError
