// A Hono app is one function: it routes by itself.

import { Hono } from "hono";

const app = new Hono();

app.get("/", (c) => c.json({ hello: c.req.query("name") ?? "world" }));
app.get("/users/:id", (c) => c.json({ id: c.req.param("id") }));

export default app;
