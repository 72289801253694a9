// node verify_webhooks.mjs SECRET < requests.json: verifies signed webhooks with the unmodified @vonage/jwt and
// standardwebhooks. Reads [{token, payload, headers, secret}], prints what each verifier said of each.

import { readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { verifySignature } from '@vonage/jwt'
import { Webhook } from 'standardwebhooks'

const [signatureSecret] = process.argv.slice(2)
const told = JSON.parse(readFileSync(0, 'utf8')).map(({ token, payload, headers, secret }) => {
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
  let standard = false
  try {
    new Webhook(secret).verify(payload, headers)
    standard = true
  } catch (error) {
    standard = String(error)
  }
  return {
    jwt: verifySignature(token, signatureSecret),
    hash: claims.payload_hash === createHash('sha256').update(payload).digest('hex'),
    standard,
  }
})
console.log(JSON.stringify(told))
