import { VERSION, logGroup, logStream, region } from "./context.js";

/** Text that only a Lambda handler's file has; code may read AWS_REGION while it is imported. */
const LIKELY = /\b(?:exports\.handler\b|export\s+(?:const|let|var|function|async\s+function)\s+handler\b|as\s+handler\b|streamifyResponse\b|aws-lambda)/;

/**
 * Sets the variables that Lambda gives all functions, before the code is imported. What the function's
 * own variables say stays.
 *
 * @param {string} code
 * @param {string} file the entry
 * @param {string} source its text
 * @param {string | null | undefined} said the function's signature, if the configuration has it
 */
export function setLikelyVariables(code, file, source, said) {
  if (said === "lambda" || LIKELY.test(source)) setVariables({ code, file });
}

/**
 * @param {{ code: string, file?: string, name?: string, memoryMib?: number }} known
 */
export function setVariables({ code, file, name, memoryMib }) {
  const where = region();
  const stem = file?.slice(code.length + 1).replace(/\.[mc]?[jt]s$/, "");
  /** @type {Record<string, string | undefined>} */
  const all = {
    AWS_REGION: where,
    AWS_DEFAULT_REGION: where,
    AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split(".")[0]}.x`,
    AWS_LAMBDA_FUNCTION_VERSION: VERSION,
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    AWS_LAMBDA_LOG_STREAM_NAME: logStream(),
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_LOG_GROUP_NAME: name && logGroup(name),
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: memoryMib === undefined ? undefined : String(memoryMib),
    LAMBDA_TASK_ROOT: code,
    _HANDLER: stem && `${stem}.handler`,
  };
  for (const [key, value] of Object.entries(all)) {
    if (value !== undefined) process.env[key] ??= value;
  }
}
