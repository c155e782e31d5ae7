/** Connections of clients to this server, as Node counts them among its active resources. */
export const ownConnections = { kind: "TCPSocketWrap", open: 0 };

/**
 * Counts the connections that come in. Those that a {@link import("./dial.js").Dialer} makes it
 * counts itself: they are resources before they are connections.
 *
 * @param {import("node:http").Server} server
 * @param {import("./config.js").Config["listen"]} where
 */
export function countConnections(server, where) {
  if (!("port" in where)) ownConnections.kind = "PipeWrap";
  if ("dial" in where) return;
  server.on("connection", (socket) => {
    ownConnections.open += 1;
    socket.on("close", () => {
      ownConnections.open -= 1;
    });
  });
}
