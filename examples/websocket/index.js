// A chat: every client of this instance hears what the others say. Try wscat -c localhost:9000/chat
const { WebSocketServer } = require("ws");

const rooms = new WebSocketServer({ noServer: true });

rooms.on("connection", (client) => {
  client.send("welcome");
  client.on("message", (data) => {
    console.log(`heard ${data}`);
    for (const other of rooms.clients) other.send(String(data));
  });
});

exports.chat = {
  func: (req, res) => res.json({ clients: rooms.clients.size }),
  upgrade: (req, socket, head) => rooms.handleUpgrade(req, socket, head, (client) => rooms.emit("connection", client)),
  // One instance holds up to fifty open connections.
  config: { concurrency: 50 },
};
