"""nginx.py - a real HTTP and RTMP server."""

import os
import re
import signal
import subprocess
import urllib.request

from lib.backends import address_of, listening_socket
from lib.waiting import PATIENCE, until

CONFIGURATION = """
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log info;
events {{ worker_connections 1024; }}

rtmp {{
    access_log {directory}/nginx-rtmp.log;
    out_queue 4096;
    server {{
        {rtmp}
        application live {{ live on; publish_notify on; }}
    }}
}}

http {{
    access_log {directory}/nginx-http.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        {http}
        root {directory}/www;
        client_max_body_size 0;
        dav_methods PUT;
        location = /statistics {{ rtmp_stat all; }}
    }}
}}
"""


def listen(sockets):
    return " ".join(f"listen {address_of(sock)};" for sock in sockets)


class Nginx:
    """nginx with its RTMP module: `http_address` serves `directory`/www and takes PUTs, `rtmp_address` has an
    application `live`. Likewise all sockets that it is given."""

    def __init__(self, directory, http=None, rtmp=None):
        self.root = directory / "www"
        self.root.mkdir()
        self.root.chmod(0o777)
        # nginx takes over sockets named in $NGINX (its way to upgrade itself), so the kernel can choose the ports.
        http, rtmp = http or [listening_socket()], rtmp or [listening_socket()]
        sockets = [*http, *rtmp]
        self.http_address, self.rtmp_address = address_of(http[0]), address_of(rtmp[0])
        conf = directory / "nginx.conf"
        conf.write_text(CONFIGURATION.format(directory=directory, http=listen(http), rtmp=listen(rtmp),
                                             user="user root;" if os.geteuid() == 0 else ""))
        inherited = [sock.fileno() for sock in sockets]
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", directory, "-c", conf, "-e", directory / "nginx-error.log"],
            env={**os.environ, "NGINX": "".join(f"{fd};" for fd in inherited)}, pass_fds=inherited,
            stderr=(directory / "nginx.log").open("w"))
        for sock in sockets:
            sock.close()
        self.statistics()

    def statistics(self):
        with urllib.request.urlopen(f"http://{self.http_address}/statistics", timeout=PATIENCE) as answer:
            return answer.read().decode()

    def wait_for_players(self, stream, count):
        """RTMP clients may wait for a stream before it is published."""
        of_stream = re.compile(rf"<stream>\s*<name>{stream}</name>.*?</stream>", re.S)

        def players():
            found = of_stream.search(self.statistics())
            return found and found.group().count("<client>") == count

        until(players, f"{count} players of {stream} at nginx")

    def put_page(self, name, text):
        (self.root / name).write_text(text)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
