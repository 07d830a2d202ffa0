"""red5.py - a real Red5, put together from jars of Maven Central and our configuration (test/red5)."""

import os
import pathlib
import random
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

from lib import maven
from lib.programs import Program
from lib.waiting import until

SOURCES = pathlib.Path(__file__).parents[1] / "red5"
LINES = ["1.1.1", "1.3.17"]
HOST = "127.0.0.1"
START = 60  # seconds; it takes three or four


def free_ports(count):
    """Ports that nobody listens on, below those that the kernel gives to clients: no connection takes them meanwhile."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    sockets = []
    while len(sockets) < count:
        try:
            sockets.append(socket.create_server((HOST, random.randrange(10000, max(lowest, 20000)))))
        except OSError:
            pass  # taken
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


class Red5:
    """Its Tomcat at `http_address` has RTMPT at its root and the application /live; `rtmp_address` has the same for
    RTMP. Nothing of it speaks TLS. `prepare` is called with it before it starts."""

    def __init__(self, directory, line, prepare=None):
        jars = maven.fetch(line)
        self.log = directory / "red5.log"
        http, rtmp = free_ports(2)
        self.http_address, self.rtmp_address = f"{HOST}:{http}", f"{HOST}:{rtmp}"
        lay_out(directory, jars, http, rtmp)
        if prepare:
            prepare(self)
        service, = jars.glob("red5-service-*.jar")
        self.program = Program(
            self.log, "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dred5.root={directory}", f"-Dcatalina.home={directory}", "-cp", f"{service}:{directory}/conf",
            "org.red5.server.Bootstrap")
        until(self.is_ready, f"Red5 {line}", START)

    def is_ready(self):
        assert self.program.process.poll() is None, f"Red5 ended: {self.log.read_text()[-4000:]}"
        try:
            self.players()
            host, _, port = self.rtmp_address.partition(":")
            socket.create_connection((host, int(port))).close()
        except (OSError, urllib.error.HTTPError):
            return False
        return True

    def players(self):
        """The streams that are published and under way, and how many play each."""
        with urllib.request.urlopen(f"http://{self.http_address}/live/pages/streams", timeout=15) as page:
            return {name: int(count) for name, count in map(str.split, page.read().decode().splitlines())}

    def wait_for_stream(self, name):
        until(lambda: name in self.players(), f"the stream {name} at Red5")

    def wait_for_players(self, name, count):
        until(lambda: self.players().get(name) == count, f"{count} players of {name} at Red5")

    def close(self):
        self.program.end()


def lay_out(directory, jars, http, rtmp):
    """Red5's own tree: red5-server.jar, lib, plugins, conf, webapps."""
    for tree in ("conf", "webapps"):
        shutil.copytree(SOURCES / tree, directory / tree)
    server, = jars.glob("red5-server-*.jar")
    (directory / "red5-server.jar").symlink_to(server)
    for tree in ("lib", "plugins"):
        shutil.copytree(jars / tree, directory / tree, copy_function=os.symlink)
    properties = directory / "conf/red5.properties"
    text = properties.read_text()
    for name, value in {"host": HOST, "http_port": http, "rtmp_port": rtmp}.items():
        text = text.replace(f"@{name}@", str(value))
    properties.write_text(text)
    subprocess.run(["javac", "-nowarn", "--release", "8", "-d", directory / "webapps/live/WEB-INF/classes",
                    "-cp", f"{server}:{jars}/lib/*:{jars}/plugins/*", *(SOURCES / "application").glob("*.java")],
                   check=True, timeout=60, capture_output=True)
