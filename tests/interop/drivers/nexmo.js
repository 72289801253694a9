// Drives nexmo-client, unmodified, by the methods its documentation names. Runs in Node and in a browser.
//
// Everything the SDK emits is told as it happens: tell('client' | 'application' | 'conversation', name, detail).

import { plain } from './plain.js'

const MAX_HISTORY_PAGES = 50 // a paging mistake of the server must end the test, not hang it

export function drive(NexmoClient, tell, surroundings) {
  let client
  let application
  const pages = new Map() // the last page of each list, for `page`

  const conversation = (cid) => {
    const found = application.conversations.get(cid)
    if (!found) throw new Error(`${cid} is not known to this client`)
    return found
  }

  const event = (cid, id) => {
    const found = conversation(cid).events.get(id)
    if (!found) throw new Error(`event ${id} of ${cid} is not known to this client`)
    return found
  }

  // Listen to a conversation from the moment the SDK makes its object, so that no first event is missed.
  const overheard = new WeakSet()
  const overhear = (conversations) => {
    const set = conversations.set.bind(conversations)
    conversations.set = (cid, made) => {
      if (overheard.has(made)) return set(cid, made)
      overheard.add(made)
      made.on('*', (name, ...args) => tell('conversation', name, { cid, args: plain(args) }))
      return set(cid, made)
    }
    for (const [cid, made] of [...conversations]) conversations.set(cid, made)
  }

  const commands = {
    // Make a client and log in. `config` holds the three URLs and whatever else the app would set.
    async login({ config, token }) {
      client = new NexmoClient(config)
      client.on('*', (name, ...args) => tell('client', name, { args: plain(args) }))
      application = await client.createSession(token)
      application.on('*', (name, ...args) => tell('application', name, { args: plain(args) }))
      overhear(application.conversations)
      return { session: client.session_id, me: { id: application.me.id, name: application.me.name } }
    },

    // Log in where failure is what is looked for: the error, and nothing else, is the result.
    async failToLogin({ config, token }) {
      client = new NexmoClient(config)
      client.on('*', (name, ...args) => tell('client', name, { args: plain(args) }))
      try {
        await client.createSession(token)
      } catch (error) {
        return plain(error)
      }
      throw new Error('the login succeeded')
    },

    async client({ method, args }) {
      return plain(await client[method](...args))
    },

    async application({ method, args }) {
      const result = await application[method](...args)
      if (result && result.items) pages.set(method, result)
      return plain(result)
    },

    async conversation({ cid, method, args }) {
      const result = await conversation(cid)[method](...args)
      if (result && result.items) pages.set(method, result)
      return plain(result)
    },

    async event({ cid, id, method, args }) {
      return plain(await event(cid, id)[method](...args))
    },

    async kick({ cid, member, reason }) {
      return plain(await (await conversation(cid).getMember(member)).kick(reason))
    },

    // Turn the last page that `list` (getEvents, getMembers …) answered: `way` is Next or Prev.
    async turn({ list, way }) {
      const last = pages.get(list)
      if (!last[`has${way}`]()) return null
      const turned = await last[`get${way}`]()
      pages.set(list, turned)
      return plain(turned)
    },

    // What this client holds of a conversation.
    async state({ cid }) {
      const held = conversation(cid)
      return {
        sequence: held.sequence_number,
        me: held.me && { id: held.me.id, state: held.me.state },
        members: [...held.members.values()].map((m) => ({ id: m.id, state: m.state, name: m.user && m.user.name })),
        events: [...held.events.values()].map(plain).sort((a, b) => a.id - b.id),
      }
    },

    // A history as the platform's documentation has apps write it: walk the events, look the sender up among the
    // members, read the time, switch on the type. Answers what reached the switch.
    async documentedHistory({ cid }) {
      const held = conversation(cid)
      const reached = []
      const missed = []
      for (const [id, item] of held.events) {
        const sender = held.members.get(item.from)
        if (!sender) {
          missed.push({ id, type: item.type, from: item.from ?? null })
          continue
        }
        const date = new Date(Date.parse(item.timestamp))
        if (Number.isNaN(date.getTime())) throw new Error(`event ${id} has no time: ${item.timestamp}`)
        const line = { id, type: item.type, by: sender.user.name }
        switch (item.type) {
          case 'text:seen':
          case 'text:delivered':
            line.shown = `${item.type} of ${item.body.event_id}`
            break
          case 'text':
            line.shown = `${sender.user.name}: ${item.body.text}`
            break
          case 'member:joined':
            line.shown = `${sender.user.name} joined`
            break
          case 'member:left':
            line.shown = `${sender.user.name} left`
            break
          case 'member:invited':
            line.shown = `${sender.user.name} was invited`
            break
          default:
            line.shown = `${sender.user.name}: ${item.type}`
        }
        reached.push(line)
      }
      return { reached, missed, byIndex: Object.keys(held.members).length }
    },

    // Fetch a conversation's whole log page by page.
    async wholeHistory({ cid, params }) {
      const items = []
      let page = await conversation(cid).getEvents(params)
      for (let turned = 0; ; turned += 1) {
        if (turned > MAX_HISTORY_PAGES) throw new Error('the pages do not end')
        items.push([...page.items.values()].map(plain))
        if (!page.hasNext()) return items
        page = await page.getNext()
      }
    },

    // Upload a picture and send it as an image event; `bytes` is base64. Resolves when the SDK's upload is over.
    async sendImage({ cid, bytes, name, type, ratios }) {
      const request = await conversation(cid).sendImage(surroundings.file(bytes, name, type), ratios)
      await ended(request)
      return { status: request.status, answer: parsed(request.responseText) }
    },

    async uploadImage({ cid, bytes, name, type, ratios }) {
      const request = await conversation(cid).uploadImage(surroundings.file(bytes, name, type), ratios)
      await ended(request)
      return { status: request.status, answer: parsed(request.responseText) }
    },

    // Lose the network: the transport goes, and the SDK finds out by itself.
    async drop() {
      client.connection.io.engine.close()
    },

    async token() {
      return client.config.token
    },
  }
  return commands
}

function ended(request) {
  if (request.readyState === 4) return undefined
  return new Promise((resolve) => request.addEventListener('loadend', () => resolve()))
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
