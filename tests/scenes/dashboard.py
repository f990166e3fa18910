# SPDX-License-Identifier: Apache-2.0
"""A dashboard as somebody sees it in Chromium.

With ``DCN_SCREENSHOTS``, the name of a directory, pictures are kept there.
"""

import os
import pathlib
import shutil
import tempfile

from selenium.common import exceptions as errors
from selenium import webdriver
from selenium.webdriver.chrome import service as chrome
from selenium.webdriver.common.by import By

from tests.lab import deadline

# Beside other tests each page takes a while; the first one makes the style
# sheets.
SECONDS = 60

_PASSING = (errors.StaleElementReferenceException,
            errors.NoSuchElementException,
            # Something is in front of it still.
            errors.ElementClickInterceptedException,
            errors.ElementNotInteractableException)


class Dashboard:
    """One window of a browser that is always of the same size.

    :param url: of the dashboard.
    :param told: gives what the dashboard has logged, for failures.
    """

    def __init__(self, url, told):
        self._url = url
        self._told = told
        self._profile = tempfile.mkdtemp(prefix='dcn-chromium-')
        options = webdriver.ChromeOptions()
        options.binary_location = '/usr/bin/chromium'
        for argument in (
                '--headless=new', '--window-size=1500,950',
                # Whoever runs the lab is root, in a network without names.
                '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu',
                '--no-proxy-server', '--disable-background-networking',
                f'--user-data-dir={self._profile}'):
            options.add_argument(argument)
        self.driver = webdriver.Chrome(
            options, chrome.Service('/usr/bin/chromedriver'))
        self.driver.set_page_load_timeout(SECONDS)

    def close(self):
        """End the browser."""
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)

    def log_in(self, name, password):
        """Log in, whoever is logged in now.

        :raises AssertionError: if that is not done in time.
        """
        self.driver.delete_all_cookies()
        self.open('/auth/login/')
        self.find('#id_username').send_keys(name)
        self.find('#id_password').send_keys(password)
        self.click('#loginBtn')
        self.wait(f'the login of {name}', lambda: (
            '/auth/login' not in self.driver.current_url))

    def open(self, path):
        """Load a page and wait until it is there."""
        self.driver.get(self._url + path)

    def find(self, selector, inside=None):
        """Wait for an element that can be seen; return it.

        :raises AssertionError: if there is none in time.
        """
        return self.wait(selector, lambda: self._seen(selector, inside))

    def click(self, selector, inside=None):
        """Click as soon as it is possible.

        :raises AssertionError: if it is not so in time.
        """
        def clicked():
            found = self._seen(selector, inside)
            if found is None:
                return False
            found.click()
            return True

        self.wait(f'a click on {selector}', clicked)

    def row(self, attribute, value):
        """Wait for the line of a table that belongs to something.

        :raises AssertionError: if there is none in time.
        """
        return self.wait(f'{attribute}={value}', lambda: next(
            (row for row in self.driver.find_elements(
                By.CSS_SELECTOR, f'tr[{attribute}]')
             if row.get_attribute(attribute) == value), None))

    def wait(self, what, condition, seconds=SECONDS):
        """Wait until a condition is true; return what it has returned.

        :raises AssertionError: with what the dashboard has logged.
        """
        try:
            return deadline.wait(what, condition, seconds, retry_on=_PASSING)
        except deadline.LabTimeout as exc:
            self.shot('failed')
            raise AssertionError(
                f'{exc} at {self.driver.current_url}\n{self._told()}'
            ) from None

    def shot(self, name):
        """Keep a picture of what is seen, if anybody wants it."""
        directory = os.environ.get('DCN_SCREENSHOTS')
        if directory:
            pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(f'{directory}/{name}.png')

    def _seen(self, selector, inside):
        found = (inside or self.driver).find_elements(By.CSS_SELECTOR,
                                                      selector)
        return next((one for one in found if one.is_displayed()), None)
