// node server_sdk.mjs URL APPLICATION KEY_FILE API_KEY API_SECRET: documented calls of @vonage/server-sdk, unmodified
// but for the host. Prints one JSON object with what each answered.

import { readFileSync } from 'node:fs'
import { Vonage } from '@vonage/server-sdk'

const [url, applicationId, keyFile, apiKey, apiSecret] = process.argv.slice(2)
const vonage = new Vonage(
  { apiKey, apiSecret, applicationId, privateKey: readFileSync(keyFile, 'utf8') },
  { apiHost: url, restHost: url },
)
const told = {}
const list = async (items) => {
  const found = []
  for await (const item of items) found.push(item)
  return found
}

const alice = await vonage.users.createUser({ name: 'alice', displayName: 'Alice' })
told.userCreated = alice
told.userRead = await vonage.users.getUser(alice.id)
told.userUpdated = await vonage.users.updateUser({ ...alice, displayName: 'Alice B.' })
const bob = await vonage.users.createUser({ name: 'bob' })
told.users = await list(vonage.users.listAllUsers())

const conversation = await vonage.conversations.createConversation({ name: 'tea', displayName: 'Tea' })
told.conversationCreated = conversation
told.conversationRead = await vonage.conversations.getConversation(conversation.id)
told.conversationUpdated = await vonage.conversations.updateConversation({ ...conversation, displayName: 'More tea' })
told.conversations = await list(vonage.conversations.listAllConversations())

const member = await vonage.conversations.createMember(conversation.id, {
  user: { id: alice.id },
  state: 'joined',
  channel: { type: 'app' },
})
told.memberCreated = member
const invited = await vonage.conversations.createMember(conversation.id, {
  user: { id: bob.id },
  state: 'invited',
  channel: { type: 'app' },
})
told.memberInvited = invited
told.memberRead = await vonage.conversations.getMember(conversation.id, member.id)
told.members = await list(vonage.conversations.listAllMembers(conversation.id))
told.userConversations = await list(vonage.conversations.listAllUserConversations(alice.id))

told.eventCreated = await vonage.conversations.createEvent(conversation.id, {
  type: 'message',
  from: member.id,
  body: { messageType: 'text', text: 'hello' },
})
told.customCreated = await vonage.conversations.createEvent(conversation.id, {
  type: 'custom:poll',
  from: member.id,
  body: { ask: 'milk?' },
})
told.eventRead = await vonage.conversations.getEvent(conversation.id, told.eventCreated.id)
told.events = await list(vonage.conversations.listAllEvents(conversation.id))
told.eventDeleted = (await vonage.conversations.deleteEvent(conversation.id, told.customCreated.id)) ?? null
told.memberUpdated = await vonage.conversations.updateMember(conversation.id, invited.id, {
  state: 'left',
  from: member.id,
  reason: { code: '1', text: 'changed my mind' },
})
told.conversationDeleted = (await vonage.conversations.deleteConversation(conversation.id)) ?? null
told.userDeleted = (await vonage.users.deleteUser(bob.id)) ?? null

const application = await vonage.applications.createApplication({
  name: 'made by the SDK',
  capabilities: { rtc: { webhooks: { eventUrl: { address: 'https://example.com/events', httpMethod: 'POST' } } } },
})
told.applicationCreated = application
told.applicationRead = await vonage.applications.getApplication(application.id)
told.applicationUpdated = await vonage.applications.updateApplication({ ...application, name: 'renamed' })
told.applications = await list(vonage.applications.listAllApplications())
told.applicationDeleted = (await vonage.applications.deleteApplication(application.id)) ?? null
try {
  await vonage.applications.getApplication(application.id)
} catch (error) {
  told.applicationGone = error.response?.status ?? String(error)
}

process.stdout.write(JSON.stringify(told))
