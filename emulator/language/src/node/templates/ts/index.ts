// Each export is a function of its own, and Node.js (22.18 or later) runs the types away: nothing
// is compiled. `fnlocal dev` serves this one at http://localhost:9000/hello.
import type { FunctionRequest, FunctionResponse, FunctionSpec } from "fnlocal-runner";
import { greet, type Greeting } from "./greet.ts";

export const hello: FunctionSpec = {
  func: async (req: FunctionRequest, res: FunctionResponse) => {
    const greeting: Greeting = greet(String(req.query.name ?? "world"));
    console.log(`greeting ${greeting.name}`);
    res.json(greeting);
  },
  config: { timeout: 10_000, memory: "256MB" },
};
