#!NODE
// A wrapper that keeps to the protocol, except for the changes of a test. This file stands in the place
// of `node`.
const fs = require("fs"), http = require("http"), net = require("net");
if (process.argv.includes("-p")) {
  console.log(`${__filename}\n${process.version}`);
  process.exit(0);
}
const byte = Buffer.alloc(1);
while (fs.readSync(0, byte, 0, 1) === 1 && byte[0] !== 10);
const json = (res, status, text) => res.writeHead(status, { "content-type": "application/json" }).end(text);
const answers = {
  health: (req, res) => json(res, 200, "{}"),
  idle: (req, res) => json(res, 200, "{}"),
  events: (req, res) => {
    answers.channel = res;
    res.writeHead(200).flushHeaders();
  },
  assign: (req, res, { entries }) => {
    const modules = entries.map((entry) => ({ entry, functions: [{ name: "hello" }] }));
    json(res, 200, JSON.stringify({ modules }));
  },
  request: (req, res) => res.end("hello"),
};
CHANGE;
const server = http.createServer((req, res) => {
  const path = req.url.split("?")[0];
  if (!path.startsWith("/_fnlocal/")) return answers.request(req, res);
  let text = "";
  req.on("data", (part) => (text += part));
  req.on("end", () => answers[path.slice("/_fnlocal/".length)](req, res, text && JSON.parse(text)));
});
Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
const dial = () => {
  const socket = net.connect(process.env.FNLOCAL_DIAL, () => server.emit("connection", socket));
  socket.on("error", () => {}).on("close", () => setTimeout(dial, 5));
};
for (let count = 0; count < 16; count += 1) dial();
process.stdin.on("end", () => process.exit(0)).resume();
