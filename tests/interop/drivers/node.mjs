// node node.mjs nexmo|chat: one SDK in one process, driven by JSON lines.
//
//   in   {"id": 1, "command": "login", "args": {…}}
//   out  {"id": 1, "result": …} or {"id": 1, "error": {…}}
//        {"from": "client"|"application"|"conversation", "name": "text", "detail": {…}}   what the SDK emitted
//        {"frame": "42[…]", "sent": false}                                                every websocket frame
//        {"crash": "…"}                                                                   an unhandled rejection
//
// The command "deaf" is a host's own, not a driver's: {"on": true} loses every event that arrives, as a faulty proxy would.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const require = createRequire(import.meta.url)

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const tell = (from, name, detail) => write({ from, name, detail })

process.on('unhandledRejection', (reason) => {
  const text = reason instanceof Error ? reason.stack : JSON.stringify(reason)
  write({ crash: String(text) })
})

let deaf = false
overhearFrames()
const { drive, sdk, surroundings } = await load(process.argv[2])
const commands = {
  ...drive(sdk, tell, surroundings),
  async deaf({ on }) {
    deaf = on
  },
}
write({ ready: true })

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, args } = JSON.parse(line)
  // Not awaited: an app, too, does several things at once.
  Promise.resolve()
    .then(() => commands[command](args ?? {}))
    .then((result) => write({ id, result: result ?? null }))
    .catch(async (error) => {
      const { plain } = await import('./plain.js')
      write({ id, error: plain(error) ?? { message: String(error) } })
    })
}
process.exit(0)

async function load(name) {
  if (name === 'nexmo') {
    const { drive } = await import('./nexmo.js')
    return { drive, sdk: require('nexmo-client'), surroundings: browserRequests() }
  }
  const { drive } = await import('./chat.js')
  return { drive, sdk: await import('@vonage/client-sdk') }
}

// nexmo-client asks over XMLHttpRequest and uploads a FormData, which Node does not have: those of jsdom, which
// checks origins as a browser does.
function browserRequests() {
  const { JSDOM } = require('jsdom')
  const { window } = new JSDOM('', { url: 'http://app.localhost/' })
  globalThis.XMLHttpRequest = window.XMLHttpRequest
  globalThis.FormData = window.FormData
  return {
    file: (bytes, name, type) => new window.File([Buffer.from(bytes, 'base64')], name, { type }),
  }
}

// Both SDKs reach the network through engine.io-client, and that through `ws`.
function overhearFrames() {
  const engine = createRequire(require.resolve('engine.io-client'))
  const WebSocket = engine('ws')
  const { emit, send } = WebSocket.prototype
  WebSocket.prototype.emit = function (name, ...args) {
    if (name === 'message' && deaf && String(args[0]).startsWith('42')) {
      write({ lost: String(args[0]) })
      return true
    }
    if (name === 'message') write({ frame: String(args[0]), sent: false })
    return emit.call(this, name, ...args)
  }
  WebSocket.prototype.send = function (data, ...rest) {
    write({ frame: String(data), sent: true })
    return send.call(this, data, ...rest)
  }
}
