const client = (httpClient) => ({
  input: "openapi.json",
  output: {
    target: `generated/${httpClient}.ts`,
    client: httpClient,
    baseUrl: process.env.ORIGIN,
    urlEncodeParameters: true,
  },
});

export default { fetch: client("fetch"), reactQuery: client("react-query") };
