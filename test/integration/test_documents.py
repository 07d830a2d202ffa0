"""What the documents say is so: their examples work, and their lists are complete."""

import re
import shutil
import subprocess

import pytest

from lib.proxy import BINARIES, ENDS, TOP, parse_session

PAGES = [TOP / "README.md", TOP / "CHANGES.md", *sorted((TOP / "doc").rglob("*.md"))]
README = PAGES[0].read_text()
MAN_8 = (TOP / "doc/red5-tls-proxy.8").read_text()
MAN_5 = (TOP / "doc/proxy.ini.5").read_text()
SHIPPED = (TOP / "proxy.ini").read_text()


def blocks(text, language):
    """The fenced blocks of a Markdown text in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def uncommented(text):
    """The shipped proxy.ini with everything in it switched on, but the user and the files that may not exist here."""
    return re.sub(r"^;(?!user|group|ticket_keys|client_c|ocsp)(?=\[|\w+ *=)", "", text, flags=re.M)


def examples():
    yield "proxy.ini", SHIPPED
    yield "proxy.ini, all of it", uncommented(SHIPPED)
    for page in PAGES:
        for number, text in enumerate(blocks(page.read_text(), "ini"), 1):
            yield f"{page.name} {number}", text
    for number, text in enumerate(re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed$", MAN_5, re.M | re.S), 1):
        yield f"proxy.ini.5 {number}", text


EXAMPLES = dict(examples())


def lay_out(certificates, directory, text):
    """The files that an example names; an encrypted key and a keystore where it has these."""
    for name in ("main", "screen"):
        shutil.copytree(certificates.directory / name, directory / name)
    (directory / "config.xml").write_text("<config/>\n")
    for secret in ("main/privkey.pass", "screen.pass"):
        (directory / secret).touch(mode=0o600)
        (directory / secret).write_text("secret\n")
    if re.search("^key_password_file", text, re.M):
        subprocess.run(["openssl", "pkey", "-in", certificates.directory / "main/privkey.pem", "-aes256",
                        "-passout", "pass:secret", "-out", directory / "main/privkey.pem"], check=True)
    if re.search("^keystore", text, re.M):
        subprocess.run(["openssl", "pkcs12", "-export", "-name", "red5", "-in", directory / "screen/fullchain.pem",
                        "-inkey", directory / "screen/privkey.pem", "-passout", "pass:secret",
                        "-out", directory / "screen.p12"], check=True)


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_every_example_of_a_proxy_ini_is_a_good_one(certificates, tmp_path, text):
    lay_out(certificates, tmp_path, text)
    (tmp_path / "proxy.ini").write_text(text)
    done = subprocess.run([BINARIES["asan"], "-t", "-c", "proxy.ini"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^proxy\.ini:\d", done.stderr, re.M), "a warning at a line"


def options():
    """(section, key, default) of every row of the option table; the default may be None."""
    rows = re.findall(r'^    \{ "(\w+)", "(\w+)",(.*?)\},$', (TOP / "config/options.c").read_text(), re.M | re.S)
    assert len(rows) > 20
    for section, key, row in rows:
        fallback = re.search(r'\.fallback = "(.*?)"', row)
        yield section, key, fallback and fallback[1]


@pytest.mark.parametrize("section, key, fallback", options())
def test_every_key_is_in_the_man_page_and_in_the_shipped_file(section, key, fallback):
    """With its default."""
    chapter, = re.findall(rf"^\.Ss \[{section}\b.*?\]\n(.*?)(?=^\.S[sh] )", MAN_5, re.M | re.S)
    entry, = re.findall(rf"^\.It Ic {key}\n(.*?)(?=^\.It |^\.El)", chapter, re.M | re.S)
    assert re.search(rf"^;?{key} *=", SHIPPED, re.M)
    if fallback:
        assert re.search(rf"Default:\s(\.Cm )?{fallback}\b", entry)
        assert re.search(rf"^;{key} *= {fallback}\b", SHIPPED, re.M)


def test_the_man_page_has_no_key_that_does_not_exist():
    assert re.findall(r"^\.It Ic (\w+)$", MAN_5, re.M) == [key for _, key, _ in options()]


def test_every_end_reason_is_explained():
    """In the README and in the man page, in the order of the table."""
    words = re.findall(r'^END\(\w+, "(\w+)"', (TOP / "proxy/end.def").read_text(), re.M)
    assert set(words) == ENDS
    assert re.findall(r"^\| `(\w+)` \| [A-Z]", README, re.M) == words
    explained = " , ".join(re.findall(r"^\.It Cm (.*)$", MAN_8, re.M)).split(" , ")
    assert explained == words


def test_the_log_lines_shown_are_as_the_program_writes_them():
    lines = "".join(blocks(README, "log")).splitlines()
    assert len(lines) == 2
    assert [parse_session(line).end for line in lines] == ["client_closed", "connect_failed"]
    shown, = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", MAN_8, re.M | re.S)
    assert " ".join(shown.split()) == lines[0]


@pytest.mark.parametrize("script", sorted((TOP / "scripts").iterdir()), ids=lambda script: script.name)
def test_every_script_has_help(script):
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout.startswith("Usage: ")


def test_the_help_of_the_program_has_every_option_of_the_man_page():
    done = subprocess.run([BINARIES["plain"], "-h"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert all(f" -{option}" in done.stdout for option in re.findall(r"^\.It Fl (\w)", MAN_8, re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
