// A yamux peer for test_yamux_js.py: ChainSafe's js-libp2p-yamux over one TCP connection, without libp2p.
//
//   node peer.js listen           binds a free port of 127.0.0.1, prints {"port": N}, serves one connection
//   node peer.js dial PORT        dials 127.0.0.1:PORT, then opens streams as the lines on stdin say
//
// Streams the other side opens begin with one line that says what to do with them (see `serve`).
// On stdin come lines of JSON (see `command`); what happens is told on stdout, one JSON object a line.

import { createHash } from 'node:crypto'
import net from 'node:net'
import readline from 'node:readline'
import { yamux } from '@chainsafe/libp2p-yamux'

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n')

const silent = Object.assign(() => {}, { error: () => {}, trace: () => {} })
const logger = { forComponent: () => silent }

/** `size` bytes that both languages can make: byte i is i * 31 + i >> 8, cut to eight bits. */
function * pattern (size) {
  const step = 65536 // a multiple of the pattern's period
  const block = Uint8Array.from({ length: step }, (_, i) => i * 31 + (i >> 8))
  for (let given = 0; given < size; given += step) {
    yield block.slice(0, Math.min(step, size - given))
  }
}

/** All that arrives until the other side finishes: how much, and its SHA-256. */
async function digest (source) {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of source) {
    hash.update(chunk.subarray())
    size += chunk.byteLength
  }
  return { size, sha256: hash.digest('hex') }
}

/** The first line of a source, and the rest of it. */
async function firstLine (source) {
  const iterator = source[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (!head.includes(10)) {
    const { done, value } = await iterator.next()
    if (done) break
    head = Buffer.concat([head, value.subarray()])
  }
  const end = head.indexOf(10)
  async function * rest () {
    if (end + 1 < head.length) yield head.subarray(end + 1)
    yield * { [Symbol.asyncIterator]: () => iterator }
  }
  return [head.subarray(0, end).toString(), rest()]
}

/** A stream that was opened to us. */
async function serve (stream) {
  const [line, rest] = await firstLine(stream.source)
  const [what, size] = line.split(' ')
  if (what === 'echo') {
    await stream.sink(rest)
  } else if (what === 'digest') { // answers only after the other side has finished: half close
    await stream.sink([Buffer.from(JSON.stringify(await digest(rest)))])
  } else if (what === 'give') { // finishes at once what we have to say, then hears the other side out
    await stream.sink(pattern(Number(size)))
    tell({ event: 'heard', ...(await digest(rest)) })
  } else if (what === 'reset') {
    stream.abort(new Error('as asked'))
  } else if (what === 'wait') { // until the other side resets it
    try {
      await digest(rest)
      tell({ event: 'ended' })
    } catch (error) {
      tell({ event: 'was reset', error: error.name })
    }
  }
}

/** One order from stdin. */
async function command (muxer, { order, count = 1, size = 0 }) {
  if (order === 'echo') { // opens `count` streams, each of which must give `size` bytes back
    const wanted = await digest(pattern(size))
    const given = await Promise.all(Array.from({ length: count }, async () => {
      const stream = muxer.newStream()
      const [, got] = await Promise.all([stream.sink(pattern(size)), digest(stream.source)])
      return got.size === wanted.size && got.sha256 === wanted.sha256
    }))
    tell({ event: 'echoed', good: given.filter(Boolean).length })
  } else if (order === 'open and reset') {
    const stream = muxer.newStream()
    const sink = stream.sink((async function * () {
      yield Buffer.from('to be given up')
      await new Promise(() => {}) // never finishes by itself
    })())
    for await (const chunk of stream.source) { // the other side's answer
      tell({ event: 'answered', text: Buffer.from(chunk.subarray()).toString() })
      break
    }
    stream.abort(new Error('as ordered'))
    void sink
    tell({ event: 'aborted' })
  } else if (order === 'ping') {
    await muxer.ping()
    tell({ event: 'pinged' })
  } else if (order === 'go away') {
    await muxer.close()
    tell({ event: 'gone away' })
  }
}

function run (socket, direction) {
  socket.setNoDelay(true)
  const muxer = yamux({ enableKeepAlive: false })({ logger }).createStreamMuxer({
    direction,
    onIncomingStream: (stream) => { serve(stream).catch((error) => tell({ event: 'failed', error: String(error) })) }
  })
  const out = (async () => {
    for await (const bytes of muxer.source) {
      if (!socket.write(bytes.subarray())) {
        await new Promise((resolve) => { socket.once('drain', resolve); socket.once('close', resolve) })
      }
    }
    socket.end()
  })()
  Promise.all([muxer.sink(socket), out])
    .catch((error) => tell({ event: 'failed', error: String(error) }))
    .finally(() => { tell({ event: 'closed' }); process.exit(0) })
  readline.createInterface({ input: process.stdin })
    .on('line', (line) => {
      command(muxer, JSON.parse(line)).catch((error) => tell({ event: 'failed', error: String(error) }))
    })
    .on('close', () => process.exit(0)) // the test is over, or dead
}

if (process.argv[2] === 'listen') {
  const server = net.createServer((socket) => { server.close(); run(socket, 'inbound') })
  server.listen(0, '127.0.0.1', () => tell({ port: server.address().port }))
} else {
  const socket = net.connect(Number(process.argv[3]), '127.0.0.1', () => run(socket, 'outbound'))
}
