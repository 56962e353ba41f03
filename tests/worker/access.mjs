// A double of Cloudflare Access: the vars that name it, the certificates that the Worker fetches, and assertions signed with them.
import { createSign, generateKeyPairSync } from "node:crypto";

const TEAM = "https://team.cloudflareaccess.com";
const AUDIENCE = "f".repeat(64);

/** Everything else that the Worker fetches goes where it should. */
async function passed(request) {
  const body = request.method === "GET" || request.method === "HEAD" ? undefined : await request.arrayBuffer();
  const answer = await fetch(request.url, { method: request.method, headers: Object.fromEntries(request.headers), body, redirect: "manual" });
  return new Response(answer.body, { status: answer.status, headers: Object.fromEntries(answer.headers) });
}

/** `setting` is startRouter's part of it; `assertion(email, fields)` is what Access would put into a person's requests. */
export function accessDouble({ admins, operators }) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const certificates = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k1", alg: "RS256", use: "sig" }] };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    setting: {
      vars: { ACCESS_TEAM_DOMAIN: "team.cloudflareaccess.com", ACCESS_AUD: AUDIENCE, ACCESS_ADMINS: admins, ACCESS_OPERATORS: operators },
      around: (worker) => {
        worker.outboundService = (request) => (new URL(request.url).origin === TEAM ? Response.json(certificates) : passed(request));
        return [];
      },
    },
    assertion: (email, fields = {}) => {
      const now = Math.floor(Date.now() / 1000);
      const signed = `${part({ alg: "RS256", kid: "k1" })}.${part({ iss: TEAM, aud: [AUDIENCE], email, iat: now, nbf: now - 10, exp: now + 600, ...fields })}`;
      return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`;
    },
  };
}
