// TypeScript as Node itself runs it (Node 22.18 or later): types are stripped, nothing is compiled.
import type { FunctionRequest, FunctionResponse, FunctionSpec } from "fnlocal-runner";
import { area, type Shape } from "./shapes.ts";

export const measure: FunctionSpec = {
  func: async (req: FunctionRequest, res: FunctionResponse) => {
    const shape = req.body as Shape;
    res.json({ kind: shape.kind, area: area(shape) });
  },
  config: { timeout: 5_000 },
};

export const shapes = (req: FunctionRequest, res: FunctionResponse): void => {
  const known: Shape["kind"][] = ["circle", "square"];
  res.json(known);
};
