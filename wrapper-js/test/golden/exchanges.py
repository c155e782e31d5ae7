#!/usr/bin/env python3
"""Writes exchanges.json: requests with the events that an HTTP API of API Gateway makes of them (payload
format 2.0), and results of handlers with the answers that it makes of those.

The rules are those of AWS's "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway", and two that
the document leaves open and that others have measured on AWS: rawPath is percent-decoded, and a body is text only
for text/*, application/json, application/xml and application/javascript. None of it is made by the wrapper's code.
"""
import base64, json, pathlib, urllib.parse

TEXT = {"application/json", "application/xml", "application/javascript"}
BASE = {"host": "shop.example.com", "user-agent": "golden/1", "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}
exchanges = []


def event_of(method, target, headers, body, route):
    path, _, query = target.partition("?")
    named, cookies = {}, []
    for name, value in headers:
        if name.lower() == "cookie":
            cookies += [one for one in value.split("; ") if one]
        else:
            name = name.lower()
            named[name] = f"{named[name]},{value}" if name in named else value
    media = named.get("content-type", "").split(";")[0].strip().lower()
    text = (media.startswith("text/") or media in TEXT) and "content-encoding" not in named
    params = {}
    for key, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        params[key] = f"{params[key]},{value}" if key in params else value
    path = urllib.parse.unquote(path)
    key = route[0] if route else "$default"
    event = {"version": "2.0", "routeKey": key, "rawPath": path, "rawQueryString": query}
    if cookies:
        event["cookies"] = cookies
    event["headers"] = dict(sorted(named.items()))
    if params:
        event["queryStringParameters"] = params
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": named["x-forwarded-for"].split(",")[-1].strip(), "userAgent": named.get("user-agent", "")}
    host = named["host"].split(":")[0]
    event["requestContext"] = {"accountId": "123456789012", "apiId": "API", "domainName": host, "domainPrefix": host.split(".")[0], "http": http, "requestId": "ID", "routeKey": key, "stage": "$default", "time": "TIME", "timeEpoch": 0}
    if body:
        event["body"] = body.decode() if text else base64.b64encode(body).decode()
    if route and route[1]:
        event["pathParameters"] = {name: urllib.parse.unquote(value) for name, value in route[1].items()}
    event["isBase64Encoded"] = bool(body) and not text
    return event


def ask(name, method="GET", target="/", headers=(), body=b"", route=None):
    own = {key.lower() for key, _ in headers}
    sent = [(key, value) for key, value in BASE.items() if key not in own] + list(headers)
    if body or method in ("POST", "PUT", "PATCH"):
        sent.append(("content-length", str(len(body))))
    request = {"method": method, "target": target, "headers": sent, "body64": base64.b64encode(body).decode()}
    if route:
        request["route"] = route
    exchanges.append({"name": name, "request": request, "event": event_of(method, target, sent, body, route)})


def answer(name, result, status, headers, body=b"", method="GET"):
    response = {"status": status, "headers": headers, "body64": base64.b64encode(body).decode()}
    request = {"method": method, "target": "/", "headers": list(BASE.items()), "body64": ""}
    exchanges.append({"name": name, "request": request, "result": result, "response": response})


for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]:
    if method != "HEAD":
        ask(f"the method {method}", method, "/users/7")
for target in ["/", "/users", "/users/", "/a/b/c/d", "/a%20b", "/caf%C3%A9", "/%E6%97%A5%E6%9C%AC", "/a%2Fb", "/a+b", "/a%2Bb", "/a;b=1", "/a,b", "/a:b@c", "/~x/_y/-z", "/a.b.c", "/%7Ehome", "/a//b", "/(x)", "/a!$&'*", "/100%25"]:
    ask(f"the path {target}", "GET", target)
for query in ["a=1", "a=1&b=2", "a=1&a=2", "a=1&b=2&a=3", "a=", "a", "a&b", "a=1&a=&a=3", "a=b%20c", "a=b+c", "a=b%2Bc", "a=%26%3D", "a%5B%5D=1&a%5B%5D=2", "a[b]=1", "a=1,2", "a=1,2&a=3", "q=caf%C3%A9", "q=%E6%97%A5", "a=b=c", "a=/x/y", "a=?b", "A=1&a=2", "_=1", "a.b=1", "a=%7B%22x%22%3A1%7D", "from=2026-01-01T00:00:00Z", "a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8", "a=" + "x" * 1000, "a=%0A", "a=1&a=1"]:
    ask(f"the query {query[:40]}", "GET", f"/search?{query}")
for name, headers in {
    "one header": [("x-a", "1")], "a header in capitals": [("X-Upper-Case", "Value")], "a header twice": [("x-a", "1"), ("x-a", "2")],
    "a header three times": [("x-a", "1"), ("x-a", "2"), ("x-a", "3")], "headers twice in turn": [("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("x-b", "4")],
    "a list in a header": [("accept", "text/html, application/json;q=0.9")], "accept twice": [("accept", "text/html"), ("accept", "*/*")],
    "authorization": [("authorization", "Bearer a.b.c")], "an empty header": [("x-empty", "")], "a referer": [("referer", "https://example.com/?a=b")],
    "a trace header": [("x-amzn-trace-id", "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e")], "an origin": [("origin", "https://app.example.com")],
    "several proxies": [("x-forwarded-for", "10.0.0.1, 198.51.100.2")], "another agent": [("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")],
    "a host with a port": [("host", "api.example.org:8443")], "a host of one label": [("host", "localhost")], "quotes": [("if-none-match", '"abc", W/"def"')],
    "a header with a comma and a date": [("if-modified-since", "Mon, 02 Mar 2026 10:00:00 GMT")], "a long header": [("x-long", "y" * 2000)], "a range": [("range", "bytes=0-99")],
}.items():
    ask(f"headers: {name}", "GET", "/h", headers)
for cookie in ["a=1", "a=1; b=2", "a=1; b=2; c=3", "a=b=c", "a=", "session=eyJhbGciOi.J9", "a=1; a=2", "x=%20", "theme=dark; lang=de-DE", "a=1,2"]:
    ask(f"the cookie {cookie}", "GET", "/c", [("cookie", cookie)])
ask("cookies beside another header twice", "GET", "/c", [("x-a", "1"), ("cookie", "a=1; b=2"), ("x-a", "2")])
BODIES = {"text": "plain text".encode(), "umlauts": "grün, 日本".encode(), "json": b'{"a":[1,2,{"b":null}]}', "bytes": bytes(range(256)), "one byte": b"\x00", "lines": b"a\r\nb\n"}
for media in ["text/plain", "text/plain; charset=utf-8", "text/html", "text/csv", "text/xml", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/xml", "application/javascript"]:
    for kind in ["text", "umlauts", "json", "lines"]:
        ask(f"a body of {media}: {kind}", "POST", "/b", [("content-type", media)], BODIES[kind])
for media in ["application/octet-stream", "image/png", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/pdf", "application/vnd.api+json", "application/problem+json", "application/ld+json", "audio/mpeg", "application/grpc", None]:
    for kind in ["bytes", "json", "one byte"]:
        ask(f"a body of {media}: {kind}", "POST", "/b", [("content-type", media)] if media else [], BODIES[kind])
ask("a compressed body of JSON", "POST", "/b", [("content-type", "application/json"), ("content-encoding", "gzip")], b"\x1f\x8b\x08\x00rest")
for media in ["text/plain", "application/json", "image/png"]:
    ask(f"no body of {media}", "POST", "/b", [("content-type", media)])
for key, target, params in [
    ("GET /users/{id}", "/users/7", {"id": "7"}), ("ANY /{proxy+}", "/a/b/c", {"proxy": "a/b/c"}), ("GET /users/{id}/posts/{post}", "/users/7/posts/9", {"id": "7", "post": "9"}),
    ("GET /files/{name}", "/files/a%20b", {"name": "a%20b"}), ("GET /files/{name}", "/files/a%2Fb", {"name": "a%2Fb"}), ("GET /users", "/users", {}), ("GET /lots/{lot-id}", "/lots/x-1", {"lot-id": "x-1"}),
    ("GET /cities/{name}", "/cities/K%C3%B6ln", {"name": "K%C3%B6ln"}), ("GET /sum/{a}", "/sum/1%2B2", {"a": "1%2B2"}), ("GET /and/{a}", "/and/x&y", {"a": "x%26y"}),
]:
    ask(f"the route {key} at {target}", "GET", target, route=[key, params])

JSON, PLAIN = {"content-type": "application/json"}, {"content-type": "text/plain;charset=UTF-8"}
for value in ["Hello from Lambda!", "", '{"a":1}', "grün", {"message": "Hello"}, {}, {"a": [1, {"b": None}]}, {"body": "x"}, {"headers": {"a": "b"}}, [], [1, 2], [{"statusCode": 201}], 7, 0, -1.5, True, False, None]:
    body = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    answer(f"the result {json.dumps(value)[:40]}", value, 200, JSON, body.encode())
for status in [200, 201, 202, 206, 301, 302, 307, 400, 401, 403, 404, 409, 410, 418, 422, 429, 500, 501, 502, 503, 504, 599]:
    answer(f"the status {status}", {"statusCode": status, "body": "x"}, status, PLAIN, b"x")
answer("the status 204", {"statusCode": 204}, 204, {})
answer("the status 304", {"statusCode": 304, "headers": {"etag": '"1"'}}, 304, {"etag": '"1"'})
answer("a status as a text", {"statusCode": "201", "body": "x"}, 201, PLAIN, b"x")
answer("no body", {"statusCode": 200}, 200, PLAIN)
answer("a body that is null", {"statusCode": 200, "body": None}, 200, PLAIN)
answer("a media type", {"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>"}, 200, {"content-type": "text/html"}, b"<p>")
answer("a redirect", {"statusCode": 302, "headers": {"Location": "https://example.com/"}}, 302, {"location": "https://example.com/", **PLAIN})
answer("a header that is a number", {"statusCode": 200, "headers": {"x-n": 7}, "body": ""}, 200, {"x-n": "7", **PLAIN})
answer("a header that is true", {"statusCode": 200, "headers": {"x-b": True}, "body": ""}, 200, {"x-b": "true", **PLAIN})
answer("a header that is null", {"statusCode": 200, "headers": {"x-none": None}, "body": ""}, 200, PLAIN)
answer("one cookie", {"statusCode": 200, "cookies": ["a=1; HttpOnly"], "body": ""}, 200, {"set-cookie": ["a=1; HttpOnly"], **PLAIN})
answer("two cookies", {"statusCode": 200, "cookies": ["a=1", "b=2; Path=/"], "body": ""}, 200, {"set-cookie": ["a=1", "b=2; Path=/"], **PLAIN})
answer("no cookies", {"statusCode": 200, "cookies": [], "body": ""}, 200, PLAIN)
answer("headers of several values", {"statusCode": 200, "multiValueHeaders": {"x-m": ["1", "2"]}, "body": ""}, 200, {"x-m": "1, 2", **PLAIN})
answer("a header in both forms", {"statusCode": 200, "headers": {"x-m": "no"}, "multiValueHeaders": {"x-m": ["1"]}, "body": ""}, 200, {"x-m": "1", **PLAIN})
answer("a length of the function's own", {"statusCode": 200, "headers": {"Content-Length": "99"}, "body": "four"}, 200, PLAIN, b"four")
for kind, raw in BODIES.items():
    answer(f"a body in base64: {kind}", {"statusCode": 200, "headers": {"content-type": "image/png"}, "isBase64Encoded": True, "body": base64.b64encode(raw).decode()}, 200, {"content-type": "image/png"}, raw)
answer("base64 that is not said", {"statusCode": 200, "isBase64Encoded": False, "body": "aGk="}, 200, PLAIN, b"aGk=")
answer("the answer to HEAD", {"statusCode": 200, "body": "four"}, 200, PLAIN, b"", "HEAD")
answer("unknown keys", {"statusCode": 200, "body": "x", "other": 1}, 200, PLAIN, b"x")
for name, result in {
    "a status of 0": {"statusCode": 0}, "a status of 600": {"statusCode": 600}, "a status of 200.5": {"statusCode": 200.5}, "a status that is a word": {"statusCode": "ok"},
    "a status that is null": {"statusCode": None}, "a status that is a list": {"statusCode": [200]}, "a body that is an object": {"statusCode": 200, "body": {"a": 1}},
    "a body that is a number": {"statusCode": 200, "body": 7}, "a body that is a list": {"statusCode": 200, "body": ["x"]}, "a body that is true": {"statusCode": 200, "body": True},
    "headers that are a list": {"statusCode": 200, "headers": ["a"]}, "headers that are a text": {"statusCode": 200, "headers": "a: b"}, "a header that is an object": {"statusCode": 200, "headers": {"a": {}}},
    "a header that is a list": {"statusCode": 200, "headers": {"a": ["b"]}}, "a header's name with a space": {"statusCode": 200, "headers": {"a b": "c"}}, "a header with a line break": {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
    "cookies that are a text": {"statusCode": 200, "cookies": "a=1"}, "a cookie that is an object": {"statusCode": 200, "cookies": [{}]}, "multi-value headers that are no lists": {"statusCode": 200, "multiValueHeaders": {"a": "b"}},
    "a flag that is a text": {"statusCode": 200, "isBase64Encoded": "true", "body": "aGk="},
}.items():
    answer(f"wrong: {name}", result, 502, JSON, b'{"message":"Internal Server Error"}')

lines = ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in exchanges)
pathlib.Path(__file__).with_name("exchanges.json").write_text(f"[\n{lines}\n]\n")
print(len(exchanges))
