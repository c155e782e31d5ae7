import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, folder, start, startBound, startSpare } from "./runner.js";

const LAMBDA = { signature: "lambda", memory_mib: 256, timeout_ms: 5_000 };

/**
 * @param {import("node:test").TestContext} t
 * @param {string} handler
 * @param {object} [request]
 */
function bound(t, handler, request = {}) {
  return startBound(t, `exports.f = ${handler}`, { ...LAMBDA, ...request });
}

/** @param {import("./runner.js").Runner} runner */
async function errorOf(runner) {
  const events = await runner.events();
  return events.find(({ t }) => t === "error");
}

test("an export handler is Lambda's by its name, called like its file where it is alone", async () => {
  const files = {
    "functions/users.js": "exports.handler = async (event) => event",
    "functions/page.js": "exports.handler = (req, res) => res.send('x')",
    "functions/ping/index.mjs": "export const handler = async () => 'pong'",
  };
  const { modules } = await describe(folder(files), ...Object.keys(files));
  const found = modules.flatMap((/** @type {any} */ { functions }) => functions.map((/** @type {any} */ one) => [one.name, one.signature]));
  assert.deepEqual(found, [["users", "lambda"], ["page", "http"], ["ping", "lambda"]]);
  const alone = await describe(folder({ "list.js": "exports.handler = async (event, context) => 1" }), "list.js");
  assert.deepEqual(alone.modules[0].functions.map((/** @type {any} */ { name }) => name), ["list"]);
  const beside = await describe(folder({ "index.js": "exports.handler = async (event) => 1; exports.other = (q, s) => s.end()" }));
  assert.deepEqual(beside.modules[0].functions.map((/** @type {any} */ { name }) => name), ["handler", "other"]);
});

test("a streaming handler and one whose config says so are Lambda's under any name", async () => {
  const { modules } = await describe(folder({
    "index.js": `exports.flow = awslambda.streamifyResponse(async (event, stream) => stream.end());
      exports.said = Object.assign(async (event, context) => 1, { config: { signature: "lambda" } });`,
  }));
  assert.deepEqual(modules[0].functions.map((/** @type {any} */ { name, signature }) => [name, signature]), [["flow", "lambda"], ["said", "lambda"]]);
});

test("the only Lambda handler of a project gets every path", async (t) => {
  const runner = await start(t, { "index.js": "exports.handler = async (event) => event.rawPath" });
  assert.equal((await runner.call("/users/7")).text, "/users/7");
});

test("the context tells the function, the request and the time that is left", async (t) => {
  const runner = await bound(t, `async (event, context) => ({ ...context, left: context.getRemainingTimeInMillis() })`);
  const { json } = await runner.call("/f", { headers: { "x-fnlocal-request-id": "r1" } });
  assert.ok(json.left > 0 && json.left <= 5_000, json.left);
  assert.match(json.logStreamName, /^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
  delete json.left;
  delete json.logStreamName;
  assert.deepEqual(json, {
    callbackWaitsForEmptyEventLoop: true,
    functionName: "f",
    functionVersion: "$LATEST",
    invokedFunctionArn: "arn:aws:lambda:us-east-1:123456789012:function:f",
    memoryLimitInMB: "256",
    awsRequestId: "r1",
    logGroupName: "/aws/lambda/f",
  });
});

test("Lambda's variables are there while code is imported, and a function's own ones stay", async (t) => {
  const source = `const region = process.env.AWS_REGION; exports.handler = async () => ({ region, ...process.env })`;
  const runner = await startSpare(t, { "index.js": source });
  const { status } = await runner.assign({ function: "shop", package_name: "shop", env: { AWS_REGION: "eu-west-1" }, memory_mib: 1024 });
  assert.equal(status, 200);
  const { json } = await runner.call("/");
  assert.deepEqual(
    [json.region, json.AWS_DEFAULT_REGION, json.AWS_LAMBDA_FUNCTION_NAME, json.AWS_LAMBDA_FUNCTION_MEMORY_SIZE, json.AWS_LAMBDA_FUNCTION_VERSION, json._HANDLER],
    ["eu-west-1", "eu-west-1", "shop", "1024", "$LATEST", "index.handler"],
  );
  assert.equal(json.LAMBDA_TASK_ROOT, runner.code);
});

test("a function of another signature has none of Lambda's variables", async (t) => {
  const runner = await startBound(t, "exports.f = (q, s) => s.json(Object.keys(process.env).filter((key) => /^(AWS|LAMBDA|_HANDLER)/.test(key)))");
  assert.deepEqual((await runner.call("/f")).json, []);
});

const WAYS = {
  "a promise": "async (event) => ({ got: event.rawPath })",
  "the callback": "(event, context, callback) => { setTimeout(() => callback(null, { got: event.rawPath }), 5) }",
  "the callback at once": "(event, context, callback) => callback(null, { got: event.rawPath })",
  "the callback of an async function": "async (event, context, callback) => ({ got: event.rawPath })",
  "context.succeed": "(event, context) => { context.succeed({ got: event.rawPath }) }",
  "context.done": "(event, context) => { context.done(null, { got: event.rawPath }) }",
};

for (const [way, handler] of Object.entries(WAYS)) {
  test(`a handler answers by ${way}`, async (t) => {
    const runner = await bound(t, handler);
    const { status, headers, json } = await runner.call("/f");
    assert.deepEqual([status, headers["content-type"], json], [200, "application/json", { got: "/f" }]);
  });
}

const FAILURES = {
  "a throw": "async () => { throw new TypeError('no') }",
  "an error of the callback": "(event, context, callback) => callback(new TypeError('no'))",
  "context.fail": "(event, context) => context.fail(new TypeError('no'))",
  "a result that is no promise": "() => ({ statusCode: 200 })",
  "a status that is none": "async () => ({ statusCode: 99 })",
  "a status that is a word": "async () => ({ statusCode: 'ok' })",
  "a body that is an object": "async () => ({ statusCode: 200, body: {} })",
  "a header that is a list": "async () => ({ statusCode: 200, headers: { a: ['b'] } })",
  "a header with a line break": "async () => ({ statusCode: 200, headers: { a: 'b\\r\\nc: d' } })",
  "cookies that are no list": "async () => ({ statusCode: 200, cookies: 'a=b' })",
  "multi-value headers without lists": "async () => ({ statusCode: 200, multiValueHeaders: { a: 'b' } })",
  "a flag that is a text": "async () => ({ statusCode: 200, isBase64Encoded: 'yes' })",
  "a result that is no JSON": "async () => 1n",
};

for (const [what, handler] of Object.entries(FAILURES)) {
  test(`${what} is answered 502 as API Gateway has it, with the reason in the log alone`, async (t) => {
    const runner = await bound(t, handler);
    const { status, headers, text } = await runner.call("/f", { headers: { "x-fnlocal-request-id": "r1" } });
    assert.deepEqual([status, headers["content-type"], text], [502, "application/json", '{"message":"Internal Server Error"}']);
    const { request, error, fatal } = await errorOf(runner);
    assert.deepEqual([request, fatal], ["r1", false]);
    assert.match(error.message, /^no$|result|handler/);
    assert.equal((await runner.call("/f")).status, 502, "the instance lives on");
  });
}

test("a callback's answer waits for an empty event loop, unless the context says otherwise", async (t) => {
  const handler = `(event, context, callback) => {
    const waits = event.rawQueryString === "wait";
    context.callbackWaitsForEmptyEventLoop = waits;
    setTimeout(() => { globalThis.worked = true }, 300);
    callback(null, { worked: globalThis.worked === true });
  }`;
  const quick = await bound(t, handler);
  assert.deepEqual((await quick.call("/f")).json, { worked: false });
  const order = await bound(t, `(event, context, callback) => {
    const result = { worked: false };
    setTimeout(() => { result.worked = true }, 100);
    callback(null, result);
  }`);
  assert.deepEqual((await order.call("/f")).json, { worked: true });
});

test("a handler that calls nothing back is answered null once nothing is left to do", async (t) => {
  const runner = await bound(t, "(event, context, callback) => { setTimeout(() => {}, 10) }");
  assert.equal((await runner.call("/f")).text, "null");
});

test("a handler that takes too long is answered 504 with the reason", async (t) => {
  const runner = await bound(t, "() => new Promise(() => {})", { timeout_ms: 100 });
  const { status, json } = await runner.call("/f");
  assert.deepEqual([status, json.reason], [504, "timeout"]);
});

test("a body of bytes goes in and out as base64", async (t) => {
  const runner = await bound(t, "async ({ body, isBase64Encoded, headers }) => ({ statusCode: 201, headers: { 'content-type': 'image/x', 'x-was': String(isBase64Encoded) }, body, isBase64Encoded })");
  const bytes = Buffer.from([0, 255, 128, 10]);
  const answer = await runner.call("/f", { method: "POST", headers: { "content-type": "image/png" }, body: bytes });
  assert.deepEqual([answer.status, answer.headers["x-was"], answer.headers["content-type"]], [201, "true", "image/x"]);
  assert.deepEqual(answer.raw, bytes);
});

test("a body that is no JSON, although it says so, reaches the handler", async (t) => {
  const runner = await bound(t, "async ({ body }) => body");
  const { status, text } = await runner.call("/f", { method: "POST", headers: { "content-type": "application/json" }, body: "{oops" });
  assert.deepEqual([status, text], [200, "{oops"]);
});

test("cookies and headers of several values are answered as several", async (t) => {
  const runner = await bound(t, `async () => ({ statusCode: 200, cookies: ["a=1; Path=/", "b=2"], headers: { "x-one": 1, via: "no" }, multiValueHeaders: { Via: ["1.1 a", "1.1 b"] } })`);
  const { headers } = await runner.call("/f");
  assert.deepEqual(headers["set-cookie"], ["a=1; Path=/", "b=2"]);
  assert.deepEqual([headers["x-one"], headers.via], ["1", "1.1 a, 1.1 b"]);
});

test("format 1.0 is had by configuration, with its own fields and the same answers", async (t) => {
  const runner = await bound(t, "async (event) => ({ statusCode: 200, body: JSON.stringify(event) })", { lambda_event: "1.0" });
  const { json, headers } = await runner.call("/f/a%20b?x=1&x=2&y=", { headers: { cookie: "s=1; t=2" } });
  assert.equal(headers["content-type"], "application/json");
  assert.deepEqual(
    [json.version, json.path, json.httpMethod, json.body, json.pathParameters, json.stageVariables, json.isBase64Encoded],
    ["1.0", "/f/a b", "GET", null, null, null, false],
  );
  assert.deepEqual(json.queryStringParameters, { x: "2", y: "" });
  assert.deepEqual(json.multiValueQueryStringParameters, { x: ["1", "2"], y: [""] });
  assert.deepEqual([json.headers.cookie, json.multiValueHeaders.cookie], ["s=1; t=2", ["s=1; t=2"]]);
  assert.equal(json.requestContext.httpMethod, "GET");
  const bare = await bound(t, "async () => 'x'", { lambda_event: "1.0" });
  assert.equal((await bare.call("/f")).status, 502);
});

test("a route's parameters are the event's, decoded", async (t) => {
  const runner = await bound(t, "async (event) => event");
  const headers = { "x-fnlocal-route": "GET /users/{id}", "x-fnlocal-params": "id=a%2Fb" };
  const { json } = await runner.call("/users/a%2Fb", { headers });
  assert.deepEqual([json.routeKey, json.requestContext.routeKey, json.pathParameters], ["GET /users/{id}", "GET /users/{id}", { id: "a/b" }]);
  assert.deepEqual(Object.keys(json.headers).filter((name) => name.startsWith("x-fnlocal")), []);
});

test("a streaming handler answers piece by piece, with the head of its prelude", async (t) => {
  const runner = await startBound(t, `exports.f = awslambda.streamifyResponse(async (event, stream, context) => {
    const out = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-a": "b" }, cookies: ["c=d"] });
    out.write("one ");
    await new Promise((resolve) => setTimeout(resolve, 30));
    out.write(context.functionName);
    out.end();
  })`, LAMBDA);
  /** @type {string[]} */
  const pieces = [];
  const res = await new Promise((resolve, reject) => runner.open("/f", {}, resolve).on("error", reject).end());
  for await (const piece of res) pieces.push(String(piece));
  assert.deepEqual([res.statusCode, res.headers["x-a"], res.headers["set-cookie"], res.headers["content-type"]], [201, "b", ["c=d"], "application/octet-stream"]);
  assert.deepEqual(pieces, ["one ", "f"]);
});

test("a streaming handler that fails before its first byte is 502, and after it is cut", async (t) => {
  const runner = await startBound(t, `exports.f = awslambda.streamifyResponse(async (event, stream) => {
    if (event.rawQueryString) { stream.setContentType("text/plain"); stream.write("x"); await new Promise((done) => setTimeout(done, 20)); }
    throw new Error("no");
  })`, LAMBDA);
  assert.equal((await runner.call("/f")).status, 502);
  await assert.rejects(runner.call("/f?late"), /aborted|socket hang up|ECONNRESET/);
});

/** @type {Record<string, string>} */
const CE = { "ce-specversion": "1.0", "ce-id": "7", "ce-source": "/shop", "ce-type": "order.placed", "ce-time": "2026-01-02T03:04:05.678Z", "content-type": "application/json" };

/**
 * @param {import("./runner.js").Runner} runner
 * @param {Record<string, string>} headers
 * @param {string} body
 */
async function triggered(runner, headers, body) {
  const { status, json } = await runner.call("/f", { method: "POST", headers, body });
  assert.equal(status, 200);
  return json;
}

test("events of triggers have the shape of AWS's own events", async (t) => {
  const runner = await bound(t, "async (event) => event");
  const scheduled = await triggered(runner, { ...CE, "x-fnlocal-trigger": "schedule", "ce-id": "f@x" }, '{"due":"x"}');
  assert.deepEqual(scheduled, {
    version: "0", id: "f@x", "detail-type": "Scheduled Event", source: "aws.events", account: "123456789012",
    time: "2026-01-02T03:04:05Z", region: "us-east-1", resources: ["arn:aws:events:us-east-1:123456789012:rule/f"], detail: {},
  });
  const queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/packs";
  const { Records: [message] } = await triggered(runner, { ...CE, "x-fnlocal-trigger": "sqs", "x-fnlocal-attempt": "2", "ce-source": queue }, '{"a":1}');
  assert.deepEqual(
    [message.messageId, message.body, message.attributes.ApproximateReceiveCount, message.eventSource, message.eventSourceARN, message.awsRegion],
    ["7", '{"a":1}', "2", "aws:sqs", "arn:aws:sqs:eu-west-1:111122223333:packs", "eu-west-1"],
  );
  assert.equal(message.md5OfBody, "bb6cb5c68df4652941caf652a366f2d8");
  const record = { eventName: "ObjectCreated:Put", s3: { bucket: { name: "b" }, object: { key: "k", size: 1 } } };
  const { Records: [object] } = await triggered(runner, { ...CE, "x-fnlocal-trigger": "folder" }, JSON.stringify(record));
  assert.deepEqual([object.eventSource, object.eventName, object.s3.bucket.arn, object.s3.object], ["aws:s3", "ObjectCreated:Put", "arn:aws:s3:::b", { key: "k", size: 1 }]);
  const bus = await triggered(runner, { ...CE, "ce-subject": "o/1" }, '{"total":3}');
  assert.deepEqual([bus["detail-type"], bus.source, bus.resources, bus.detail], ["order.placed", "/shop", ["o/1"], { total: 3 }]);
  const structured = { specversion: "1.0", id: "8", source: "/s", type: "t", data: { b: 1 } };
  const whole = await triggered(runner, { "content-type": "application/cloudevents+json" }, JSON.stringify(structured));
  assert.deepEqual([whole.id, whole["detail-type"], whole.detail], ["8", "t", { b: 1 }]);
  assert.deepEqual(await triggered(runner, { "x-fnlocal-trigger": "async", "content-type": "application/json" }, '{"job":1}'), { job: 1 });
  assert.deepEqual(await triggered(runner, { "x-fnlocal-event": "lambda" }, '{"raw":[1]}'), { raw: [1] });
});

test("a failed run of a trigger tells Lambda's error, and a message among batchItemFailures has failed", async (t) => {
  const runner = await bound(t, "async (event) => { if (event.Records) return { batchItemFailures: [{ itemIdentifier: event.Records[0].messageId }] }; throw new RangeError('no') }");
  const failed = await runner.call("/f", { method: "POST", headers: { "x-fnlocal-trigger": "async" }, body: "{}" });
  assert.deepEqual([failed.status, failed.json.errorType, failed.json.errorMessage, failed.headers["x-amz-function-error"]], [500, "RangeError", "no", "Unhandled"]);
  const message = await runner.call("/f", { method: "POST", headers: { ...CE, "x-fnlocal-trigger": "sqs" }, body: "{}" });
  assert.equal(message.status, 500);
});

test("500 requests at once are each answered with their own event", async (t) => {
  const runner = await bound(t, `async (event, context) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
    return { n: event.queryStringParameters.n, id: context.awsRequestId, body: event.body };
  }`, { concurrency: 50, timeout_ms: 60_000 });
  const calls = Array.from({ length: 500 }, async (_, n) => {
    const headers = { "x-fnlocal-request-id": `r${n}`, "content-type": "text/plain" };
    const { status, json } = await runner.call(`/f?n=${n}`, { method: "POST", headers, body: `b${n}` });
    return [status, json.n, json.id, json.body];
  });
  const answers = await Promise.all(calls);
  assert.deepEqual(answers, answers.map((_, n) => [200, String(n), `r${n}`, `b${n}`]));
});
