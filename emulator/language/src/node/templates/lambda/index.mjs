// A handler as AWS Lambda has it: an event of API Gateway in, an answer out.
// It gets every path while it is the only function here.

export const handler = async (event, context) => {
  const { name = "world" } = event.queryStringParameters ?? {};
  return {
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ hello: name, path: event.rawPath, request: context.awsRequestId }),
  };
};
