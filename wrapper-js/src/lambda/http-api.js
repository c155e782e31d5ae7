import { logTime, readQuery } from "./request.js";

/** Stand-ins for what only an account has. */
export const ACCOUNT = "123456789012";
const API = "fnlocal";

/**
 * The event of an HTTP API, payload format 2.0.
 *
 * @param {import("./request.js").Call} call
 */
export function eventOf2(call) {
  const { method, path, query, headers, cookies, body, base64, routeKey, params, host, sourceIp, protocol, requestId, at } = call;
  const named = Object.fromEntries(headers);
  const values = [...readQuery(query)].map(([key, all]) => [key, all.join(",")]);
  return {
    version: "2.0",
    routeKey,
    rawPath: path,
    rawQueryString: query,
    ...(cookies.length > 0 ? { cookies } : {}),
    headers: named,
    ...(values.length > 0 ? { queryStringParameters: Object.fromEntries(values) } : {}),
    requestContext: {
      accountId: ACCOUNT,
      apiId: API,
      domainName: host,
      domainPrefix: host.split(".")[0],
      http: { method, path, protocol, sourceIp, userAgent: named["user-agent"] ?? "" },
      requestId,
      routeKey,
      stage: "$default",
      time: logTime(at),
      timeEpoch: at.getTime(),
    },
    ...(body === undefined ? {} : { body }),
    ...(params === undefined ? {} : { pathParameters: params }),
    isBase64Encoded: base64,
  };
}

/**
 * The same in payload format 1.0, which is a REST API's.
 *
 * @param {import("./request.js").Call} call
 */
export function eventOf1(call) {
  const { method, path, query, cookies, body, base64, routeKey, params, host, sourceIp, protocol, requestId, at } = call;
  const headers = cookies.length > 0 ? [...call.headers, ["cookie", cookies.join("; ")]] : call.headers;
  const values = [...readQuery(query)];
  const resource = routeKey === "$default" ? "$default" : routeKey.slice(routeKey.indexOf(" ") + 1);
  return {
    version: "1.0",
    resource,
    path,
    httpMethod: method,
    headers: Object.fromEntries(headers),
    multiValueHeaders: Object.fromEntries(headers.map(([name, value]) => [name, [value]])),
    queryStringParameters: values.length > 0 ? Object.fromEntries(values.map(([key, all]) => [key, all.at(-1)])) : null,
    multiValueQueryStringParameters: values.length > 0 ? Object.fromEntries(values) : null,
    requestContext: {
      accountId: ACCOUNT,
      apiId: API,
      domainName: host,
      domainPrefix: host.split(".")[0],
      extendedRequestId: requestId,
      httpMethod: method,
      identity: identityOf(sourceIp, Object.fromEntries(headers)["user-agent"] ?? ""),
      path,
      protocol,
      requestId,
      requestTime: logTime(at),
      requestTimeEpoch: at.getTime(),
      resourceId: resource,
      resourcePath: resource,
      stage: "$default",
    },
    pathParameters: params ?? null,
    stageVariables: null,
    body: body ?? null,
    isBase64Encoded: base64,
  };
}

/**
 * @param {string} sourceIp
 * @param {string} userAgent
 */
function identityOf(sourceIp, userAgent) {
  return {
    accessKey: null,
    accountId: null,
    caller: null,
    cognitoAmr: null,
    cognitoAuthenticationProvider: null,
    cognitoAuthenticationType: null,
    cognitoIdentityId: null,
    cognitoIdentityPoolId: null,
    principalOrgId: null,
    sourceIp,
    user: null,
    userAgent,
    userArn: null,
  };
}
