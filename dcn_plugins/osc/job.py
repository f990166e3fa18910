# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn job list|show|retry|cancel|pause|resume``."""

import time

from osc_lib.command import command

from dcn_plugins import exceptions
from dcn_plugins.osc import columns
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import named_image
from dcn_plugins.osc import site
from dcn_plugins.placement import job as steps

COPYING = 'copying'
_STATES = (COPYING, *(state.value for state in steps.State))
HEADINGS = ('Image', 'Store', 'State', 'Priority', 'Tries', 'Age',
            'Due in', 'Deadline', 'Reason')


class ListJobs(command.Lister):
    """List the copies that are still to be made, in the order of their turn.

    A copy that is done is in the list no more: "openstack dcn image show"
    shows it.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('--image', metavar='<image>',
                            help='Name or id: only jobs of this image')
        parser.add_argument('--store', action='append', metavar='<store>',
                            help='Only jobs to this store (may be repeated)')
        parser.add_argument('--state', action='append', choices=_STATES,
                            help='Only jobs in this state (may be repeated)')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        client = self.app.client_manager.dcn
        image_id = parsed_args.image and named_image.image_id(
            client.cloud, parsed_args.image, parsed_args.service_seconds)
        entries = asked(client.needed_jobs().entries, image_id)
        now = time.time()
        return HEADINGS, [
            _row(entry, now) for entry in entries
            if (not parsed_args.store or entry.job.store in parsed_args.store)
            and (not parsed_args.state or state_of(entry)
                 in parsed_args.state)]


class ShowJob(command.ShowOne):
    """Show one copy that is still to be made."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        _add_job(parser, None)
        return parser

    def take_action(self, parsed_args):
        client = self.app.client_manager.dcn
        image_id = named_image.image_id(client.cloud, parsed_args.image,
                                        parsed_args.service_seconds)
        for entry in asked(client.needed_jobs().entries, image_id):
            if entry.job.store == parsed_args.store:
                return tuple(zip(*_fields(entry, time.time())))
        raise _missing(image_id, parsed_args.store)


class _Step(command.Lister):
    """What changes jobs and shows what has become of them."""

    #: Name of a method of ``Jobs``, and the states that it leads to.
    step, leads_to = None, ()

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        _add_job(parser, '+')
        return parser

    def take_action(self, parsed_args):
        client = self.app.client_manager.dcn
        jobs = client.needed_jobs()
        image_id = named_image.image_id(client.cloud, parsed_args.image,
                                        parsed_args.service_seconds)
        found, failures = [], []
        for store in parsed_args.store:
            job = asked(getattr(jobs, self.step), image_id, store)
            if job is None:
                failures.append(_missing(image_id, store))
            elif job.state not in self.leads_to:
                failures.append(exceptions.NotDone(
                    f'the job of image {image_id} to {store} is '
                    f'{job.state.value}', _WAYS[job.state]))
            else:
                found.append((image_id, store, job.state.value))
        if failures:
            for image, store, state in found:
                self.log.warning('%s to %s: %s', image, store, state)
            raise exceptions.NotDone(
                '; '.join(failure.problem for failure in failures),
                failures[0].remedy)
        return ('Image', 'Store', 'State'), found


class RetryJob(_Step):
    """Begin jobs anew that have failed or were cancelled, and try now."""

    step, leads_to = 'redo', (steps.State.WAITING,)


class CancelJob(_Step):
    """Have jobs not done, although the image is wanted there.

    A copy that Glance has begun goes on. A job stays cancelled until it is
    retried or its image is no longer wanted.
    """

    step, leads_to = 'cancel', (steps.State.CANCELLED,)


class PauseJob(_Step):
    """Have jobs not begun until they are resumed."""

    step, leads_to = 'pause', (steps.State.PAUSED,)


class ResumeJob(_Step):
    """Let paused jobs go on."""

    step, leads_to = 'resume', (steps.State.WAITING,)


_WAYS = {
    steps.State.PAUSED: 'Let it go on with "openstack dcn job resume"',
    steps.State.WAITING: 'There is nothing to do',
    steps.State.FAILED: 'Begin it anew with "openstack dcn job retry"',
    steps.State.CANCELLED: 'Begin it anew with "openstack dcn job retry"'}


def state_of(entry):
    """Return the state of a job for people; with a claim it is under way."""
    return COPYING if entry.claim else entry.job.state.value


def _add_job(parser, count):
    parser.add_argument('image', metavar='<image>',
                        help='Name or id of an image')
    parser.add_argument('store', metavar='<store>', nargs=count,
                        help='Identifier of a Glance store')
    site.add_deadlines(parser)


def _row(entry, now):
    job = entry.job
    due = max(0.0, job.due_at - now) if (
        job.state is steps.State.WAITING and not entry.claim) else None
    return (job.image_id, job.store, state_of(entry), job.priority, job.tries,
            columns.AgeColumn(round(max(0.0, now - job.registered_at), 1)),
            columns.AgeColumn(due if due is None else round(due, 1)),
            _moment(job.deadline), job.reason)


def _fields(entry, now):
    job = entry.job
    yield from (('image', job.image_id), ('store', job.store),
                ('state', state_of(entry)))
    yield 'claimed_by', entry.claim.id if entry.claim else None
    for name in ('priority', 'tries', 'reason', 'is_asked'):
        yield name, getattr(job, name)
    for name in ('registered_at', 'due_at', 'deadline'):
        yield name, _moment(getattr(job, name))
    yield 'is_late', job.deadline is not None and job.deadline < now


def _moment(seconds):
    return None if seconds is None else facts.moment(seconds)


def _missing(image_id, store):
    return exceptions.NotDone(
        f'there is no job of image {image_id} to {store}',
        f'See "openstack dcn image show {image_id}": it may be there already')


def asked(call, *arguments):
    """Return what the etcd of the jobs says.

    :raises ServiceError: if it does not.
    """
    try:
        return call(*arguments)
    except exceptions.EtcdError as exc:
        raise exceptions.ServiceError(
            'the etcd of the jobs', str(exc),
            'See jobs_url, and whether a majority of its members runs'
        ) from exc
