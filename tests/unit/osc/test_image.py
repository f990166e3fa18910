# SPDX-License-Identifier: Apache-2.0
"""Images and stores: the matrix, copies, and what a policy says."""

import io
import re
import time

import fixtures
import rich.progress

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import progress_text
from dcn_plugins.osc import copy_view
from dcn_plugins.osc import image
from dcn_plugins.osc import image_copy
from dcn_plugins.placement import image_import
from dcn_plugins.placement import job as steps
from tests.unit.osc import pane_case

POLICY = '''
version: 1
central: [central]
residency:
  - name: project stays
    projects: [bound]
    stores: [central, dcn0]
default:
  stores: [central, dcn0]
  may_ask: all
'''


class ImageTest(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        for name in ('central', 'dcn0', 'dcn1'):
            self.cloud.add_site(name)
        self.cloud.stores.append({'id': 'web', 'read-only': 'true'})

    def policy(self):
        path = self.useFixture(fixtures.TempDir()).join('policy.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(POLICY)
        self.settings.update(policy_file=path,
                             jobs_url=f'dcn-etcd3+http://{self.etcd}')

    def test_the_matrix(self):
        self.policy()
        one = self.cloud.add_image('b', ['central'])
        self.cloud.add_image('a', ['central', 'dcn0'])
        row, other = self.table(image.ListImages)
        self.assertEqual(
            {'ID': row['ID'], 'Name': 'a', 'central': 'present',
             'dcn0': 'present', 'dcn1': 'absent'}, row)
        self.assertEqual('lacking', other['dcn0'])
        now = time.time()
        self.client().jobs.register(steps.Job(one['id'], 'dcn0', now, now))
        row, = self.table(image.ListImages, '--unsettled')
        self.assertEqual(('b', 'waiting'), (row['Name'], row['dcn0']))
        row = self.table(image.ListImages, '--site', 'dcn1')[0]
        self.assertEqual({'ID', 'Name', 'dcn1'}, set(row))

    def test_without_policy_and_jobs(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.cloud.add_image('a', ['central'])
        row, = self.table(image.ListImages)
        self.assertEqual(('present', 'absent'), (row['central'], row['dcn0']))
        self.assertIn('What is wanted is not known. Set policy_file',
                      log.output)
        self.assertIn('What is on its way is not known', log.output)

    def test_an_etcd_that_is_away(self):
        self.policy()
        self.settings['jobs_url'] = 'dcn-etcd3+http://127.0.0.1:1'
        log = self.useFixture(fixtures.FakeLogger())
        self.cloud.add_image('a', ['central'])
        row, = self.table(image.ListImages)
        self.assertEqual('lacking', row['dcn0'])
        self.assertIn('What is on its way is not known', log.output)

    def test_one_image(self):
        self.policy()
        made = self.cloud.add_image('a', ['central'], owner='bound')
        now = time.time()
        self.client().jobs.register(steps.Job(
            made['id'], 'dcn0', now - 90, now, reason='no route', tries=3,
            deadline=now - 5))
        rows = {row['Store']: row for row in self.table(
            image.ShowImage, 'a')}
        told = rows['dcn0']
        self.assertEqual(('waiting', 'wanted', 3, True, 'no route'), (
            told['State'], told['Verdict'], told['Tries'], told['Is late'],
            told['Reason']))
        self.assertEqual(('absent', 'forbidden', 'project stays'), (
            rows['dcn1']['State'], rows['dcn1']['Verdict'],
            rows['dcn1']['Rule']))

    def test_two_of_one_name(self):
        ids = [self.cloud.add_image('a', ['central'])['id'] for _ in (1, 2)]
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   image.ShowImage, 'a')
        self.assertIn(', '.join(ids), str(caught))
        self.assertEqual(3, len(self.table(image.ShowImage, ids[0])))

    def test_the_policy_is_explained(self):
        self.cloud.add_image('a', ['central'], owner='bound',
                             dcn_sites='dcn1,nowhere')
        caught = self.assertRaises(exceptions.ConfigError, self.table,
                                   image.ExplainPolicy, 'a')
        self.assertIn('Set policy_file below "dcn"', str(caught))
        self.policy()
        log = self.useFixture(fixtures.FakeLogger())
        rows = {row['Store']: row for row in self.table(
            image.ExplainPolicy, 'a')}
        self.assertEqual({'central', 'dcn0', 'dcn1'}, set(rows))
        self.assertEqual(('forbidden', 5), (rows['dcn1']['Verdict'],
                                            rows['dcn1']['Line']))
        self.assertIn("'nowhere' has no effect", log.output)

    def test_a_copy_that_a_residency_forbids(self):
        self.policy()
        self.cloud.add_image('a', ['central'], owner='bound')
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   image.CopyImage, 'a', '--store', 'dcn1')
        self.assertIn("the residency 'project stays'", str(caught))
        self.assertIn('Allowed are central, dcn0', str(caught))
        self.assertEqual([], self.asked())

    def asked(self):
        return [body['stores'] for method, path, body in self.cloud.requests
                if path.endswith('/import')]

    def test_only_what_is_lacking_is_copied(self):
        self.cloud.add_image('a', ['central'])
        words = ('a', '--site', 'dcn0', '--store', 'central')
        self.assertEqual({'central': 'present', 'dcn0': 'requested'}, {
            row['Store']: row['State'] for row in self.table(
                image.CopyImage, *words)})
        self.table(image.CopyImage, *words)
        self.assertEqual([['dcn0']], self.asked())

    def test_no_target(self):
        self.cloud.add_image('a', ['central'])
        caught = self.assertRaises(exceptions.ConfigError, self.table,
                                   image.CopyImage, 'a')
        self.assertIn('Name --store or --site', str(caught))

    def test_glance_refuses(self):
        self.cloud.add_image('a', ['central'])
        self.cloud.failures = {'/import': 409}
        caught = self.assertRaises(exceptions.ServiceError, self.table,
                                   image.CopyImage, 'a', '--store', 'dcn0')
        self.assertIn('See what else happens to it', str(caught))


class Story:
    """A Glance that tells one state of an image after the other."""

    def __init__(self, *states, refused=(), messages=()):
        self.states = list(states)
        self.messages = list(messages)
        self.refused = list(refused)
        self.asked = []

    def copy_image(self, image_id, stores, seconds):
        self.asked.append(stores)
        status = self.refused.pop(0) if self.refused else None
        if status:
            raise exceptions.ServiceError('Glance', 'x', 'y', status)

    def image_tasks(self, image_id, seconds):
        message = self.messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return [{'id': 'old', 'message': 'dcn0 9% 1/9 MiB 1 MB/s'},
                {'id': 'task', 'message': message}]

    def get_image(self, image_id, seconds):
        found = self.states.pop(0) if len(self.states) > 1 else (
            self.states[0])
        if isinstance(found, Exception):
            raise found
        task = found[3:] or ('task' if found[1] else '',)
        return dict(zip(('stores', image_import.IMPORTING, image_import.FAILED,
                         image_import.TASK, 'status'),
                        (*found[:3], *task, 'active')))


class Waiting(image_copy.ImageCopy):
    """One that is waited for alone; its error is raised."""

    def wait(self, seconds, say):
        error, = image_copy.wait([self], seconds, copy_view.Lines(say, {}),
                                 self.clock, self.sleep)
        if error:
            raise error


class WaitCase(pane_case.PaneCase):

    def copy(self, story, before=('central', '', ''), is_patient=False):
        self.now = 0.0
        self.said = []

        def sleep(seconds):
            self.now += seconds

        made = Waiting(story, 'i', ('dcn0', 'dcn1'), 1, lambda: self.now)
        made.clock = lambda: self.now
        made.sleep = sleep
        made.request(Story(before).get_image('i', 1), is_patient)
        return made


class WaitTest(WaitCase):

    def test_progress(self):
        made = self.copy(Story(
            ('central', 'dcn0,dcn1', ''), ('central,dcn0', 'dcn1', ''),
            ('central,dcn0,dcn1', '', '')))
        made.wait(60, self.said.append)
        self.assertEqual([
            'dcn0: copying (0 of 2 stores have it)',
            'dcn1: copying (0 of 2 stores have it)',
            'dcn0: present (1 of 2 stores have it)',
            'dcn1: present (2 of 2 stores have it)'], self.said)

    def test_one_fails(self):
        made = self.copy(Story(('central', 'dcn0,dcn1', ''),
                               ('central,dcn0', '', 'dcn1')))
        caught = self.assertRaises(exceptions.NotDone, made.wait, 60,
                                   self.said.append)
        self.assertIn('to dcn1 has failed', str(caught))

    def test_an_older_failure_is_none_of_ours(self):
        made = self.copy(Story(
            ('central', '', 'dcn1'), ('central', 'dcn0,dcn1', ''),
            ('central,dcn0,dcn1', '', '')), ('central', '', 'dcn1'))
        made.wait(60, self.said.append)
        self.assertEqual([('dcn0', 'present'), ('dcn1', 'present')],
                         made.result())

    def test_the_time_is_over(self):
        made = self.copy(Story(('central', 'dcn0', '')))
        caught = self.assertRaises(exceptions.NotDone, made.wait, 10,
                                   self.said.append)
        self.assertIn('is not in dcn0, dcn1 after 10 s', str(caught))
        self.assertEqual(10, self.now)

    def test_glance_is_away_for_a_while(self):
        away = exceptions.ServiceError('Glance', 'it is away', 'Wait')
        made = self.copy(Story(away, ('central,dcn0,dcn1', '', '')))
        made.wait(60, self.said.append)
        self.assertEqual('Glance: it is away. Wait', self.said[0])

    def test_the_image_is_deleted(self):
        made = self.copy(Story(exceptions.ServiceError('Glance', 'x', 'y',
                                                       404)))
        caught = self.assertRaises(exceptions.NotDone, made.wait, 60,
                                   self.said.append)
        self.assertIn('was deleted', str(caught))

    def test_glance_does_something_else_first(self):
        story = Story(('central', 'other', ''), ('central', '', ''),
                      ('central', 'dcn0,dcn1', ''),
                      ('central,dcn0,dcn1', '', ''), refused=(409, 409))
        made = self.copy(story, is_patient=True)
        made.wait(60, self.said.append)
        self.assertEqual([('dcn0', 'dcn1')] * 3, story.asked)
        self.assertEqual('Glance does something else with the image first',
                         self.said[0])
        self.assertEqual(1, sum('something else' in line
                                for line in self.said))

    def test_what_is_copied_already_is_not_asked_for(self):
        """A command that was killed has asked for a part of it."""
        story = Story(('central', 'dcn0', ''), ('central,dcn0', '', ''),
                      ('central,dcn0', 'dcn1', ''),
                      ('central,dcn0,dcn1', '', ''), refused=(409, 409))
        made = self.copy(story, is_patient=True)
        made.wait(60, self.said.append)
        self.assertEqual([('dcn0', 'dcn1'), ('dcn1',), ('dcn1',)],
                         story.asked)

    def test_a_copy_of_another_that_went_away(self):
        """Its task has ended without a word, and it holds the image."""
        story = Story(('central', 'dcn0,dcn1', ''), ('central', '', ''),
                      ('central,dcn0,dcn1', '', ''), refused=(409,))
        made = self.copy(story, is_patient=True)
        made.wait(60, self.said.append)
        self.assertEqual([('dcn0', 'dcn1')] * 2, story.asked)

    def test_a_copy_of_another_that_fails(self):
        story = Story(('central', 'dcn0,dcn1', ''),
                      ('central,dcn0', '', 'dcn1'),
                      ('central,dcn0', 'dcn1', ''),
                      ('central,dcn0', '', 'dcn1'), refused=(409,))
        made = self.copy(story, is_patient=True)
        caught = self.assertRaises(exceptions.NotDone, made.wait, 60,
                                   self.said.append)
        self.assertIn('to dcn1 has failed', str(caught))
        self.assertEqual([('dcn0', 'dcn1'), ('dcn1',)], story.asked)

    def test_glance_never_gets_to_it(self):
        made = self.copy(Story(('central', '', ''), refused=(409,) * 99),
                         is_patient=True)
        caught = self.assertRaises(exceptions.NotDone, made.wait, 10,
                                   self.said.append)
        self.assertIn('Glance has refused it all the time (Glance: x. y)',
                      str(caught))

    def test_the_copy_of_another_is_late(self):
        made = self.copy(Story(('central', 'dcn0,dcn1', ''), refused=(409,)),
                         is_patient=True)
        caught = self.assertRaises(exceptions.NotDone, made.wait, 10,
                                   self.said.append)
        self.assertIn('Glance goes on', str(caught))

    def test_a_refusal_for_another_reason(self):
        """No task has the image: it would be refused for ever."""
        made = self.copy(Story(('central', '', ''), refused=(409,) * 999),
                         is_patient=True)
        caught = self.assertRaises(exceptions.ServiceError, made.wait, 3600,
                                   self.said.append)
        self.assertEqual(409, caught.status)
        self.assertAlmostEqual(120, self.now, delta=5)

    def test_a_failure_that_nobody_saw_begin(self):
        """It fails again before anybody looks: nothing has changed."""
        made = self.copy(Story(('central', '', 'dcn0,dcn1')),
                         ('central', '', 'dcn0,dcn1'))
        caught = self.assertRaises(exceptions.NotDone, made.wait, 3600,
                                   self.said.append)
        self.assertIn('to dcn0, dcn1 has failed', str(caught))
        self.assertAlmostEqual(120, self.now, delta=5)

    def test_a_task_that_takes_long_to_begin(self):
        made = self.copy(Story(*[('central', '', '', 'task')] * 200,
                               ('central,dcn0,dcn1', '', '')))
        made.wait(3600, self.said.append)
        self.assertEqual(400, self.now)

    def test_it_refuses_later(self):
        made = self.copy(Story(('central', '', ''), refused=(409, 500, 403)),
                         is_patient=True)
        caught = self.assertRaises(exceptions.ServiceError, made.wait, 10,
                                   self.said.append)
        self.assertEqual(403, caught.status)
        self.assertEqual('Glance: x. y', self.said[1])

    def test_an_image_that_is_not_active_is_not_waited_for(self):
        story = Story(refused=(409,))
        made = image_copy.ImageCopy(story, 'i', ('dcn0',), 1)
        caught = self.assertRaises(
            exceptions.ServiceError, made.request,
            {'stores': 'central', 'status': 'deactivated'}, is_patient=True)
        self.assertEqual(409, caught.status)

    def test_there_is_no_time_and_nothing_to_wait_for(self):
        made = self.copy(Story(), ('central,dcn0,dcn1', '', ''))
        made.wait(0, self.said.append)

    def test_each_thing_is_said_once(self):
        away = exceptions.ServiceError('Glance', 'away', 'Wait', 503)
        made = self.copy(Story(('central', '', ''), away,
                               *[('central', '', ''), away] * 5,
                               ('central,dcn0,dcn1', '', ''),
                               refused=(409,) * 99), is_patient=True)
        made.wait(60, self.said.append)
        self.assertEqual(1, sum('away' in line for line in self.said))

    def test_many_take_no_longer_than_one_may(self):
        class Slow(Story):
            def get_image(story, image_id, seconds):
                self.now += 20
                return super().get_image(image_id, seconds)

        copies = [self.copy(Slow(('central', 'dcn0,dcn1', '')))
                  for _number in range(100)]
        told = image_copy.wait(copies, 60, copy_view.Lines(
            self.said.append, {}), copies[0].clock, copies[0].sleep)
        self.assertEqual(100, len(told))
        self.assertLessEqual(self.now, 80)

    def test_one_that_fails_spares_the_others(self):
        bad = self.copy(Story(('central', '', 'dcn0,dcn1')))
        gone = self.copy(Story(exceptions.ServiceError('Glance', 'x', 'y',
                                                       404)))
        slow = self.copy(Story(('central', 'dcn0,dcn1', '')))
        good = self.copy(Story(*[('central', 'dcn0,dcn1', '')] * 3,
                               ('central,dcn0,dcn1', '', '')))
        told = image_copy.wait([bad, gone, slow, good], 20,
                               copy_view.Lines(self.said.append, {}),
                               slow.clock, slow.sleep)
        self.assertEqual(['has failed', 'was deleted', 'after 20 s'], [
            next(word for word in ('has failed', 'was deleted', 'after 20 s')
                 if word in str(error)) for error in told[:3]])
        self.assertIsNone(told[3])


class Terminal(io.StringIO):

    def isatty(self):
        return True


class Moves(copy_view.Lines):
    """Notes what bars would show."""

    has_bars = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.moves = []

    def move(self, image_id, store, progress):
        self.moves.append((store, progress.step, progress.done_bytes >> 20))


class BarsTest(WaitCase):
    """Copies that are waited for at a terminal."""

    def shown(self, story, names=None, columns='80', term='xterm'):
        made = self.copy(story)
        terminal = Terminal()
        self.useFixture(fixtures.EnvironmentVariable('COLUMNS', columns))
        self.useFixture(fixtures.EnvironmentVariable('TERM', term))
        with copy_view.opened(self.fail, names or {}, terminal) as view:
            self.assertTrue(view.has_bars)
            self.errors = image_copy.wait([made], 60, view, made.clock,
                                          made.sleep)
        return re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', terminal.getvalue())

    def test_a_bar_for_each_store(self):
        text = self.shown(Story(
            ('central', 'dcn0,dcn1', ''), ('central', 'dcn0,dcn1', ''),
            ('central,dcn0', '', 'dcn1'), messages=(
                'dcn_plugins: dcn0 plan; dcn1 verify',
                'dcn_plugins: dcn0 50% 512/1024 MiB 118 MB/s ETA 4s; '
                'dcn1 waits')), {})
        # The last of all pictures has what has become of them.
        last = text.rstrip().splitlines()[-2:]
        self.assertEqual([True, True], [
            last[0].rstrip().endswith('present'),
            last[1].rstrip().endswith('failed')], last)
        self.assertIn('to dcn1 has failed', str(self.errors[0]))

    def test_what_glance_tells_meanwhile(self):
        made = self.copy(Story(
            *[('central', 'dcn0,dcn1', '')] * 2, ('central,dcn0', 'dcn1', ''),
            ('central,dcn0,dcn1', '', ''), messages=(
                'dcn_plugins: dcn0 plan; dcn1 verify',
                'dcn_plugins: dcn0 50% 512/1024 MiB 118 MB/s ETA 4s; '
                'dcn1 waits', 'dcn0 1% 10/1024 MiB 1 MB/s')))
        view = Moves(self.said.append, {})
        image_copy.wait([made], 60, view, made.clock, made.sleep)
        self.assertEqual(
            [('dcn0', 'plan', 0), ('dcn1', 'verify', 0),
             ('dcn0', 'pump', 512), ('dcn1', 'waits', 0)], view.moves)

    def test_what_it_shows_while_it_moves(self):
        bars = rich.progress.Progress()
        view = copy_view.Bars(bars, {})
        view.change('i', 'dcn0', 'copying', '0 of 1')
        view.move('i', 'dcn0', progress_text.progress_of(
            'dcn0 52% 540/1024 MiB 118 MB/s ETA 4s')['dcn0'])
        task, = bars.tasks
        self.assertEqual(
            ('dcn0', 540 << 20, 1024 << 20,
             '52% 540/1024 MiB 118 MB/s ETA 4s'),
            (task.description, task.completed, task.total,
             task.fields['told']))
        view.change('i', 'dcn0', 'present', '1 of 1')
        self.assertTrue(task.finished)

    def test_glance_that_does_not_tell_how_far_it_is(self):
        self.shown(Story(
            ('central', 'dcn0,dcn1', ''), ('central', 'dcn0,dcn1', ''),
            ('central,dcn0,dcn1', '', ''), messages=(
                exceptions.ServiceError('Glance', 'x', 'y', 403),
                'Copied 15 MiB')))
        self.assertEqual([None], self.errors)

    def test_it_fits_into_80_columns(self):
        terminal = Terminal()
        self.useFixture(fixtures.EnvironmentVariable('COLUMNS', '80'))
        self.useFixture(fixtures.EnvironmentVariable('TERM', 'xterm'))
        image_id = '97252ae2-4292-4dc1-bc91-92e88995e929'
        with copy_view.opened(self.fail, {image_id: f'image {image_id}: '},
                              terminal) as view:
            view.change(image_id, 'central', 'copying', '0 of 1')
            view.move(image_id, 'central', progress_text.progress_of(
                'central 52% 54010/102400 MiB 118 MB/s ETA 440s')['central'])
        text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', terminal.getvalue())
        self.assertRegex(text, '97252ae2 central [━╸╺ ]{20} 52% '
                               '54010/102400 MiB 118 MB/s ETA 430s')

    def test_a_dumb_terminal(self):
        self.useFixture(fixtures.EnvironmentVariable('TERM', 'dumb'))
        with copy_view.opened(self.fail, {}, Terminal()) as view:
            self.assertFalse(view.has_bars)

    def test_no_terminal_and_no_rich(self):
        with copy_view.opened(self.fail, {}, io.StringIO()) as view:
            self.assertFalse(view.has_bars)
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.osc.copy_view.rich_console', None))
        with copy_view.opened(self.fail, {}, Terminal()) as view:
            self.assertFalse(view.has_bars)
