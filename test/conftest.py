"""conftest.py - what the integration tests are given. Everything lives in a directory of the test's own;
when a test fails, every log in it is shown."""

import contextlib
import os
import ssl
import subprocess

import pytest

from lib import backends
from lib.doctor import Ports
from lib.nginx import Nginx
from lib.openmeetings_script import Openmeetings
from lib.programs import Program, run
from lib.proxy import TOP, Proxy
from lib.tomcat import Tomcat

TLS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(autouse=True)
def directory(request, tmp_path):
    """Where the logs of a failed test are looked for."""
    request.node.directory = tmp_path


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed and hasattr(item, "directory"):
        for file in sorted([*item.directory.glob("*.log"), *item.directory.glob("*.ini")]):
            report.sections.append((file.name, file.read_text(errors="replace")[-20000:]))


def pytest_collection_modifyitems(items):
    """The long ones first, so that no core is idle at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


class Certificates:
    """Chains `main` and `screen` under a root of their own."""

    def __init__(self, directory, *options):
        self.directory = directory
        self.root = directory / "ca/root.pem"
        names = ["--main", "main.test,*.main.test,localhost,127.0.0.1", "--screen", "screen.test,*.screen.test"]
        subprocess.run([TOP / "scripts/make-certificates", *options, *names, directory],
                       check=True, stdout=subprocess.DEVNULL)

    def sections(self):
        return {f"certificate {name}": {"chain": self.directory / name / "fullchain.pem",
                                        "key": self.directory / name / "privkey.pem"}
                for name in ("main", "screen")}

    def context(self, version=None):
        """A client's TLS context that trusts the root and nothing else, for one TLS version or all."""
        context = ssl.create_default_context(cafile=self.root)
        context.check_hostname = False
        if version:
            context.minimum_version = context.maximum_version = TLS[version]
        return context


@pytest.fixture(scope="session")
def make_certificates(tmp_path_factory):
    return lambda *options: Certificates(tmp_path_factory.mktemp("certificates"), *options)


@pytest.fixture(scope="session")
def certificates(make_certificates):
    return make_certificates()


@pytest.fixture(params=TLS)
def tls(request, certificates):
    """A client's TLS context; the test runs with each TLS version."""
    return certificates.context(request.param)


@pytest.fixture
def any_tls(certificates):
    """A client's TLS context, where the version makes no difference."""
    return certificates.context()


@pytest.fixture
def closing():
    """close() for everything entered, last first."""
    with contextlib.ExitStack() as stack:
        yield lambda thing: stack.enter_context(contextlib.closing(thing))


@pytest.fixture
def backend(closing):
    """A stand-in that the test plays itself."""
    return closing(backends.StandIn())


@pytest.fixture
def echo(closing):
    return closing(backends.Echo())


@pytest.fixture
def nginx(tmp_path, closing):
    return closing(Nginx(tmp_path))


@pytest.fixture(scope="session")
def one_tomcat(tmp_path_factory):
    with contextlib.closing(Tomcat(tmp_path_factory.mktemp("tomcat"))) as tomcat:
        yield tomcat


@pytest.fixture
def tomcat(one_tomcat, tmp_path):
    """A real Tomcat, the same for all tests: it remembers sessions alone."""
    (tmp_path / "tomcat.log").symlink_to(one_tomcat.log)
    return one_tomcat


@pytest.fixture
def start_proxy(tmp_path, certificates, closing):
    """Starts the proxy with one listener, `front`, of the given keys; or with `listeners`, each with its keys.
    `proxy` are keys of [proxy], `sections` further sections."""

    def start(*, proxy=None, sections=None, listeners=None, build="asan", descriptors=None, **keys):
        # LeakSanitizer cannot look into a process that changed its user
        user = {"user": "root"} if os.geteuid() == 0 and build == "asan" else {}
        ini = {"proxy": {"workers": 1, "stop_timeout": "5s", **user, **(proxy or {})},
               **certificates.sections(), **(sections or {})}
        for name, own in (listeners or {"front": keys}).items():
            ktls = {} if "redirect" in own else {"ktls": os.environ.get("KTLS")}
            ini[f"listener {name}"] = {"listen": "127.0.0.1:0", "certificates": "main screen", **ktls, **own}
        return closing(Proxy(tmp_path, ini, build, descriptors))

    return start


@pytest.fixture
def ports(closing):
    return closing(Ports())


@pytest.fixture
def usual_proxy(start_proxy, nginx, ports):
    """Starts a proxy in front of nginx, on ports that its proxy.ini names: `https` and `rtmps`, as OpenMeetings has
    them, each with keys of its own."""

    def start(https=None, rtmps=None, **keywords):
        both = {"http_backend": nginx.http_address, "rtmp_backend": nginx.rtmp_address}
        listeners = {"https": {"listen": f"127.0.0.1:{ports.take()}", "certificates": "main", **both, **(https or {})},
                     "rtmps": {"listen": f"127.0.0.1:{ports.take()}", **both, **(rtmps or {})}}
        return start_proxy(listeners=listeners, **keywords)

    return start


@pytest.fixture
def tunnel(start_proxy, backend):
    """A proxy that passes everything to `backend`, which the test plays."""
    return start_proxy(protocols="tunnel", tunnel_backend=backend.address)


@pytest.fixture
def openmeetings(tmp_path, certificates):
    """scripts/openmeetings, with a proxy.ini of the test's."""
    return Openmeetings(tmp_path, certificates)


@pytest.fixture
def start_program(tmp_path):
    """Starts a program beside the test; it ends with the test."""
    programs = []

    def start(name, *argv, **keywords):
        programs.append(Program(tmp_path / f"{name}.log", *argv, **keywords))
        return programs[-1]

    yield start
    for program in programs:
        program.end()


@pytest.fixture
def run_program(tmp_path):
    """Runs a program to its successful end and gives what it printed."""
    return lambda name, *argv, **keywords: run(tmp_path / f"{name}.log", *argv, **keywords)
