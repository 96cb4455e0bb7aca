"""A reverse proxy for Elasticsearch and OpenSearch: TLS, basic authentication, and only what reads gets through.

The plain servers have neither users nor TLS. To the agent this looks like a secured cluster with a monitoring role.
"""

import argparse
import base64
import hmac
import http.client
import json
import re
import ssl
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INDEX = r"/[^/_][^/]*"  # a name or a pattern; what begins with _ is a command
READABLE = [
    re.compile(pattern + r"\Z")
    for pattern in (
        r"/",
        r"/_(cluster|nodes|cat|stats|snapshot|slm|ilm|tasks|recovery|segments|shard_stores|settings|mapping|alias"
        r"|aliases|template|index_template|component_template|data_stream|ingest|license|xpack|remote|plugins"
        r"|resolve|dangling)(/.*)?",
        r"/_health_report",
        rf"(/_all|{INDEX})/_(stats|settings|mapping|recovery|segments|shard_stores|alias|ilm/explain)(/.*)?",
        INDEX,
    )
]
PASSED_ON = ("accept", "accept-encoding", "user-agent", "x-opaque-id")
PASSED_BACK = ("content-type", "content-encoding", "warning", "x-elastic-product", "x-opaque-id")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    timeout = 120
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body in one packet
    upstream = None

    def setup(self):
        # The handshake belongs into this connection's thread: in the accepting one a silent client would block all.
        self.request.settimeout(10)
        try:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        except OSError:
            raise ConnectionAbortedError("no TLS handshake") from None
        super().setup()

    def finish(self):
        if self.upstream:
            self.upstream.close()
        super().finish()
        try:
            self.connection.settimeout(1)
            self.connection.unwrap()  # says goodbye in TLS: without it a strict client suspects a cut connection
        except (OSError, ValueError):
            pass
        self.connection.close()

    def do_GET(self):
        if self.headers.get("Content-Length", "0") != "0" or self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # its body was not read
            return self.refuse(403, "no request body through this proxy")
        if not self.known_user():
            return self.refuse(401, "missing or wrong credentials", [("WWW-Authenticate", 'Basic realm="security"')])
        path = urllib.parse.unquote(self.path.split("?", 1)[0])
        if ".." in path or "//" in path or "\\" in path or not any(p.match(path) for p in READABLE):
            return self.refuse(403, f"action [{self.command} {path}] is unauthorized for this user")
        self.pass_on()

    do_HEAD = do_GET

    def do_other(self):
        self.close_connection = True
        if not self.known_user():
            return self.refuse(401, "missing or wrong credentials", [("WWW-Authenticate", 'Basic realm="security"')])
        self.refuse(403, f"action [{self.command} {self.path}] is unauthorized for this user")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_other

    def known_user(self):
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            given = base64.b64decode(value.strip(), validate=True)
        except ValueError:
            return False
        return any(hmac.compare_digest(given, user) for user in self.server.users)

    def pass_on(self):
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        for last in (False, True):
            # An idle connection may have been closed by the server, so a reused one gets a second try on a new one.
            fresh = self.upstream is None
            try:
                if fresh:
                    self.upstream = http.client.HTTPConnection(*self.server.backend, timeout=self.timeout)
                self.upstream.request(self.command, self.path, headers=headers)
                answer = self.upstream.getresponse()
                body = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                self.upstream.close()
                self.upstream = None
                if fresh or last:
                    return self.refuse(502, f"the server behind the proxy does not answer: {error}")
        back = [(name, answer.headers[name]) for name in PASSED_BACK if name in answer.headers]
        length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else len(body)
        self.answer(answer.status, back + [("Content-Length", str(length))], body)

    def refuse(self, status, reason, headers=()):
        kind = {401: "security_exception", 403: "security_exception"}.get(status, "proxy_exception")
        error = {"type": kind, "reason": reason}
        body = json.dumps({"error": {"root_cause": [error], **error}, "status": status}).encode()
        fixed = [("Content-Type", "application/json; charset=UTF-8"), ("Content-Length", str(len(body)))]
        self.answer(status, [*headers, *fixed], body)

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self):
        return "test-proxy"

    def log_message(self, *args):
        pass  # one line per request would fill the disk during a long run


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # clients that go away are everyday life
            super().handle_error(request, client_address)


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("listen", "backend", "cert", "key", "users"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    server = Server(address(options.listen), Handler)
    server.backend = address(options.backend)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.minimum_version = ssl.TLSVersion.TLSv1_2
    server.tls.load_cert_chain(options.cert, options.key)
    with open(options.users, "rb") as file:
        server.users = [line.strip() for line in file if line.strip()]
    threading.current_thread().name = "accept"
    server.serve_forever()


if __name__ == "__main__":
    main()
