"""A minimal wrapper: see instance-protocol.md.

Put in the place of `node`, it serves `hello` under `fnlocal dev --runtime process`. A real wrapper also
imports the given entries, bounds its texts, and ties output to requests.
"""

import contextlib, hmac, http.server, json, os, queue, signal, socket, sys, threading, time

token = sys.stdin.buffer.readline().strip().decode()    # the first line of stdin
reports, attached, running = queue.Queue(20_000), threading.Event(), set()
handlers = {"hello": lambda body: b"hello " + body}     # a real wrapper imports the entries

class Connection(http.server.BaseHTTPRequestHandler):
    protocol_version, handler, log_message = "HTTP/1.1", None, lambda *_: None

    def answer(self, status, body=b"{}"):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if "transfer-encoding" not in self.headers:
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size + 2)[:-2])
        while self.rfile.readline() != b"\r\n":         # trailers
            pass
        return b"".join(chunks)

    def serve(self):
        body, (path, _, query) = self.body(), self.path.partition("?")
        if not path.startswith("/_fnlocal/"):
            self.invoke(body)
        elif not hmac.compare_digest(self.headers.get("x-fnlocal-token", ""), token):
            self.answer(404)
        elif path == "/_fnlocal/health":
            self.answer(200)
        elif path == "/_fnlocal/events" and not attached.is_set():
            self.report()
        elif path == "/_fnlocal/assign":
            attached.wait()                             # no user code runs before
            self.answer(200, json.dumps(assign(json.loads(body))).encode())
        elif path == "/_fnlocal/idle":
            while query.removeprefix("request=") in running:
                time.sleep(0.01)
            self.answer(200)
        else:
            self.answer(404)

    do_GET = do_POST = do_PUT = do_DELETE = serve

    def report(self):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        attached.set()
        while line := json.dumps(reports.get()).encode() + b"\n":
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def invoke(self, body):
        request, began, cpu = self.headers["x-fnlocal-request-id"], time.monotonic(), time.thread_time()
        running.add(request)
        try:
            status, result = 200, Connection.handler(body)
        except Exception as error:
            status, result = 500, b""
            failure = {"name": type(error).__name__, "message": str(error)}
            reports.put({"t": "error", "request": request, "error": failure})
        with contextlib.suppress(OSError):              # the client may have left
            self.answer(status, result)
        running.discard(request)
        ms, cpu_ms = (time.monotonic() - began) * 1e3, (time.thread_time() - cpu) * 1e3
        reports.put({"t": "done", "request": request, "ms": ms, "cpu_ms": cpu_ms})

def assign(given):
    os.environ.update(given["env"])
    os.chdir(given["code"])
    functions, name = [{"name": name} for name in handlers], given["function"]
    modules = [{"entry": entry, "functions": []} for entry in given["entries"]]
    modules[0]["functions"] = functions
    Connection.handler = handlers.get(name)
    if name is not None and name not in handlers:
        return {"error": {"name": "FunctionNotFound", "message": f"no function {name}"}}
    return {"modules": modules}

def dial():
    while True:                                         # each connection is served to its end
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(os.environ["FNLOCAL_DIAL"])
            with contextlib.suppress(OSError):
                Connection(connection, "platform", None)

def drain():
    while running:
        time.sleep(0.01)
    os._exit(0)

signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=drain).start())
for _ in range(8):                                      # enough for a concurrency of 4
    threading.Thread(target=dial, daemon=True).start()
sys.stdin.buffer.read()                                 # ends when the platform does
os._exit(0)
