"""responder.py - an OCSP responder: openssl answers, from the index of an Authority, behind a small HTTP server."""

import http.server
import subprocess
import threading


class Responder:
    """At `url`; signs as `signer`, by default the issuer itself."""

    def __init__(self, authority, signer="intermediate", days=7):
        self.authority, self.signer, self.days = authority, signer, days
        responder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                request = self.rfile.read(int(self.headers["Content-Length"]))
                answer = responder.answer(request)
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request):
        directory = self.authority.directory
        (directory / "request.ocsp").write_bytes(request)
        self.authority.openssl("ocsp", "-index", "index.txt", "-CA", "intermediate.pem", "-rsigner",
                               f"{self.signer}.pem", "-rkey", f"{self.signer}.key", "-reqin", "request.ocsp",
                               "-ndays", str(self.days), "-respout", "response.ocsp")
        return (directory / "response.ocsp").read_bytes()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
