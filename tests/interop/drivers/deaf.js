// Websockets of a page that can be deaf: while `window.deaf` is set they lose every event that arrives, as a faulty
// proxy would. Loaded before the SDK.

window.deaf = false

window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given)
    // Listeners are called in the order in which they came: before those of the SDK.
    this.addEventListener('message', (event) => {
      if (!window.deaf || !String(event.data).startsWith('42')) return
      event.stopImmediatePropagation()
      window.arrived(JSON.stringify({ lost: event.data }))
    })
  }
}
