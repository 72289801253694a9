// Drives @vonage/client-sdk, unmodified, by the methods its documentation names. Runs in Node and in a browser.
//
// Everything the SDK calls back is told as it happens: tell('client', name, {args}).

import { plain } from './plain.js'

const CALLBACKS = ['conversationEvent', 'sessionError', 'reconnecting', 'reconnection']

// The parameters that the SDK wants as URL objects.
const WITH_URL = new Set([
  'sendMessageImageEvent', 'sendMessageVideoEvent', 'sendMessageFileEvent', 'sendMessageAudioEvent',
  'sendMessageVCardEvent',
]) // prettier-ignore

export function drive({ VonageClient }, tell) {
  let client

  const make = (config) => {
    client = new VonageClient({ rtcStatsTelemetry: false, disableInternalLogger: true, ...config })
    for (const name of CALLBACKS) client.on(name, (...args) => tell('client', name, { args: args.map(event) }))
  }

  return {
    // Make a client and log in; with `session`, resume that one.
    async login({ config, token, session }) {
      make(config)
      return { session: await client.createSession(token, session ?? null) }
    },

    // Log in where failure is what is looked for: the error, and nothing else, is the result.
    async failToLogin({ config, token, session }) {
      make(config)
      try {
        await client.createSession(token, session ?? null)
      } catch (error) {
        return event(error)
      }
      throw new Error('the login succeeded')
    },

    async client({ method, args }) {
      const given = WITH_URL.has(method) ? [args[0], new URL(args[1])] : args
      return event(await client[method](...given))
    },
  }
}

// The SDK's values are class instances with getters: read every property, own or inherited.
function event(value, depth = 0) {
  if (value === null || typeof value !== 'object' || depth > 8) return plain(value)
  if (Array.isArray(value)) return value.map((item) => event(item, depth + 1))
  if (value instanceof URL) return value.href
  const names = new Set(Object.keys(value))
  for (let type = Object.getPrototypeOf(value); type && type !== Object.prototype; type = Object.getPrototypeOf(type)) {
    if (type === Error.prototype) continue
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
      if (property.get && !name.startsWith('__') && !name.includes('$')) names.add(name)
    }
  }
  const kept = {}
  for (const name of names) {
    if (name.startsWith('_') || name.endsWith('_1')) continue
    const item = value[name]
    if (typeof item !== 'function') kept[name] = event(item, depth + 1)
  }
  if (value instanceof Error) kept.message = value.message
  return kept
}
