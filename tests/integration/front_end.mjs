// A real Better Auth server for test_better_auth.py: in memory, on a free port, which one JSON line
// on stdout names. Its first argument is JSON: what `jwt()` takes, what `session` takes, whether it
// signs with the shared secret, and whether it limits requests as it does in production.

import { createServer } from "node:http";

import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import { SignJWT } from "jose";

const { jwtOptions, session, basePath, sharedSecret, limited } = JSON.parse(process.argv[2]);
const secret = process.env.BETTER_AUTH_SECRET;

function sharedSecretOptions(baseURL, currentSecret) {
  return {
    // Better Auth wants both beside `sign`; nothing is ever fetched from the URL.
    jwks: { remoteUrl: `${baseURL}/no-keys`, keyPairConfig: { alg: "EdDSA" } },
    jwt: {
      sign: async (payload) =>
        new SignJWT(payload)
          .setProtectedHeader({ alg: "HS256", typ: "JWT" })
          .sign(new TextEncoder().encode(await currentSecret())),
    },
  };
}

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const baseURL = `http://127.0.0.1:${server.address().port}`;
  const mailedTokens = [];
  const currentSecret = async () => (await auth.$context).secret;

  const auth = betterAuth({
    baseURL,
    basePath,
    secret,
    session,
    database: memoryAdapter({ user: [], session: [], account: [], verification: [], jwks: [] }),
    emailAndPassword: { enabled: true },
    emailVerification: {
      sendOnSignUp: true,
      sendVerificationEmail: async ({ token }) => void mailedTokens.push(token),
    },
    rateLimit: { enabled: limited ?? false },
    telemetry: { enabled: false },
    plugins: [jwt(sharedSecret ? sharedSecretOptions(baseURL, currentSecret) : jwtOptions)],
  });
  const answer = toNodeHandler(auth);

  server.on("request", (request, response) => {
    if (request.url === "/mailed-tokens") response.end(JSON.stringify(mailedTokens));
    else answer(request, response);
  });
  console.log(JSON.stringify({ url: baseURL }));
});
