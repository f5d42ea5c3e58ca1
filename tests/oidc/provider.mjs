// A certified OpenID provider for tests: node provider.mjs FILE
//
// FILE is JSON: {client: {...}, keys: [JWK, ...], people: {LOGIN: {CLAIM: ...}}}; `people` is read anew at
// each request, so that a test can change what is said of somebody. Any password is right. Once it answers, it
// prints its issuer. It ends with its standard input.
import http from 'node:http';
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const file = process.argv[2];
const read = () => JSON.parse(readFileSync(file, 'utf8'));
const { client, keys, claimsInToken } = read();

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [client],
    jwks: { keys },
    pkce: { required: () => true },
    cookies: { keys: ['only for tests'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    conformIdTokenClaims: !claimsInToken,
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    async findAccount(_, login) {
      const claims = read().people[login];
      return claims && { accountId: login, claims: () => ({ sub: login, ...claims }) };
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit());
