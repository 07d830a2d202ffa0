"""maven.py - jars of Maven Central, which mvn fetches once into build/red5."""

import fcntl
import pathlib
import re
import shutil
import subprocess

TOP = pathlib.Path(__file__).parents[2]
LISTS = TOP / "test/red5/jars"
FETCHED = TOP / "build/red5"

# This version takes an artifact without reading its pom; those of Red5 name repositories that are long gone.
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8"

POM = """<project>
<modelVersion>4.0.0</modelVersion>
<groupId>test</groupId> <artifactId>{name}</artifactId> <version>1</version> <packaging>pom</packaging>
<build><plugins><plugin>
<groupId>{group}</groupId> <artifactId>{artifact}</artifactId> <version>{version}</version>
<configuration><artifactItems>
{items}
</artifactItems></configuration>
</plugin></plugins></build>
</project>
"""

ITEM = "<artifactItem> <groupId>{}</groupId> <artifactId>{}</artifactId> <version>{}</version>" \
       " <outputDirectory>{}</outputDirectory> </artifactItem>"

NO_WAY = re.compile(r"Unknown host|Connect(ion)? to|Connection (refused|timed out|reset)|unreachable|No route to host"
                    r"|Temporary failure|Read timed out")


class Unreachable(Exception):
    """Maven Central does not answer."""


def fetch(name):
    """The directory with the jars of the list test/red5/jars/NAME."""
    wanted, directory = (LISTS / name).read_text(), FETCHED / name
    FETCHED.mkdir(parents=True, exist_ok=True)
    with (FETCHED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        have = directory / "have"
        if not have.exists() or have.read_text() != wanted:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            run_mvn(name, wanted, directory)
            have.write_text(wanted)
    return directory


def run_mvn(name, wanted, directory):
    """`wanted` has lines of a directory and group:artifact:version."""
    rows = [line.split() for line in wanted.splitlines() if not line.startswith("#")]
    items = [ITEM.format(*coordinates.split(":"), directory / place) for place, coordinates in rows]
    group, artifact, version = PLUGIN.split(":")
    pom = directory / "pom.xml"
    pom.write_text(POM.format(name=name, group=group, artifact=artifact, version=version, items="\n".join(items)))
    try:
        done = subprocess.run(["mvn", "-B", "-q", "-U", "-Dstyle.color=never", "-f", pom, f"{PLUGIN}:copy"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=300)
    except subprocess.TimeoutExpired:
        raise Unreachable("mvn was not done within five minutes") from None
    reason = next((line for line in done.stdout.splitlines() if NO_WAY.search(line)), None)
    if done.returncode and reason:
        raise Unreachable(reason)
    assert done.returncode == 0, done.stdout
