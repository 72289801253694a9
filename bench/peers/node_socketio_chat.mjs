// A small chat on Node's socket.io, as one would write it: the token is checked at connect; nothing is stored.
//
// Usage: node node_socketio_chat.mjs PORT PUBLIC_KEY_FILE

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import jwt from 'jsonwebtoken'
import { Server } from 'socket.io'

const [port, publicKeyFile] = process.argv.slice(2)
const publicKey = readFileSync(publicKeyFile, 'utf8')
const sequences = new Map()
const http = createServer()
const io = new Server(http, { path: '/v2/rtc', transports: ['websocket'], perMessageDeflate: false })

io.use((socket, next) => {
  try {
    socket.data = jwt.verify(socket.handshake.query.token, publicKey, { algorithms: ['RS256'] })
    next()
  } catch (error) {
    next(error)
  }
})

io.on('connection', (socket) => {
  const { sub: user, room } = socket.data
  socket.join(room)
  socket.emit('session:success', { body: { id: socket.id, name: user } })
  socket.on('text', (event, answer) => {
    const id = (sequences.get(room) ?? 0) + 1
    sequences.set(room, id)
    const timestamp = new Date().toISOString()
    io.to(room).emit('text', {
      id,
      cid: room,
      from: event.from,
      timestamp,
      body: event.body,
      _embedded: { from_user: { id: user, name: user }, from_member: { id: event.from } },
    })
    answer({ id, timestamp })
  })
})

http.listen(Number(port), '127.0.0.1', 4096)
