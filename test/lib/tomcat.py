"""tomcat.py - a real Tomcat with a web application of ours (test/webapp)."""

import pathlib
import subprocess

from lib.programs import Program
from lib.waiting import PATIENCE, until

SOURCES = pathlib.Path(__file__).parents[1] / "webapp"
JARS = "annotations-api api catalina coyote el-api jaspic-api jni juli servlet-api util util-scan websocket" \
       " websocket-api websocket-client-api"


class Tomcat:
    def __init__(self, directory):
        jars = ":".join(f"/usr/share/java/tomcat10-{jar}.jar" for jar in JARS.split())
        subprocess.run(["javac", "-nowarn", "-d", directory, "-cp", jars, *SOURCES.glob("*.java")],
                       check=True, timeout=60, capture_output=True)
        self.log = directory / "tomcat.log"
        self.program = Program(self.log, "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                               "-cp", f"{directory}:{jars}", "Webapp", "127.0.0.1", directory, SOURCES / "pages",
                               stdin=subprocess.PIPE)
        self.address = f"127.0.0.1:{until(self.port, 'Tomcat')}"

    def port(self):
        assert self.program.process.poll() is None, self.log.read_text()
        _, found, port = self.log.read_text().partition("listening on port ")
        return found and port.endswith("\n") and port.split()[0] or None

    def close(self):
        self.program.process.stdin.close()
        try:
            self.program.process.wait(PATIENCE)
        finally:
            self.program.end()
