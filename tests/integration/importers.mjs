// Prints what three importers make of the OpenAPI document that the argument names: each one's
// variables, and its requests with the parameters that are ticked.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { openApiToBruno } from "@usebruno/converters";

const require = createRequire(import.meta.url);
const postman = require("openapi-to-postmanv2");
const insomnia = require("insomnia-importers");

const text = readFileSync(process.argv[2], "utf8");
const leaves = (items, inner) =>
  items.flatMap((item) => (item[inner] ? leaves(item[inner], inner) : [item]));
const fromPairs = (pairs, name = "name") =>
  Object.fromEntries(pairs.map((pair) => [pair[name], pair.value]));

/** What Postman makes of it with the settings that it begins with. */
async function ofPostman() {
  const { output } = await new Promise((resolve, reject) =>
    postman.convert({ type: "string", data: text }, {}, (error, made) =>
      error ? reject(error) : resolve(made),
    ),
  );
  const { item, variable } = output[0].data;
  const requests = leaves(item, "item").map(({ name, request: { method, url } }) => ({
    name,
    method,
    url: [...url.host, ...url.path].join("/"),
    query: fromPairs(url.query.filter(({ disabled }) => !disabled), "key"),
  }));
  return { variables: fromPairs(variable, "key"), requests };
}

function ofBruno() {
  const { items, environments } = openApiToBruno(JSON.parse(text));
  const requests = leaves(items, "items").map(({ name, request: { method, url, params } }) => {
    const ticked = params.filter(({ enabled, type }) => enabled && type === "query");
    return { name, method, url, query: fromPairs(ticked) };
  });
  return { variables: fromPairs(environments[0].variables), requests };
}

async function ofInsomnia() {
  const { resources } = (await insomnia.convert(text)).data;
  const ofType = (type) => resources.filter(({ _type }) => _type === type);
  const requests = ofType("request").map(({ name, method, url, parameters }) => {
    return { name, method, url, query: fromPairs(parameters.filter(({ disabled }) => !disabled)) };
  });
  const variables = Object.assign({}, ...ofType("environment").map(({ data }) => data));
  return { variables, requests };
}

// The importers log to stdout and stderr.
const made = { Postman: await ofPostman(), Bruno: ofBruno(), Insomnia: await ofInsomnia() };
console.log(`\n${JSON.stringify(made)}`);
