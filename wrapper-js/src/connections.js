/** Connections of clients to this server, as Node counts them among its active resources. */
export const ownConnections = { kind: "TCPSocketWrap", open: 0 };

/**
 * @param {import("node:http").Server} server
 * @param {boolean} unix
 */
export function countConnections(server, unix) {
  if (unix) ownConnections.kind = "PipeWrap";
  server.on("connection", (socket) => {
    ownConnections.open += 1;
    socket.on("close", () => {
      ownConnections.open -= 1;
    });
  });
}
