"""browser.py - a real Chromium without a screen, which trusts one CA more than usual."""

import os
import subprocess

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from lib.waiting import until

HOST = "cam.main.test"  # no localhost: what comes from there is never called mixed content


class Browser:
    def __init__(self, directory, root):
        self.home = directory / "home"
        trusted = self.home / ".pki/nssdb"
        trusted.mkdir(parents=True)
        for arguments in (["-N", "--empty-password"], ["-A", "-n", "root", "-t", "C,,", "-i", root]):
            subprocess.run(["certutil", "-d", f"sql:{trusted}", *arguments], check=True, timeout=60)
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("headless=new", "disable-gpu", "disable-dev-shm-usage", "disable-background-networking",
                         f"user-data-dir={directory / 'profile'}", f"host-resolver-rules=MAP {HOST} 127.0.0.1"):
            options.add_argument(f"--{argument}")
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # its sandbox does not work for root
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(
            options=options, service=Service("/usr/bin/chromedriver", log_path=str(directory / "chromedriver.log"),
                                             env={**os.environ, "HOME": str(self.home)}))
        self.driver.set_page_load_timeout(30)

    def open(self, port, path):
        self.driver.get(f"https://{HOST}:{port}{path}")

    def type(self, element, text):
        self.driver.find_element(By.ID, element).send_keys(str(text))

    def click(self, element):
        self.driver.find_element(By.ID, element).click()

    def script(self, text):
        return self.driver.execute_script(text)

    def text(self, tag="body"):
        return self.driver.find_element(By.TAG_NAME, tag).text

    def wait_for_title(self, title):
        until(lambda: self.driver.title == title, f"a page called {title!r}; it is {self.driver.title!r}")

    def wait_for_text(self, text):
        until(lambda: text in self.text(), f"{text!r} on the page")

    def complaints(self):
        """What it found worth a warning: mixed content, blocked and missing resources."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] in ("WARNING", "SEVERE")]

    def close(self):
        self.driver.quit()
